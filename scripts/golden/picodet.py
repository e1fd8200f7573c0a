#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden cases of PicoDet: PaddleDetection's head, NMS and deployment code, and rapid-layout.

    pip install -r scripts/golden/requirements-paddle.txt
    pip install --no-deps rapid-layout==1.2.1
    python scripts/golden/picodet.py tests/golden --repo PADDLEDETECTION

PADDLEDETECTION is a checkout of github.com/PaddlePaddle/PaddleDetection; commit 666f597 was used,
with PaddlePaddle 2.6.2. Preprocessing is its Resize, NormalizeImage and Permute, post-processing
PicoHeadV2.post_process with MultiClassNMS and, of the raw graph, deploy/python's
PicoDetPostProcess. Models of page layouts: PPPreProcess and PPPostProcess of the package
rapid-layout 1.2.1. Writes picodet.json and picodet.bin.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import paddle_common
from common import Golden, noise
from paddle_common import IMAGENET, NUMBERS, Recording, best_first, cells, clear_of, factors

STRIDES = (8, 16, 32, 64)
REG_MAX = 7
CONFIG = "configs/picodet/picodet_s_320_coco_lcnet.yml"
scene = partial(paddle_common.scene, strides=STRIDES, reg_max=REG_MAX)


def model(variant, size, classes=80) -> dict:
    """Names and dynamic dimensions as the exports of PaddleDetection and of rapid-layout."""
    width, height = size
    free = [f"DynamicDimension.{i}" for i in range(4)]
    levels = [-(-width // s) * -(-height // s) for s in STRIDES]
    fixed = variant in ("raw", "layout")
    inputs = [["image", "float32", [1 if fixed else free[0], 3, height, width]]]
    names = [f"save_infer_model/scale_{i}.tmp_0" for i in range(8)]
    if variant == "nms":
        inputs.append(["scale_factor", "float32", [1, 2]])
        outputs = [("float32", [free[1], 6]), ("int32", [free[2]])]
    elif variant == "no-nms":
        anchors = sum(levels)
        outputs = [("float32", [free[1], anchors, 4]), ("float32", [free[2], classes, anchors])]
    else:
        widths = (classes, 4 * (REG_MAX + 1))
        outputs = [("float32", [1, count, width]) for width in widths for count in levels]
        if variant == "layout":
            names = [f"transpose_{i}.tmp_0" for i in (0, 2, 4, 6, 1, 3, 5, 7)]
    return {"inputs": inputs, "outputs": [[name, *o] for name, o in zip(names, outputs)]}


def by_level(array, size) -> list[np.ndarray]:
    """[N, A, …] → the part of each level, as the raw graphs have them."""
    ends = np.cumsum([-(-size[0] // s) * -(-size[1] // s) for s in STRIDES])
    return np.split(array, ends[:-1], axis=1)


class Head:
    """PaddleDetection's head after its last convolutions, with the numbers of its configuration."""

    def __init__(self, repo, size, distributions):
        import paddle
        from ppdet.core.workspace import create, load_config
        from ppdet.modeling.bbox_utils import batch_distance2bbox

        config = load_config(str(repo / CONFIG))
        self.numbers = dict(config["PicoHeadV2"]["nms"])
        self.numbers.pop("name")
        self.head = create("PicoHeadV2")
        self.head.eval()
        self.head.eval_size = (size[1], size[0])
        points, strides = self.head._generate_anchors()
        count = len(distributions)
        distances = self.head.distribution_project(paddle.to_tensor(distributions))
        boxes = batch_distance2bbox(points, distances.reshape([count, -1, 4])) * strides
        self.boxes = boxes.numpy()

    def __call__(self, scores, factors, **numbers):
        import paddle

        self.head.nms = Recording(**self.numbers | numbers)
        found = paddle.to_tensor(scores).transpose([0, 2, 1])
        outputs = (found, paddle.to_tensor(self.boxes))
        rows, counts = self.head.post_process(outputs, paddle.to_tensor(factors))
        return rows.numpy(), counts.numpy(), self.head.nms.anchors


def best_cells(best: np.ndarray) -> np.ndarray:
    """Which cells of a level are among the 1000 with the best scores; of equal ones the first."""
    kept = np.zeros(len(best), bool)
    kept[np.argsort(-best, kind="stable")[:1000]] = True
    return kept


class Numpy:
    """numpy for the two projects' post-processing, with another argsort.

    Theirs is not stable, so it may put equal scores in any order. Both sort twice: scores
    (float32) per level, to keep the last 1000 cells, whose order does not matter then, then the
    candidates of a class (together with their boxes: float64), of which they take the last first.
    """

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def argsort(values):
        last = len(values) - 1
        if values.dtype == np.float32:
            kept = best_cells(values)
            return np.concatenate([np.flatnonzero(~kept), np.flatnonzero(kept)[::-1]])
        return (last - np.argsort(values[::-1], kind="stable")).copy()


class Suppression:
    """A project's hard_nms, which remembers the rows it kept."""

    def __init__(self, original):
        self.original = original
        self.kept = []

    def __call__(self, rows, *numbers, **more):
        found = self.original(rows, *numbers, **more)
        # Of rows that are equal only the first is ever kept.
        self.kept.append([int(np.all(rows == row, axis=1).argmax()) for row in found])
        return found

    def anchors(self, scores, confidence) -> list[int]:
        """The kept rows' anchors; the rows of a class are those above the threshold."""
        passing = [np.flatnonzero(column > np.float32(confidence)) for column in scores.T]
        passing = [anchors for anchors in passing if len(anchors)]
        return [int(a[i]) for a, kept in zip(passing, self.kept, strict=True) for i in kept]


def deployed(size, images, scores, distributions, confidence, iou):
    """What deploy/python/picodet_postprocess.py finds."""
    import picodet_postprocess as project

    nms = Suppression(getattr(project.hard_nms, "original", project.hard_nms))
    project.np, project.hard_nms = Numpy(), nms
    shape = np.array([[size[1], size[0]]], np.float32)
    post = project.PicoDetPostProcess(
        shape[0], shape, factors(size, images), STRIDES, confidence, iou
    )
    rows, counts = post(by_level(scores, size), by_level(distributions, size))
    return rows, counts, nms.anchors(scores[0], confidence)


def layout(size, image, scores, distributions, **options):
    """What rapid-layout finds. Its own candidates, 200 of a class, and detections, 100 of a
    class, are fixed numbers."""
    from rapid_layout.model_handler.pp import post_process as project

    project.np = Numpy()
    confidence, iou = options.get("confidence", 0.5), options.get("iou", 0.5)
    post = project.PPPostProcess(list(range(scores.shape[2])), confidence, iou)
    post.hard_nms = nms = Suppression(post.hard_nms)
    outputs = by_level(scores, size) + by_level(distributions, size)
    tensor = np.zeros((1, 3, size[1], size[0]), np.float32)
    boxes, found, labels = post((image[1], image[0]), tensor, outputs)
    rows = [[label, score, *box] for label, score, box in zip(labels, found, boxes)]
    levels = by_level(scores, size)
    kept = np.concatenate([best_cells(level[0].max(axis=1)) for level in levels])
    return rows, [len(rows)], nms.anchors(scores[0] * kept[:, None], confidence)


def drawn(repo, seed, size, count, thresholds, **more):
    parts = [scene(seed + i, size, **more) for i in range(count)]
    scores, distributions = (np.stack(part) for part in zip(*parts))
    head = Head(repo, size, distributions)
    for boxes, found in zip(head.boxes, scores):
        clear_of(boxes, found, thresholds)
    return scores, distributions, head


def postprocess(golden, repo, variant, seed, size, images, options=None, objects=40):
    drawing = dict(classes=3, objects=objects)
    scores, distributions, head = drawn(repo, seed, size, len(images), (0.5, 0.6), **drawing)
    numbers = {NUMBERS[key]: value for key, value in (options or {}).items()}
    rows, counts, anchors = head(scores, factors(size, images), **numbers)
    if variant == "nms":
        outputs, anchors = [rows, counts], range(len(rows))
    elif variant == "no-nms":
        outputs = [head.boxes, scores.transpose(0, 2, 1)]
    else:
        outputs = by_level(scores, size) + by_level(distributions, size)
    shape, found = model(variant, size, scores.shape[2]), best_first(rows, counts, anchors)
    golden.postprocess(variant, shape, images, outputs, found, options)


def deployment(golden, repo, seed, size, image) -> None:
    """PicoDetPostProcess differs from the head: it clips boxes to the input, takes 200 candidates
    and keeps 100 of a class, and adds 1e-5 to the union. Here none of it matters: the objects lie
    inside, and the two must agree."""
    drawing = dict(classes=3, objects=90, inside=True)
    scores, distributions, head = drawn(repo, seed, size, 1, (0.5,), **drawing)
    boxes = head.boxes[0]
    scores[0][np.any((boxes < 0) | (boxes > np.tile(size, 2)), axis=1)] = 0
    assert np.all((scores > 0.4).sum(axis=1) <= 200)
    found = deployed(size, [image], scores, distributions, 0.4, 0.5)
    numbers = {"score_threshold": 0.4, "nms_threshold": 0.5}
    other = head(scores, factors(size, [image]), **numbers)
    assert list(found[2]) == list(other[2]) and np.allclose(found[0], other[0], atol=1e-3)
    outputs = by_level(scores, size) + by_level(distributions, size)
    options = {"confidence": 0.4, "iou": 0.5}
    golden.postprocess("raw", model("raw", size, 3), [image], outputs, best_first(*found), options)


def crowd(seed, size, classes) -> tuple[np.ndarray, np.ndarray]:
    """A scene in which the package's limits on a class matter. Of a corner's boxes those of the
    left half are apart, those of the right half overlap much. Class 0 prefers the left: more than
    100 would be kept. Class 1 prefers the right, and fewer than 100 of its best 200 are kept."""
    rng = np.random.default_rng(seed)
    centres = cells(size, STRIDES)[0]
    left, corner = centres[:, 0] < 48, (centres < (96, 128)).all(axis=1)
    low, high = rng.integers(33, 42, left.shape) / 64, rng.integers(45, 62, left.shape) / 64
    scores = np.zeros((1, len(left), classes), np.float32)
    scores[0, :, 0], scores[0, :, 1] = np.where(left, high, low), np.where(left, low, high)
    distances = np.where(left[:, None], 0.4, 3.5) * rng.uniform(0.9, 1.1, (len(left), 4))
    scores[0, ~corner] = 0
    logits = np.maximum(-2 * (np.arange(REG_MAX + 1) - distances[..., None]) ** 2, -14)
    return scores, logits.reshape(1, len(left), -1).astype(np.float32)


def busy(size, classes) -> tuple[np.ndarray, np.ndarray]:
    """A scene in which the package's limit on the cells of a level matters: class 0 scores high in
    1100 cells of the first level, so that the 50 of class 1 are not looked at; those of the second
    level are."""
    scores = np.zeros((1, len(cells(size, STRIDES)[0]), classes), np.float32)
    scores[0, 100:1200, 0] = np.arange(1100, 0, -1) / 4096 + 0.625
    scores[0, 2000:2050, 1] = 0.5625
    second = (size[0] // 8) * (size[1] // 8)
    scores[0, second + 500 : second + 550, 1] = 0.546875
    return scores, np.zeros((1, scores.shape[1], 4 * (REG_MAX + 1)), np.float32)


def layouts(golden, repo) -> None:
    from rapid_layout.model_handler.pp.pre_process import PPPreProcess

    shapes = [(1, 1), (1, 4000), (4000, 1), (37, 23), (608, 800), (1216, 1600), (1281, 721)]
    for seed, size in enumerate(shapes):
        # The package is given BGR, as OpenCV reads it.
        tensor = PPPreProcess((800, 608))(noise(seed, *size)[..., ::-1].copy())
        shape = model("layout", (608, 800), 10)
        golden.preprocess("layout", shape, (seed, *size), {"image": tensor})

    size, image = (608, 800), (1240, 1754)
    scenes = [drawn(repo, 40, size, 1, (0.5,), classes=10, objects=30)[:2], crowd(41, size, 10)]
    for scores, distributions in [*scenes, busy(size, 10)]:
        # What is below all thresholds is left out, which keeps the file small.
        scores[scores <= 0.25] = 0
        distributions[scores.max(axis=2) <= 0.25] = 0
        clear_of(Head(repo, size, distributions).boxes[0], scores[0], (0.5,))
        # No score is above 0.97.
        for options in ({}, {"confidence": 0.4}, {"confidence": 0.97}):
            found = layout(size, image, scores, distributions, **options)
            outputs = by_level(scores, size) + by_level(distributions, size)
            shape = model("layout", size, 10)
            golden.postprocess("layout", shape, [image], outputs, best_first(*found), options)


def main() -> None:
    given = paddle_common.arguments(__doc__)
    golden = Golden("picodet")
    shapes = [*paddle_common.SHAPES, ((641, 480), (320, 320)), ((320, 200), (320, 416))]
    for seed, (source, target) in enumerate(shapes):
        tensors = paddle_common.prepared(noise(seed, *source), target, IMAGENET)
        golden.preprocess("nms", model("nms", target), (seed, *source), tensors)
    only = paddle_common.prepared(noise(98, 91, 55), (100, 75), IMAGENET, ["image"])
    golden.preprocess("raw", model("raw", (100, 75)), (98, 91, 55), only)

    post = partial(postprocess, golden, given.repo)
    photo = (333, 250)
    post("nms", 20, (160, 128), [photo])
    post("nms", 21, (160, 128), [photo], objects=0)
    post("no-nms", 22, (160, 128), [photo])
    post("no-nms", 22, (160, 128), [photo], {"confidence": 0.25, "iou": 0.5})
    post("no-nms", 23, (100, 75), [photo, (90, 200)])
    post("raw", 26, (100, 75), [photo])
    post("raw", 27, (64, 96), [(64, 96)])
    deployment(golden, given.repo, 28, (90, 70), photo)
    layouts(golden, given.repo)
    golden.write(given.folder)


if __name__ == "__main__":
    main()
