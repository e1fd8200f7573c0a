#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden cases of the family `rtdetr`: lyuwenyu's exports and Hugging Face's, by their own code.

    pip install -r scripts/golden/requirements-torch.txt
    python scripts/golden/rtdetr.py tests/golden --repo RT-DETR/rtdetrv2_pytorch

--repo is that folder of a checkout of github.com/lyuwenyu/RT-DETR; commit 068dfde was used.
Preprocessing is what its references/deploy/rtdetrv2_onnxruntime.py does, post-processing
RTDETRPostProcessor. Hugging Face: RTDetrImageProcessor of transformers 4.57.6 for both. All resize
with Pillow: up to release 12.3 horizontally, then vertically; since 13.0 sometimes the other way
round. Writes rtdetr.json and rtdetr.bin.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import PIL
import torch
from common import Golden, arguments, noise
from PIL import Image
from queries import listed, outputs_of, stable_topk

QUERIES = 300


# ----------------------------------------------------------------------------- models


def raw_model(classes, size=(640, 640)) -> dict:
    """As a raw export with dynamic batch declares it."""
    logits, boxes = "Gatherpred_logits_dim_", "Gatherpred_boxes_dim_"
    return {
        "inputs": [["images", "float32", ["N", 3, *size[::-1]]]],
        "outputs": [
            ["pred_logits", "float32", [f"{logits}0", f"{logits}1", classes]],
            ["pred_boxes", "float32", [f"{boxes}0", f"{boxes}1", f"{boxes}2"]],
        ],
    }


def post_model(size=(640, 640)) -> dict:
    """As tools/export_onnx.py declares it."""
    labels, gathered = "Sublabels_dim_", "GatherElementsboxes_dim_"
    return {
        "inputs": [
            ["images", "float32", ["N", 3, *size[::-1]]],
            ["orig_target_sizes", "int64", ["N", 2]],
        ],
        "outputs": [
            ["labels", "int64", [f"{labels}0", f"{labels}1"]],
            ["boxes", "float32", [f"{gathered}0", f"{gathered}1", f"{labels}0"]],
            ["scores", "float32", [f"{gathered}0", f"{gathered}1"]],
        ],
    }


def huggingface_model(classes, size=(640, 640)) -> dict:
    logits, boxes = "Gatherlogits_dim_", "Gatherpred_boxes_dim_"
    return {
        "inputs": [["pixel_values", "float32", ["batch", 3, *size[::-1]]]],
        "outputs": [
            ["logits", "float32", ["batch", f"{logits}1", classes]],
            ["pred_boxes", "float32", ["batch", f"{boxes}1", f"{boxes}2"]],
        ],
    }


# ---------------------------------------------------------------------- preprocessing

IMAGES = [  # of the image, then of the input
    ((1920, 1080), (640, 640)),
    ((640, 480), (640, 640)),
    ((1, 4000), (640, 640)),
    ((4000, 1), (640, 640)),
    ((1, 1), (64, 64)),
    ((64, 64), (64, 64)),
    ((128, 96), (64, 48)),  # exactly half both ways
    ((64, 97), (64, 48)),  # one way unchanged
    ((37, 23), (96, 64)),  # up
    ((37, 230), (96, 64)),  # up one way, down the other
    ((101, 67), (64, 64)),
    ((333, 501), (320, 320)),
]


def resized(image: Image.Image, size) -> np.ndarray:
    """The transforms of references/deploy/rtdetrv2_onnxruntime.py."""
    import torchvision.transforms as T

    transforms = T.Compose([T.Resize(size[::-1]), T.ToTensor()])
    return transforms(image)[None].numpy()


def preprocessing(golden: Golden) -> None:
    from transformers import RTDetrImageProcessor

    for seed, (image, size) in enumerate(IMAGES, 2000):
        levels = noise(seed, *image)
        drawn = (seed, *image)
        tensor = resized(Image.fromarray(levels), size)
        golden.preprocess("raw", raw_model(80, size), drawn, {"images": tensor})
        sizes = np.array([image], np.int64)
        tensors = {"images": tensor, "orig_target_sizes": sizes}
        golden.preprocess("post", post_model(size), drawn, tensors)
        processor = RTDetrImageProcessor(size={"width": size[0], "height": size[1]})
        pixels = processor(levels, input_data_format="channels_last", return_tensors="np")
        model = huggingface_model(80, size)
        golden.preprocess("huggingface", model, drawn, {"pixel_values": pixels["pixel_values"]})


