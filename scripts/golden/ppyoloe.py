#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden cases of PP-YOLOE, made by PaddleDetection's own head, NMS and image operators.

    pip install -r scripts/golden/requirements-paddle.txt
    python scripts/golden/ppyoloe.py tests/golden --repo PADDLEDETECTION

PADDLEDETECTION is a checkout of github.com/PaddlePaddle/PaddleDetection; commit 666f597 was used,
with PaddlePaddle 2.6.2. Preprocessing is its Resize, NormalizeImage and Permute, post-processing
PPYOLOEHead.post_process with MultiClassNMS. Writes ppyoloe.json and ppyoloe.bin.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import paddle_common
from common import Golden, noise
from paddle_common import (
    IMAGENET,
    NUMBERS,
    SHAPES,
    UNIT,
    Recording,
    arguments,
    best_first,
    clear_of,
    factors,
    prepared,
)

STRIDES = (32, 16, 8)
REG_MAX = 16
CONFIG = "configs/ppyoloe/ppyoloe_crn_s_300e_coco.yml"
scene = partial(paddle_common.scene, strides=STRIDES, reg_max=REG_MAX)


def no_tie_at(limit: int, rows) -> None:
    """Which of two equal rows a cut of the list leaves is not the rule's to say."""
    ordered = sorted(rows[:, 1], reverse=True)
    assert len(ordered) > limit and ordered[limit - 1] > ordered[limit], "choose another limit"


def model(variant, size, anchors="A", classes=80) -> dict:
    """Names and dynamic dimensions as paddle2onnx 1.3.1 writes them."""
    width, height = size
    free = [f"DynamicDimension.{i}" for i in range(4)]
    inputs = [["image", "float32", [free[0], 3, height, width]]]
    if variant in ("nms", "no-nms"):
        inputs.append(["scale_factor", "float32", [free[1], 2]])
    first, second = free[len(inputs) : len(inputs) + 2]
    outputs = {
        "nms": [("float32", [first, 6]), ("int32", [second])],
        "no-nms": [("float32", [first, anchors, 4]), ("float32", [second, classes, anchors])],
        "concatenated": [("float32", [first, anchors, 4 + classes])],
        "raw": [("float32", [first, anchors, classes]), ("float32", [second, anchors, 68])],
    }[variant]
    named = [[f"save_infer_model/scale_{i}.tmp_0", *o] for i, o in enumerate(outputs)]
    return {"inputs": inputs, "outputs": named}


class Head:
    """PaddleDetection's head at the end of a scene, with the numbers of its configuration."""

    def __init__(self, repo, size, scores, distributions):
        import paddle
        from ppdet.core.workspace import load_config
        from ppdet.modeling.heads import PPYOLOEHead

        self.numbers = dict(load_config(str(repo / CONFIG))["PPYOLOEHead"]["nms"])
        self.numbers.pop("name")
        features = [paddle.zeros([1, 8, size[1] // s, size[0] // s]) for s in STRIDES]
        self.head = PPYOLOEHead(in_channels=[8] * 3, num_classes=scores.shape[2], reg_max=REG_MAX)
        points, strides = self.head._generate_anchors(features)
        distances, _ = self.head._bbox_decode_fake(paddle.to_tensor(distributions))
        found = paddle.to_tensor(scores).transpose([0, 2, 1])
        self.outputs = [found, distances, points, strides]

    def __call__(self, factors, leave=None, **numbers):
        import paddle

        self.head.nms = Recording(**self.numbers | numbers)
        self.head.exclude_nms = leave == "nms"
        self.head.exclude_post_process = leave == "everything"
        found = self.head.post_process(self.outputs, paddle.to_tensor(factors))
        return [tensor.numpy() for tensor in found if tensor is not None]


def postprocess(golden, repo, variant, seed, size, images, options=None, objects=40):
    parts = [scene(seed + i, size, 3, objects) for i in range(len(images))]
    scores, distributions = (np.stack(part) for part in zip(*parts))
    scale = factors(size, images)
    boxes = Head(repo, size, scores, distributions)(scale, leave="nms")[0]
    for of_image, found in zip(boxes, scores):
        clear_of(of_image, found, (0.5, 0.7))
    head = Head(repo, size, scores, distributions)
    numbers = {NUMBERS[key]: value for key, value in (options or {}).items()}
    rows, counts, _ = head(scale, **numbers)
    anchors = head.head.nms.anchors
    outputs = [scores, distributions]
    if variant == "nms":
        # What follows the graph knows rows only.
        outputs, anchors = [rows, counts], range(len(rows))
    elif variant != "raw":
        outputs = head(scale, leave="everything" if variant == "concatenated" else "nms")
    if "keep_top_k" in numbers:
        no_tie_at(numbers["keep_top_k"], head(scale, **numbers | {"keep_top_k": -1})[0])
    shape, found = model(variant, size, *scores.shape[1:]), best_first(rows, counts, anchors)
    golden.postprocess(variant, shape, images, outputs, found, options)


def main() -> None:
    given = arguments(__doc__)
    golden = Golden("ppyoloe")
    for seed, (source, target) in enumerate(SHAPES):
        for options, numbers in ((None, IMAGENET), ({"normalize": "unit"}, UNIT)):
            tensors = prepared(noise(seed, *source), target, numbers)
            golden.preprocess("nms", model("nms", target), (seed, *source), tensors, options)
    wide, tall, big, photo = (96, 64), (64, 96), (160, 128), (333, 250)
    only = prepared(noise(99, 91, 55), wide, IMAGENET, ["image"])
    golden.preprocess("raw", model("raw", wide), (99, 91, 55), only)

    post = partial(postprocess, golden, given.repo)
    post("nms", 1, big, [photo])
    post("nms", 2, big, [(40, 61)], objects=0)
    post("no-nms", 3, big, [photo])
    for options in ({"confidence": 0.5}, {"iou": 0.5}, {"top_k": 12}, {"max_detections": 25}):
        post("no-nms", 3, big, [photo], options)
    post("no-nms", 4, wide, [photo], objects=0)
    post("no-nms", 5, wide, [photo, (61, 480)])
    post("concatenated", 7, big, [(1920, 1080)])
    post("concatenated", 8, wide, [photo, (17, 9)])
    post("raw", 10, wide, [photo])
    post("raw", 11, tall, [(50, 90)], {"confidence": 0.25, "iou": 0.5})
    post("raw", 12, (64, 32), [photo, (64, 32)])
    golden.write(given.folder)


if __name__ == "__main__":
    main()
