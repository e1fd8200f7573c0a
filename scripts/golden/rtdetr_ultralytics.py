#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden cases of the family `rtdetr`, variant `ultralytics`, made by Ultralytics' own code.

OPT-IN: Ultralytics is licensed under AGPL-3.0. This script contains none of its code, but runs it;
its licence applies to whoever installs it. The build and the tests need neither.

    pip install -r scripts/golden/requirements-ultralytics.txt
    python scripts/golden/rtdetr_ultralytics.py tests/golden

Preprocessing and post-processing are RTDETRPredictor's of release 8.4.190. It knows only the
output [N, Q, 6]; older exports have [N, Q, 4 + C], of which older releases took each query's best
class. That step is done here, and its result given to the same RTDETRPredictor. Writes
rtdetr_ultralytics.json and rtdetr_ultralytics.bin.
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
from common import Golden, arguments, noise
from queries import LEVELS, boxes_of, levels_of
from ultralytics.models.rtdetr import RTDETRPredictor

cv2.ipp.setUseIPP(False)  # IPP rounds otherwise than OpenCV's portable code

DEPLOYED, EVALUATED = 0.25, 0.001  # engine/predictor.py, engine/validator.py


def model(size=(640, 640), last: int = 6, batch: int | str = 1, queries: int = 300) -> dict:
    return {
        "inputs": [["images", "float32", [batch, 3, *size[::-1]]]],
        "outputs": [["output0", "float32", [batch, queries, last]]],
    }


# As yolo export dynamic=True with onnxslim declares them.
DYNAMIC = {
    "inputs": [["images", "float32", ["batch", 3, "height", "width"]]],
    "outputs": [["output0", "float32", ["batch", "Concatoutput0_dim_1", 6]]],
}


def predictor(width: int, height: int, **options) -> RTDETRPredictor:
    """The project's predictor, around an exported model that is never run."""
    made = RTDETRPredictor(overrides={"task": "detect", "verbose": False} | options)
    made.imgsz, made.device = [height, width], torch.device("cpu")
    made.model = SimpleNamespace(fp16=False, format="onnx", dynamic=False, stride=32, names={})
    return made


# ---------------------------------------------------------------------- preprocessing

IMAGES = [  # of the image, then of the input
    ((1920, 1080), (640, 640)),
    ((1281, 721), (640, 640)),
    ((1, 4000), (640, 640)),
    ((4000, 1), (640, 640)),
    ((1, 1), (64, 64)),
    ((64, 64), (64, 64)),
    ((128, 128), (64, 64)),  # exactly half both ways: another path in OpenCV
    ((128, 97), (64, 64)),
    ((37, 23), (96, 96)),  # up
    ((37, 230), (96, 96)),  # up one way, down the other
    ((333, 501), (320, 224)),
]


def preprocessing(golden: Golden) -> None:
    for seed, (image, size) in enumerate(IMAGES, 4000):
        bgr = noise(seed, *image)[..., ::-1].copy()
        tensor = predictor(*size).preprocess([bgr]).numpy()
        models = [model(size)] + [DYNAMIC] * (image == (1281, 721))
        for declared in models:
            golden.preprocess("ultralytics", declared, (seed, *image), {"images": tensor})


# --------------------------------------------------------------------- postprocessing


def older_output(seed, batch, queries, classes, share) -> np.ndarray:
    """[N, Q, 4 + C]: boxes and activated scores, in no order."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(batch):
        boxes, of = boxes_of(rng, queries)
        scores = (levels_of(rng, of, classes, share) + 0.5) / LEVELS
        images.append(np.concatenate([boxes, scores], 1))
    return np.stack(images).astype(np.float32)


def best_classes(output: np.ndarray) -> np.ndarray:
    """[N, Q, 4 + C] → [N, Q, 6]; of equal scores the lower class."""
    scores = output[..., 4:]
    best = scores.argmax(-1).astype(np.float32)
    return np.concatenate([output[..., :4], scores.max(-1)[..., None], best[..., None]], -1)


def ranked(output: np.ndarray) -> np.ndarray:
    """Rows best first, as the decoder's top-k gives them."""
    order = np.argsort(-output[..., 4], axis=1, kind="stable")
    return np.take_along_axis(output, order[..., None], 1)


def detections(output: np.ndarray, sizes, **options) -> list:
    project = predictor(640, 640, **options)
    images = [np.zeros((h, w, 3), np.uint8) for w, h in sizes]
    project.batch = [[""] * len(images)]
    results = project.postprocess(torch.from_numpy(output.copy()), None, images)
    rows = [result.boxes.data.numpy() for result in results]
    # The predictor keeps the model's order; ours is by score, of equal ones the first row.
    return [image[np.argsort(-image[:, 4], kind="stable")].tolist() for image in rows]


def conf_of(options: dict) -> float:
    evaluation = options.get("thresholds") == "evaluation"
    return options.get("confidence", EVALUATED if evaluation else DEPLOYED)


SCENES = [  # batch, queries, sizes of the images, options, share of found queries
    (1, 300, [(1920, 1080)], {}, 0.5),
    (2, 60, [(333, 777), (1, 4000)], {}, 0.7),
    (1, 60, [(641, 427)], {"thresholds": "evaluation"}, 0.5),
    (1, 60, [(641, 427)], {"confidence": 0.6}, 0.8),
    (1, 60, [(641, 427)], {"max_detections": 11}, 0.8),
    (1, 40, [(640, 480)], {}, 0.0),  # nothing is found
]


def postprocessing(golden: Golden) -> None:
    classes = 5  # the older layout's last dimension must not be 6
    for seed, (batch, queries, sizes, options, share) in enumerate(SCENES, 200):
        older = older_output(seed, batch, queries, classes, share)
        newer = ranked(best_classes(older))
        # The predictor cuts to max_det in the model's order, so it is given the rows best first.
        most = {"conf": conf_of(options), "max_det": options.get("max_detections", 300)}
        found = detections(newer, sizes, **most)
        print(options, [len(image) for image in found])
        for output in (newer, older):
            declared = model(last=output.shape[2], batch=batch, queries=queries)
            golden.postprocess("ultralytics", declared, sizes, [output], found, options)


def main() -> None:
    given = arguments(__doc__)
    golden = Golden("rtdetr", "rtdetr_ultralytics")
    preprocessing(golden)
    postprocessing(golden)
    golden.write(given.folder)


if __name__ == "__main__":
    main()
