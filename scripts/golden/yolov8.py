#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden cases of the family `yolov8`, made by Ultralytics' own code.

OPT-IN: Ultralytics is licensed under AGPL-3.0. This script contains none of its code, but runs it;
its licence applies to whoever installs it. The build and the tests need neither.

    pip install -r scripts/golden/requirements-ultralytics.txt
    python scripts/golden/yolov8.py tests/golden

Release 8.4.190 was used. Preprocessing is DetectionPredictor.preprocess; post-processing
non_max_suppression and scale_boxes as DetectionPredictor.postprocess calls them, and with the
defaults that is compared. Writes yolov8.json and yolov8.bin.
"""

from __future__ import annotations

import os
import tempfile
from types import SimpleNamespace

import numpy as np

# Importing Ultralytics writes settings; they belong in no home directory.
os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp()

import cv2
import torch
import torchvision
from common import Golden, arguments, noise
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.utils import nms, ops

cv2.ipp.setUseIPP(False)  # IPP rounds otherwise than OpenCV's portable code

DEFAULTS = {"confidence": 0.25, "iou": 0.7, "max_detections": 300, "top_k": 30000}
EVALUATION = {"confidence": 0.001, "multi_label": True}  # engine/validator.py, detect/val.py


# ----------------------------------------------------------------------------- models


def anchors(width: int, height: int) -> int:
    return sum((width // stride) * (height // stride) for stride in (8, 16, 32))


def fixed(batch: int, width: int, height: int, classes: int) -> dict:
    """Inputs and outputs as a fixed-size export declares them."""
    return {
        "inputs": [["images", "float32", [batch, 3, height, width]]],
        "outputs": [["output0", "float32", [batch, 4 + classes, anchors(width, height)]]],
    }


# As yolo export dynamic=True with onnxslim declares them.
DYNAMIC = {
    "inputs": [["images", "float32", ["batch", 3, "height", "width"]]],
    "outputs": [["output0", "float32", ["batch", "Concatoutput0_dim_1", "anchors"]]],
}


def predictor(width: int, height: int) -> DetectionPredictor:
    """The project's predictor, around an exported model that is never run."""
    made = DetectionPredictor(overrides={"task": "detect", "verbose": False})
    made.imgsz, made.device = [height, width], torch.device("cpu")
    made.model = SimpleNamespace(
        fp16=False, format="onnx", dynamic=False, stride=32, end2end=False, names={}
    )
    return made


# ---------------------------------------------------------------------- preprocessing

IMAGES = [  # of the image, then of the input
    ((1920, 1080), (640, 640)),
    ((1281, 721), (640, 640)),
    ((640, 640), (640, 640)),
    ((1, 4000), (640, 640)),
    ((4000, 1), (640, 640)),
    ((1, 1), (64, 64)),
    ((128, 128), (64, 64)),  # exactly half both ways: another path in OpenCV
    ((128, 96), (64, 64)),
    ((96, 128), (64, 64)),
    ((37, 23), (96, 64)),  # up
    ((23, 37), (96, 64)),
    ((101, 67), (96, 64)),
    ((333, 500), (320, 224)),
    ((255, 257), (320, 224)),
]


def preprocessing(golden: Golden) -> None:
    for seed, (image, size) in enumerate(IMAGES, 1000):
        bgr = noise(seed, *image)[..., ::-1].copy()
        tensor = predictor(*size).preprocess([bgr]).numpy()
        models = [fixed(1, *size, 3)] + [DYNAMIC] * (image == (1281, 721))
        for model in models:
            golden.preprocess("", model, (seed, *image), {"images": tensor})


# --------------------------------------------------------------------- postprocessing