# --------------------------------------------------------------------- postprocessing


def project_postprocessor(classes: int, top: int):
    from src.zoo.rtdetr.rtdetr_postprocessor import RTDETRPostProcessor

    return RTDETRPostProcessor(num_classes=classes, num_top_queries=top)


def project_outputs(logits, boxes, sizes, top):
    outputs = {"pred_logits": torch.from_numpy(logits), "pred_boxes": torch.from_numpy(boxes)}
    with stable_topk():
        deployed = project_postprocessor(logits.shape[2], top).deploy()
        return deployed(outputs, torch.tensor(sizes))


LYUWENYU = [  # batch, queries, classes, sizes of the images, options
    (1, 300, 6, [(1920, 1080)], {}),
    (2, 300, 2, [(333, 777), (1, 1)], {}),
    (1, 300, 1, [(4000, 1)], {}),  # all queries are kept
    (1, 60, 12, [(641, 427)], {}),
    (1, 60, 12, [(641, 427)], {"confidence": 0.6}),
    (1, 60, 12, [(641, 427)], {"top_k": 50}),
    (1, 60, 12, [(641, 427)], {"max_detections": 20}),
    (1, 60, 12, [(641, 427)], {"confidence": 0.99}),  # nothing is found
]
POST = (0, 1)  # of these; there the top-k is in the graph


def lyuwenyu(golden: Golden) -> None:
    for seed, (batch, queries, classes, sizes, options) in enumerate(LYUWENYU):
        top = options.get("top_k", QUERIES)
        # A single class has no weak scores to spare.
        share = 1.1 if queries * classes == top else 0.5
        logits, boxes = outputs_of(seed, batch, queries, classes, 1 if share > 1 else top, share)
        labels, corners, scores = project_outputs(logits, boxes, sizes, top)
        above, most = options.get("confidence", 0.0), options.get("max_detections")
        found = [listed(*image, above)[:most] for image in zip(labels, corners, scores)]
        print("lyuwenyu", options, [len(image) for image in found])
        golden.postprocess("raw", raw_model(classes), sizes, [logits, boxes], found, options)
        if seed in POST:
            arrays = [labels.numpy(), corners.numpy(), scores.numpy()]
            golden.postprocess("post", post_model(), sizes, arrays, found, options)


HUGGINGFACE = [  # batch, queries, classes, sizes of the images, options, share of found queries
    (1, 200, 4, [(1920, 1080)], {}, 0.5),
    (2, 100, 3, [(333, 777), (1, 4000)], {}, 0.7),
    (1, 40, 4, [(640, 480)], {"confidence": 0.25}, 0.8),
    (1, 40, 4, [(640, 480)], {}, 0.0),  # nothing is found
    (1, 60, 4, [(640, 480)], {"thresholds": "evaluation"}, 1.0),
    (1, 30, 5, [(333, 501)], {"confidence": 0.02}, 1.0),
]


def huggingface(golden: Golden) -> None:
    """As many as there are queries are looked at, not 300."""
    from transformers import RTDetrImageProcessor

    processor = RTDetrImageProcessor()
    for seed, (batch, queries, classes, sizes, options, share) in enumerate(HUGGINGFACE, 50):
        logits, boxes = outputs_of(seed, batch, queries, classes, queries, share)
        outputs = SimpleNamespace(
            logits=torch.from_numpy(logits), pred_boxes=torch.from_numpy(boxes)
        )
        with stable_topk():
            results = processor.post_process_object_detection(
                outputs,
                # Its evaluation takes all that are looked at.
                threshold=-1.0 if "thresholds" in options else options.get("confidence", 0.5),
                target_sizes=torch.tensor([size[::-1] for size in sizes]),
            )
        found = [listed(r["labels"], r["boxes"], r["scores"]) for r in results]
        print("huggingface", options, [len(image) for image in found])
        model = huggingface_model(classes)
        golden.postprocess("huggingface", model, sizes, [logits, boxes], found, options)


def main() -> None:
    given = arguments(__doc__, "RT-DETR, folder rtdetrv2_pytorch", "src/zoo/rtdetr")
    sys.path.insert(0, str(given.repo))
    assert int(PIL.__version__.split(".")[0]) < 13, "Pillow 13 resizes otherwise"
    golden = Golden("rtdetr")
    preprocessing(golden)
    lyuwenyu(golden)
    huggingface(golden)
    golden.write(given.folder)


if __name__ == "__main__":
    main()
