#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports RF-DETR to ONNX with the package rfdetr (Apache-2.0).

    pip install -r scripts/export/requirements-torch.txt
    python scripts/export/rfdetr.py --model nano -o model.onnx
    python scripts/export/rfdetr.py --model nano --weights rf-detr-nano.pth -o model.onnx

Trained weights: the package downloads its own (rf-detr-nano.pth, rf-detr-small.pth or
rf-detr-medium.pth) to where it runs when you use it, as in rfdetr.RFDETRNano(); or your training.

Without --weights the model has the right shape and random values: enough to measure speed. The
graph has one batch size, 1 unless --batch says otherwise: the package's own export knows no other.
The network is not used. Release 1.4.1 was used: RFDETRNano, RFDETRSmall and RFDETRMedium.
"""

from __future__ import annotations

import sys

# This script has the package's name; the package is to be found first.
sys.path.append(sys.path.pop(0))

from command import check_fit, packages, reading, sides_of
from torch_common import arguments_of, finish, parsed, seed, to_onnx

# The larger Base has a patch size for which the package downloads a backbone.
MODELS = {"nano": 384, "small": 512, "medium": 576}


def loaded(arguments, side: int):
    """The network as the package makes it for training."""
    import rfdetr
    import torch

    made = getattr(rfdetr, f"RFDETR{arguments.model.capitalize()}")
    options = {"resolution": side, "device": "cpu"}
    seed()
    if arguments.weights is None:
        return made(pretrain_weights=None, **options).model.model.eval()
    with reading(arguments.weights):
        # First on our own: the package answers a file it cannot read with a download.
        stored = torch.load(arguments.weights, map_location="cpu", weights_only=False)["model"]
        network = made(pretrain_weights=str(arguments.weights), **options).model.model.eval()
    # A wrong shape is an error already, but the package makes up what is missing.
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    check_fit(arguments.weights, {name: wanted.get(name) for name in stored}, wanted)
    return network


def export(arguments, sides: list[int]) -> None:
    """As rfdetr.main:Model.export does, less its test image and simplification."""
    import torch

    network = loaded(arguments, sides[0])
    network.export()
    inputs = {"input": torch.rand(arguments.batch, 3, *sides)}
    to_onnx(network, inputs, ["dets", "labels"], arguments, opset=17)


def main() -> None:
    parser = arguments_of(__doc__, "--model", "trained weights of --model (.pth)", batch=1)
    text = "size of the model; their inputs: " + ", ".join(f"{k} {v}" for k, v in MODELS.items())
    parser.add_argument("--model", choices=MODELS, default="nano", help=text)
    arguments = parsed(parser)
    sides = sides_of(arguments, [MODELS[arguments.model]] * 2, f"--model {arguments.model}")
    with packages("requirements-torch.txt", "torch", "onnx", "onnxruntime", "rfdetr"):
        export(arguments, sides)
        finish(arguments, arguments.output, sides)


if __name__ == "__main__":
    main()