def boxes_of(rng, count: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of overlapping boxes, some across the edge: cxcywh, and each one's object.

    All edges are multiples of 1/8: non_max_suppression shifts boxes by 7680 per class, which
    would cost other values digits and with them the equality of overlaps.
    """
    objects = max(1, count // 14)
    centre = rng.uniform(0, 1, (objects, 2)) * [width, height]
    extent = rng.uniform(0.08, 0.5, (objects, 2)) * [width, height]
    of = rng.integers(0, objects, count)
    centres = centre[of] + rng.normal(0, 0.12, (count, 2)) * extent[of]
    extents = extent[of] * np.exp(rng.normal(0, 0.15, (count, 2)))
    boxes = np.concatenate([np.round(centres * 8) / 8, np.ceil(extents * 4) / 4], 1)
    # Some touch the input's left or right edge exactly.
    touching = rng.random((2, count)) < 0.1
    boxes[touching[0], 0] = boxes[touching[0], 2] / 2
    boxes[touching[1], 0] = width - boxes[touching[1], 2] / 2
    return boxes.astype(np.float32), of


def settle(boxes: np.ndarray, limit: float) -> np.ndarray:
    """Moves boxes until no overlap is near the limit, where rounding would decide."""
    for _ in range(1000):
        corners = torch.from_numpy(ops.xywh2xyxy(boxes)).double()
        near = (torchvision.ops.box_iou(corners, corners) - limit).abs() < 1e-4
        late = np.flatnonzero(near.triu(1).any(0).numpy())
        if not late.size:
            return boxes
        boxes[late, 0] += 0.25
    raise AssertionError("overlaps stay near the limit")


def scores_of(rng, of: np.ndarray, classes: int, levels: int, share: float) -> np.ndarray:
    """Tied scores: odd multiples of half a level, which no threshold is; [classes, anchors]."""
    count = len(of)
    home = (of * 7 + 3) % classes
    scores = np.floor(rng.random((classes, count)) ** 6 * 0.2 * levels)
    scores[rng.random((classes, count)) < 0.8] = -1
    found = rng.random(count) < share
    strong = rng.uniform(0.05, 0.98, count) * levels
    scores[home[found], np.flatnonzero(found)] = np.floor(strong[found])
    # A second class as good as the first, or nearly.
    second = found & (rng.random(count) < 0.2)
    scores[(home[second] + 1) % classes, np.flatnonzero(second)] = np.floor(strong[second])
    scores = (2 * scores + 1) / (2 * levels)
    return np.where(scores < 0, 0.0005, scores).astype(np.float32)


def scene(seed, batch, width, height, classes, options, levels=128, share=0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    count = anchors(width, height)
    images = []
    for _ in range(batch):
        boxes, of = boxes_of(rng, count, width, height)
        boxes = settle(boxes, options["iou"])
        images.append(np.concatenate([boxes.T, scores_of(rng, of, classes, levels, share)]))
    output = np.stack(images).astype(np.float32)
    assert np.abs(output[:, 4:] - options["confidence"]).min() > 1e-6, "score at the threshold"
    return output


def resolved(options: dict) -> dict:
    stated = {k: v for k, v in options.items() if k != "thresholds"}
    evaluation = EVALUATION if options.get("thresholds") == "evaluation" else {}
    return DEFAULTS | evaluation | stated


def check_cut(output: np.ndarray, o: dict) -> None:
    """No tie across the cut to the best candidates."""
    for image in output:
        scores = image[4:] if o.get("multi_label") else image[4:].max(0, keepdims=True)
        ranked = np.sort(scores[scores > o["confidence"]])[::-1]
        if len(ranked) > o["top_k"]:
            assert ranked[o["top_k"] - 1] > ranked[o["top_k"]], "tie across the cut"


def suppressed(output: np.ndarray, o: dict) -> list[torch.Tensor]:
    """non_max_suppression, whose cut to `max_nms` candidates sorts unstably: made stable, so
    that of equal scores the lower anchor stays first. Its NMS sorts stably itself."""
    check_cut(output, o)
    original = torch.Tensor.argsort
    torch.Tensor.argsort = lambda self, **k: original(self, stable=True, **k)
    try:
        return nms.non_max_suppression(
            torch.from_numpy(output.copy()),
            o["confidence"],
            o["iou"],
            agnostic=o.get("class_agnostic", False),
            multi_label=o.get("multi_label", False),
            max_det=o["max_detections"],
            max_nms=o["top_k"],
        )
    finally:
        torch.Tensor.argsort = original


def detections(output, size, sizes, options) -> list[np.ndarray]:
    found = []
    for rows, image in zip(suppressed(output, resolved(options)), sizes):
        rows[:, :4] = ops.scale_boxes(size[::-1], rows[:, :4], image[::-1])
        found.append(rows.numpy())
    if not options:
        check_against_predictor(output, size, sizes, found)
    return found


def check_against_predictor(output, size, sizes, found) -> None:
    project = predictor(*size)
    images = [np.zeros((h, w, 3), np.uint8) for w, h in sizes]
    project.batch = [[""] * len(images)]
    tensor = torch.zeros(len(images), 3, *size[::-1])
    results = project.postprocess(torch.from_numpy(output.copy()), tensor, images)
    for result, rows in zip(results, found):
        assert np.array_equal(result.boxes.data.numpy(), rows)


SCENES = [  # batch, input, classes, sizes of the images, options, keywords of `scene`
    (1, (128, 96), 5, [(1920, 1080)], {}, {}),
    (2, (96, 96), 3, [(321, 243), (64, 97)], {}, {}),
    (1, (128, 96), 1, [(333, 777)], {}, {}),
    # Thin: the two axes' gains differ after rounding.
    (2, (96, 64), 2, [(1, 4000), (4000, 7)], {}, {}),
    (2, (96, 64), 2, [(1, 1), (37, 1023)], {}, {}),
    (1, (96, 96), 3, [(640, 480)], {}, {"share": 0.0}),  # nothing is found
    (1, (128, 64), 4, [(500, 375)], {"thresholds": "evaluation"}, {}),
    (1, (128, 64), 4, [(500, 375)], {"class_agnostic": True}, {}),
    (1, (128, 64), 4, [(500, 375)], {"multi_label": True}, {}),
    (1, (96, 64), 3, [(501, 377)], {"max_detections": 17}, {}),
    (1, (96, 64), 3, [(501, 377)], {"top_k": 41}, {"levels": 3000}),
    (1, (96, 64), 3, [(501, 377)], {"top_k": 70, "multi_label": True}, {"levels": 3000}),
    (1, (96, 64), 3, [(501, 377)], {"confidence": 0.6, "iou": 0.45}, {}),
    (1, (96, 96), 2, [(801, 600)], {"confidence": 0.05, "thresholds": "evaluation"}, {}),
    (
        1,
        (96, 96),
        3,
        [(77, 33)],
        {"class_agnostic": True, "multi_label": True, "iou": 0.3, "max_detections": 9},
        {},
    ),
]


def postprocessing(golden: Golden) -> None:
    for seed, (batch, size, classes, sizes, options, keywords) in enumerate(SCENES):
        output = scene(seed, batch, *size, classes, resolved(options), **keywords)
        found = detections(output, size, sizes, options)
        print(options, [len(rows) for rows in found])
        model = fixed(batch, *size, classes)
        if seed == 1:
            model = DYNAMIC | {"inputs": [["images", "float32", ["batch", 3, *size[::-1]]]]}
        golden.postprocess("", model, sizes, [output], [rows.tolist() for rows in found], options)


def main() -> None:
    given = arguments(__doc__)
    golden = Golden("yolov8")
    preprocessing(golden)
    postprocessing(golden)
    golden.write(given.folder)


if __name__ == "__main__":
    main()
