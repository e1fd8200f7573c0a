#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden cases of the family `nanodet` (NanoDet-Plus), made by the project's own code.

    pip install -r scripts/golden/requirements-torch.txt
    python scripts/golden/nanodet.py tests/golden --repo nanodet

--repo is a checkout of github.com/RangiLyu/nanodet; commit be9b4a9 was used. Preprocessing is its
Pipeline as configured for validation, post-processing NanoDetPlusHead.post_process. The Pipeline
calls cv2.warpPerspective, which gives the same bits from OpenCV 4.5 to 4.14, and others in 5.0.
Writes nanodet.json and nanodet.bin.
"""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import torch
import torchvision
from common import Golden, arguments, noise

cv2.ipp.setUseIPP(False)  # IPP rounds otherwise than OpenCV's portable code
assert cv2.__version__.startswith("4."), "OpenCV 5 warps otherwise"

STRIDES = (8, 16, 32, 64)
BINS = 8  # reg_max + 1
# config/nanodet-plus-m_320.yml, and the arguments of multiclass_nms in get_bboxes
NORMALISE = [[103.53, 116.28, 123.675], [57.375, 57.12, 58.395]]
DEFAULTS = {"confidence": 0.05, "iou": 0.6, "max_detections": 100, "class_agnostic": False}


def cells(width: int, height: int) -> int:
    return sum(-(-width // stride) * -(-height // stride) for stride in STRIDES)


def model(width: int, height: int, classes: int, batch: int | None = None) -> dict:
    """As exported: with dynamic batch, where the output says nothing, or all fixed."""
    unnamed = [f"Transposeoutput_dim_{n}" for n in (1, 2)]
    rest = unnamed if batch is None else [cells(width, height), classes + 4 * BINS]
    return {
        "inputs": [["data", "float32", [batch or "batch", 3, height, width]]],
        "outputs": [["output", "float32", [batch or "batch", *rest]]],
    }


# ---------------------------------------------------------------------- preprocessing

IMAGES = [  # of the image, then of the input
    ((1920, 1080), (320, 320)),
    ((1281, 721), (320, 320)),  # rounding of the matrix decides which way ties go
    ((320, 320), (320, 320)),
    ((1, 4000), (320, 320)),
    ((4000, 1), (320, 320)),
    ((640, 480), (416, 416)),
    ((623, 781), (64, 48)),  # ties again
    ((128, 96), (64, 48)),  # exactly half both ways
    ((1, 1), (64, 64)),
    ((37, 23), (64, 64)),  # up
    ((37, 230), (96, 64)),  # up one way, down the other
    ((333, 501), (320, 192)),
    ((333, 501), (100, 60)),  # no multiple of the strides
    ((63, 417), (33, 13)),  # fewer rows than OpenCV's blocks have
]


def transformed(bgr: np.ndarray, size) -> dict:
    """What the Pipeline makes of an image: the tensor's values, and the matrix."""
    from nanodet.data.transform.pipeline import Pipeline

    pipeline = Pipeline({"normalize": NORMALISE}, keep_ratio=False)
    return pipeline(None, {"img": bgr}, size)


def preprocessing(golden: Golden) -> None:
    for seed, (image, size) in enumerate(IMAGES, 5000):
        bgr = noise(seed, *image)[..., ::-1].copy()
        tensor = transformed(bgr, size)["img"].transpose(2, 0, 1)[None]
        assert tensor.dtype == np.float32
        declared = model(*size, 80, batch=1 if seed % 2 else None)
        golden.preprocess("", declared, (seed, *image), {"data": tensor})


# --------------------------------------------------------------------- postprocessing


def head_of(classes: int):
    """NanoDet-Plus's head; its weights do not matter here."""
    from nanodet.model.head.nanodet_plus_head import NanoDetPlusHead

    weight = SimpleNamespace(beta=2.0, loss_weight=1.0)
    loss = SimpleNamespace(loss_qfl=weight, loss_dfl=weight, loss_bbox=weight)
    return NanoDetPlusHead(classes, loss, 8, feat_channels=8, strides=list(STRIDES), reg_max=7)


