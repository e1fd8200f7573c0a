#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden cases of RT-DETR as PaddleDetection exports it, made by its own DETRPostProcess.

    pip install -r scripts/golden/requirements-paddle.txt
    python scripts/golden/rtdetr_paddle.py tests/golden --repo PADDLEDETECTION

PADDLEDETECTION is a checkout of github.com/PaddlePaddle/PaddleDetection; commit 666f597 was used,
with PaddlePaddle 2.6.2. The PyPI package paddledet 2.6.0 has an older, other DETRPostProcess.
Preprocessing is the project's Resize, NormalizeImage and Permute. Writes rtdetr_paddle.json and
rtdetr_paddle.bin.
"""

from __future__ import annotations

import numpy as np
from common import Golden, noise
from paddle_common import SHAPES, UNIT, arguments, best_first, factors, prepared

QUERIES = 300
CONFIG = "configs/rtdetr/rtdetr_r50vd_6x_coco.yml"


def model(size) -> dict:
    """Names and dynamic dimensions as paddle2onnx 1.3.1 writes them."""
    width, height = size
    free = [f"DynamicDimension.{i}" for i in range(5)]
    return {
        "inputs": [
            ["im_shape", "float32", [free[0], 2]],
            ["image", "float32", [free[1], 3, height, width]],
            ["scale_factor", "float32", [free[2], 2]],
        ],
        "outputs": [
            ["save_infer_model/scale_0.tmp_0", "float32", [free[3], 6]],
            ["save_infer_model/scale_1.tmp_0", "int32", [free[4]]],
        ],
    }


def scene(seed, classes) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (centre and size, relative) and logits of all queries. Several queries find the same
    object, some boxes hang over an edge, and logits are multiples of 1/16: many are equal."""
    rng = np.random.default_rng(seed)
    objects = np.concatenate([rng.uniform(0, 1, (40, 2)), rng.uniform(0.01, 0.7, (40, 2))], axis=1)
    boxes = objects[rng.integers(0, 40, QUERIES)] + rng.normal(0, 0.003, (QUERIES, 4))
    logits = np.round(rng.normal(-5, 2, (QUERIES, classes)) * 16) / 16
    return np.clip(boxes, 1e-3, 1).astype(np.float32), logits.astype(np.float32)


def no_tie_across_the_cut(logits) -> None:
    """paddle.topk has no rule which of two equal scores is among the best 300: raises those that
    are by our rule."""
    flat = logits.reshape(-1)
    order = np.argsort(-flat, kind="stable")
    level = flat[order[QUERIES - 1]]
    if level == flat[order[QUERIES]]:
        flat[[i for i in order[:QUERIES] if flat[i] == level]] += np.float32(1 / 32)


def postprocess(golden, repo, seed, size, images, classes=80) -> None:
    import paddle
    from ppdet.core.workspace import create, load_config

    load_config(str(repo / CONFIG))
    project = create("DETRPostProcess")
    assert project.use_focal_loss and project.num_top_queries == QUERIES
    parts = [scene(seed + i, classes) for i in range(len(images))]
    boxes, logits = (np.stack(part) for part in zip(*parts))
    for of_image in logits:
        no_tie_across_the_cut(of_image)
    shapes = np.tile(np.array([[size[1], size[0]]], np.float32), (len(images), 1))
    tensors = [paddle.to_tensor(a) for a in (boxes, logits, shapes, factors(size, images))]
    found = project((tensors[0], tensors[1], None), tensors[2], tensors[3], None)
    rows, counts = found[0].numpy(), found[1].numpy()
    detections = best_first(rows, counts, range(len(rows)))
    golden.postprocess("paddle", model(size), images, [rows, counts], detections)


def main() -> None:
    given = arguments(__doc__)
    golden = Golden("rtdetr", "rtdetr_paddle")
    for seed, (source, target) in enumerate([*SHAPES, ((333, 250), (640, 640))]):
        names = [name for name, _, _ in model(target)["inputs"]]
        tensors = prepared(noise(seed, *source), target, UNIT, names)
        golden.preprocess("paddle", model(target), (seed, *source), tensors)
    postprocess(golden, given.repo, 60, (640, 640), [(333, 250)])
    postprocess(golden, given.repo, 61, (640, 640), [(1920, 1080), (37, 501)])
    golden.write(given.folder)


if __name__ == "__main__":
    main()
