#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden cases of the family `rfdetr`, made by the package rfdetr's own `predict` and PostProcess.

    pip install -r scripts/golden/requirements-torch.txt
    python scripts/golden/rfdetr.py tests/golden

The package's release 1.4.1 was used: RFDETR.predict and PostProcess. No weights are needed:
`predict` runs around a network that returns given outputs. Preprocessing ends in torchvision's
antialiased resize of floats, which no two builds sum in the same order: those tensors are stored,
and compared with a tolerance. Writes rfdetr.json and rfdetr.bin.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

# This script has the package's name; the package is to be found first.
sys.path.append(sys.path.pop(0))

import numpy as np
import torch
from common import Golden, arguments, noise
from queries import listed, outputs_of, stable_topk
from rfdetr.detr import RFDETR
from rfdetr.models.lwdetr import PostProcess

SELECTED = 300
DEPLOYED = 0.5  # threshold of `predict`


def model(side: int, classes: int = 91) -> dict:
    """As the package's export declares it: one image, and outputs that say little."""
    return {
        "inputs": [["input", "float32", [1, 3, side, side]]],
        "outputs": [
            ["dets", "float32", ["Concatdets_dim_0", "Concatdets_dim_1", 4]],
            ["labels", "float32", ["Addlabels_dim_0", "Addlabels_dim_1", classes]],
        ],
    }


def predict(image: np.ndarray, side: int, outputs: dict, threshold: float):
    """RFDETR.predict around a network that returns `outputs`; also the tensor it was given."""
    given = []

    def network(batch):
        given.append(batch.numpy())
        return outputs

    inner = SimpleNamespace(
        model=network,
        device=torch.device("cpu"),
        resolution=side,
        postprocess=PostProcess(num_select=SELECTED),
    )
    outer = SimpleNamespace(
        model=inner,
        means=RFDETR.means,
        stds=RFDETR.stds,
        _is_optimized_for_inference=False,
        _has_warned_about_not_being_optimized_for_inference=True,
    )
    with stable_topk():
        return RFDETR.predict(outer, image, threshold=threshold), given[0]


# ---------------------------------------------------------------------- preprocessing

IMAGES = [  # of the image, then the side of the input
    ((1920, 1080), 28),
    ((112, 84), 14),
    ((14, 14), 14),
    ((56, 28), 14),  # exactly half both ways
    ((57, 14), 14),
    ((1, 1), 14),
    ((1, 4000), 14),
    ((4000, 1), 14),
    ((19, 11), 14),  # up
    ((13, 101), 14),  # up one way, down the other
    ((640, 427), 14),
    ((1281, 721), 384),
    ((200, 333), 560),
]


def outputs(logits: np.ndarray, boxes: np.ndarray) -> dict:
    return {"pred_logits": torch.from_numpy(logits), "pred_boxes": torch.from_numpy(boxes)}


def preprocessing(golden: Golden) -> None:
    nothing = outputs(*outputs_of(0, 1, 4, 91, 1))
    for seed, (image, side) in enumerate(IMAGES, 3000):
        _, tensor = predict(noise(seed, *image), side, nothing, DEPLOYED)
        tensors = {"input": tensor}
        # Of large inputs a prime's multiples: every row, column and colour is met.
        every = 1 if side < 100 else 101
        golden.preprocess("", model(side), (seed, *image), tensors, tolerance=1e-6, every=every)


# --------------------------------------------------------------------- postprocessing

SCENES = [  # queries, classes, size of the image, options, share of found queries
    (300, 91, (1920, 1080), {}, 0.4),
    (20, 91, (333, 777), {}, 0.8),
    (20, 91, (1, 4000), {"thresholds": "evaluation"}, 0.8),
    (140, 5, (641, 427), {"confidence": 0.25}, 0.8),
    (140, 5, (641, 427), {"max_detections": 10}, 0.8),
    (140, 5, (640, 480), {"thresholds": "evaluation"}, 0.5),
    (140, 5, (640, 480), {}, 0.0),  # nothing is found
]


def threshold_of(options: dict) -> float:
    evaluation = options.get("thresholds") == "evaluation"
    return options.get("confidence", 0.0 if evaluation else DEPLOYED)


def postprocessing(golden: Golden) -> None:
    """Classes are numbered as they come: with 91 they are COCO's ids, 1 to 90."""
    for seed, (queries, classes, size, options, share) in enumerate(SCENES, 100):
        logits, boxes = outputs_of(seed, 1, queries, classes, SELECTED, share)
        image = np.zeros((*size[::-1], 3), np.uint8)
        found, _ = predict(image, 28, outputs(logits, boxes), threshold_of(options))
        rows = listed(found.class_id, found.xyxy, found.confidence)
        rows = rows[: options.get("max_detections")]
        print(options, len(rows))
        golden.postprocess("", model(384, classes), [size], [boxes, logits], [rows], options)


def main() -> None:
    given = arguments(__doc__)
    golden = Golden("rfdetr")
    preprocessing(golden)
    postprocessing(golden)
    golden.write(given.folder)


if __name__ == "__main__":
    main()
