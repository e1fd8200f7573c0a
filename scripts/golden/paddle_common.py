# SPDX-License-Identifier: Apache-2.0
"""What the golden scripts of PaddleDetection's families share: the checkout, its image operators,
its NMS, and scenes as trained models leave them.

Used of PaddleDetection (commit 666f597, with PaddlePaddle 2.6.2): ppdet.data.transform's and
deploy/python/preprocess.py's Resize, NormalizeImage and Permute, and ppdet.modeling.layers'
MultiClassNMS.
"""

from __future__ import annotations

import argparse
import sys

import common
import cv2
import numpy as np

# Intel's closed library rounds otherwise, and is not in every build of OpenCV.
cv2.ipp.setUseIPP(False)

CUBIC = 2  # "interp: 2" in the configurations
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "is_scale": True}
UNIT = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "norm_type": "none"}
NUMBERS = {"confidence": "score_threshold", "iou": "nms_threshold"}
NUMBERS |= {"top_k": "nms_top_k", "max_detections": "keep_top_k"}

# Width and height of the image, then of the input. This OpenCV resizes all of them.
SHAPES = [
    ((1, 1), (64, 64)),
    ((1, 4000), (320, 320)),
    ((4000, 1), (320, 320)),
    ((37, 23), (96, 64)),  # up, not square
    ((101, 67), (64, 96)),  # one way down, the other up
    ((128, 96), (64, 48)),  # exactly half both ways
    ((641, 479), (416, 416)),
    ((1280, 1280), (640, 640)),
    ((1920, 1080), (640, 640)),
]


def arguments(text: str) -> argparse.Namespace:
    given = common.arguments(text, "PaddleDetection, 2.7 or later", "ppdet")
    # These two must be loaded before paddle, or the process ends with a segmentation fault.
    import pyclipper  # noqa: F401
    import pycocotools.mask  # noqa: F401

    sys.path[:0] = [str(given.repo), str(given.repo / "deploy" / "python")]
    return given


class Recording:
    """An NMS of PaddleDetection that remembers which anchors it kept."""

    def __init__(self, **numbers):
        from ppdet.modeling.layers import MultiClassNMS

        self.nms = MultiClassNMS(return_index=True, **numbers)
        self.anchors = None

    def __call__(self, boxes, scores):
        rows, count, index = self.nms(boxes, scores)
        # The index counts through the batch.
        self.anchors = index.numpy().ravel() % boxes.shape[1]
        return rows, count, index


def best_first(rows, counts, anchors) -> list[list]:
    """Rows (class, score, box) of all images → per image, by score, then anchor, then class.
    PaddleDetection groups its rows by class; which rows there are does not change."""
    images, start = [], 0
    for count in counts:
        part = range(start, start + int(count))
        order = sorted(part, key=lambda i: (-rows[i][1], anchors[i], rows[i][0]))
        images.append([(*rows[i][2:6], rows[i][1], rows[i][0]) for i in order])
        start += int(count)
    return images