def distributions(rng, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of distances to objects' edges [A, 32]; each cell's object; whether it is inside."""
    objects = max(2, width * height // 500)
    centres = rng.uniform(0, 1, (objects, 2)) * [width, height]
    half = rng.uniform(0.08, 0.4, (objects, 2)) * [width, height]
    logits, of, inside = [], [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : -(-height // stride), 0 : -(-width // stride)]
        points = np.stack([columns.ravel(), rows.ravel()], 1) * stride
        away = np.abs(points[:, None] - centres) / half
        nearest = away.max(2).argmin(1)
        offset = points - centres[nearest]
        distance = np.concatenate([half[nearest] + offset, half[nearest] - offset], 1) / stride
        distance *= np.exp(rng.normal(0, 0.5, distance.shape))
        bins = np.arange(BINS) - np.clip(distance, 0, 7)[..., None]
        spread = rng.normal(0, 0.4, (len(points), 4, BINS))
        logits.append((spread - 1.5 * bins**2).reshape(-1, 4 * BINS))
        of.append(nearest)
        inside.append(away.max(2).min(1) < 1)
    return np.concatenate(logits), np.concatenate(of), np.concatenate(inside)


def score_logits(rng, of, inside, classes: int, share: float) -> np.ndarray:
    """Logits of tied scores: odd multiples of 1/128, which no threshold is; [A, C]."""
    levels = rng.integers(0, 2, (len(of), classes))
    found = np.flatnonzero(inside & (rng.random(len(of)) < share))
    strong = rng.integers(2, 62, len(found))
    home = (of[found] + 1) % classes
    levels[found, home] = strong
    twice = rng.random(len(found)) < 0.3  # two classes are equally good
    levels[found[twice], (home[twice] + 1) % classes] = strong[twice]
    scores = (2 * levels + 1) / 128
    return np.log(scores / (1 - scores))


@contextlib.contextmanager
def limits(options: dict, calls: list):
    """The limits that get_bboxes has written into its call of multiclass_nms; also keeps what
    is given to it. Its NMS and ours agree about equal scores: torchvision sorts stably."""
    from nanodet.model.head import nanodet_plus_head as module

    original = module.multiclass_nms

    def multiclass_nms(boxes, scores, score_thr, nms_cfg, max_num):
        calls.append((boxes, scores[:, :-1]))
        iou, agnostic = options["iou"], options["class_agnostic"]
        config = nms_cfg | {"iou_threshold": iou, "class_agnostic": agnostic}
        return original(boxes, scores, options["confidence"], config, options["max_detections"])

    module.multiclass_nms = multiclass_nms
    try:
        yield
    finally:
        module.multiclass_nms = original


def run(head, logits: torch.Tensor, sizes, size, options: dict):
    """The project's detections per image and class, the same in order, and what NMS was given."""
    matrices = [transformed(np.zeros((h, w, 3), np.uint8), size)["warp_matrix"] for w, h in sizes]
    info = {"height": [h for _, h in sizes], "width": [w for w, _ in sizes]}
    info["id"] = list(range(len(sizes)))
    image = torch.zeros(len(sizes), 3, *size[::-1])
    meta = {"img": image, "warp_matrix": matrices, "img_info": info}
    calls: list = []
    with limits(options, calls), torch.no_grad():
        by_class = head.post_process(logits, meta)
        ordered = head.get_bboxes(*logits.split([head.num_classes, 4 * BINS], -1), meta)
    return by_class, ordered, calls[: len(sizes)]


def listed(by_class: dict, labels: torch.Tensor) -> list:
    """post_process groups by class; puts them back in the order they had before."""
    queues = {label: iter(boxes) for label, boxes in by_class.items()}
    return [(*next(queues[label]), label) for label in labels.tolist()]


def undecided(calls, options: dict) -> list[np.ndarray]:
    """Per image the cells whose overlap with another is so near the limit that rounding decides.
    All candidates are compared, whatever their class."""
    found = []
    for boxes, scores in calls:
        cells = (scores.max(1).values > options["confidence"]).nonzero().flatten()
        overlaps = torchvision.ops.box_iou(boxes[cells].double(), boxes[cells].double())
        near = ((overlaps - options["iou"]).abs() < 2e-4).triu(1).any(0)
        found.append(cells[near].numpy())
    return found


def scene(head, seed, sizes, size, share, options):
    """Outputs without overlaps near the limit, and what the project makes of them."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in sizes:
        boxes, of, inside = distributions(rng, *size)
        scores = score_logits(rng, of, inside, head.num_classes, share)
        images.append(np.concatenate([scores, boxes], 1))
    logits = np.stack(images).astype(np.float32)
    for _ in range(1000):
        by_class, ordered, calls = run(head, torch.from_numpy(logits), sizes, size, options)
        late = undecided(calls, options)
        if not any(cells.size for cells in late):
            return logits, by_class, ordered, calls
        for image, cells in zip(logits, late):
            image[cells, head.num_classes] += 0.1
            image[cells, head.num_classes :] += rng.normal(0, 0.05, 4 * BINS).astype(np.float32)
    raise AssertionError("overlaps stay near the limit")


def activated(logits: np.ndarray, calls) -> np.ndarray:
    """The output as exported: with the very scores that the head computed."""
    output = logits.copy()
    for image, (_, scores) in zip(output, calls):
        classes = scores.shape[1]
        assert len(np.unique(scores.numpy())) == len(np.unique(image[:, :classes]))
        image[:, :classes] = scores.numpy()
    return output


SCENES = [  # input, classes, sizes of the images, options, share of found cells
    ((64, 80), 3, [(1920, 1080)], {}, 0.9),
    ((70, 45), 3, [(333, 777)], {}, 0.9),  # no multiple of the strides
    ((48, 48), 2, [(640, 480), (1, 4000)], {}, 0.9),
    ((48, 64), 1, [(37, 23)], {}, 0.9),
    ((32, 32), 2, [(640, 480)], {}, 0.0),  # nothing is found
    ((48, 48), 3, [(641, 481)], {"class_agnostic": True}, 0.9),
    ((48, 48), 3, [(641, 481)], {"confidence": 0.4, "iou": 0.4}, 0.9),
    ((48, 48), 3, [(641, 481)], {"max_detections": 12}, 0.9),
]


def postprocessing(golden: Golden) -> None:
    for seed, (size, classes, sizes, options, share) in enumerate(SCENES, 300):
        limits_of_case = DEFAULTS | options
        head = head_of(classes)
        logits, by_class, ordered, calls = scene(head, seed, sizes, size, share, limits_of_case)
        found = [listed(by_class[n], labels) for n, (_, labels) in enumerate(ordered)]
        print(options, [len(image) for image in found])
        declared = model(*size, classes, batch=None if seed % 2 else len(sizes))
        golden.postprocess("", declared, sizes, [activated(logits, calls)], found, options)


def main() -> None:
    given = arguments(__doc__, "NanoDet", "nanodet/model")
    sys.path.insert(0, str(given.repo))  # before this script, which has the package's name
    golden = Golden("nanodet")
    preprocessing(golden)
    postprocessing(golden)
    golden.write(given.folder)


if __name__ == "__main__":
    main()