def overlaps(boxes: np.ndarray) -> np.ndarray:
    """IoU of every pair, in double precision."""
    b = boxes.astype(np.float64)
    low = np.maximum(b[:, None, :2], b[None, :, :2])
    high = np.minimum(b[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area = np.prod(b[:, 2:] - b[:, :2], axis=1)
    return shared / (area[:, None] + area[None, :] - shared)


def clear_of(boxes: np.ndarray, scores: np.ndarray, thresholds) -> None:
    """Sets scores [A, C] to zero until no two candidates of a class have an IoU within 1e-4 of a
    threshold: there the order of float operations would decide."""
    scored = np.flatnonzero(scores.max(axis=1) > 0)
    iou, left = overlaps(boxes[scored]), scores[scored]
    near = np.any([np.abs(iou - t) < 2e-4 for t in thresholds], axis=0)
    for column in left.T:
        for anchor in np.flatnonzero(column):
            if np.any(near[anchor, :anchor] & (column[:anchor] > 0)):
                column[anchor] = 0
        used = column > 0
        assert not np.any(near[used][:, used])
    scores[scored] = left


def cells(size, strides) -> tuple[np.ndarray, np.ndarray]:
    """Centres [A, 2] and strides [A] of all anchors, level by level."""
    centres, steps = [], []
    for stride in strides:
        columns, rows = (-(-side // stride) for side in size)
        y, x = np.mgrid[:rows, :columns] + 0.5
        centres.append(np.stack([x.ravel(), y.ravel()], axis=1) * stride)
        steps.append(np.full(rows * columns, float(stride)))
    return np.concatenate(centres), np.concatenate(steps)


def scene(seed, size, classes, objects, strides, reg_max, inside=False):
    """Scores [A, C] and distributions [A, 4 * (reg_max + 1)] as of a trained model: every object
    is found by many anchors with nearly the same box, some objects as two classes, and the
    scores are multiples of 1/64, so that many are equal."""
    rng = np.random.default_rng(seed)
    centres, steps = cells(size, strides)
    # 1/256 and 2/256 are below the lowest threshold, 0.01.
    scores = rng.integers(0, 3, (len(steps), classes)) / 256
    distances = rng.uniform(0.2, 2, (len(steps), 4))
    for _ in range(objects):
        half = np.exp(rng.uniform(np.log(4), np.log(max(size) / 2), 2))
        # Without `inside`, objects hang over the edges of the image.
        room = half + 4 if inside else np.zeros(2)
        centre = rng.uniform(np.minimum(room, np.array(size) / 2), np.maximum(room, size - room))
        sides = np.concatenate([centres - centre + half, centre + half - centres], axis=1)
        wanted = sides / steps[:, None]
        fit = (wanted.min(axis=1) > 0) & (wanted.max(axis=1) < reg_max - 0.5)
        spread = rng.choice([0.005, 0.05, 0.15])
        jitter = np.tile(half, 2) / steps[:, None] * rng.normal(0, spread, wanted.shape)
        distances[fit] = np.clip(wanted + jitter, 0.1, reg_max - 0.4)[fit]
        off = np.abs(centres - centre) / half
        quality = rng.uniform(0.3, 0.95) * (1 - 0.7 * off.max(axis=1))
        for label, share in zip(rng.permutation(classes), (1.0, rng.choice([0, 0, 0.6, 1.0]))):
            found = np.round(quality * share * 64) / 64
            scores[fit, label] = np.maximum(scores[fit, label], found[fit])
    bins = np.arange(reg_max + 1)
    logits = np.maximum(-2 * (bins - distances[..., None]) ** 2, -14)
    return scores.astype(np.float32), logits.reshape(len(steps), -1).astype(np.float32)


def prepared(image, target, numbers, names=("image", "scale_factor")) -> dict:
    """What both operators of PaddleDetection, for training and for deployment, make of an RGB
    image: those of image, scale_factor [scale_y, scale_x] and im_shape, with a batch axis."""
    import preprocess as deploy
    from ppdet.data.transform import operators as train

    size = [target[1], target[0]]
    sample, deployed, info = {"image": image.copy()}, image.copy(), {}
    for step in operators(train, size, numbers):
        sample = step.apply(sample)
    for step in operators(deploy, size, numbers):
        deployed, info = step(deployed, info)
    info["image"] = deployed
    for name, array in info.items():
        assert np.array_equal(sample[name], array) and array.dtype == np.float32
    return {name: info[name][None] for name in names}


def operators(module, size, numbers) -> list:
    resize = module.Resize(target_size=size, keep_ratio=False, interp=CUBIC)
    return [resize, module.NormalizeImage(**numbers), module.Permute()]


def factors(size, images) -> np.ndarray:
    """scale_factor of images of the given widths and heights."""
    return np.array([[size[1] / h, size[0] / w] for w, h in images], np.float32)
