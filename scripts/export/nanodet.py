#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports NanoDet-Plus to ONNX with the project's code (Apache-2.0).

    pip install -r scripts/export/requirements-torch.txt
    python scripts/export/nanodet.py --repo nanodet -o model.onnx

--repo is a checkout of github.com/RangiLyu/nanodet; commit be9b4a9 was used, its build_model and
load_model_weight as tools/export_onnx.py uses them. Without --weights the model has the right shape
and random values: enough to measure speed. The project's own export fixes the batch to 1; here it
is dynamic unless --batch says otherwise. The network is not used.
"""

from __future__ import annotations

import sys

from command import open_project, packages, reading
from torch_common import arguments_of, check, parsed, to_onnx


def shuffled(x, groups: int):
    """ShuffleNet's channel shuffle. The project's writes the traced batch size into the graph."""
    channels, height, width = x.shape[1:]
    x = x.reshape(-1, groups, channels // groups, height, width)
    return x.transpose(1, 2).reshape(-1, channels, height, width)


def loaded(arguments):
    """The network of the configuration, without auxiliary head, as exported."""
    import torch
    from nanodet.model.arch import build_model
    from nanodet.model.backbone import shufflenetv2
    from nanodet.util import cfg, load_config, load_model_weight

    shufflenetv2.channel_shuffle = shuffled
    file = arguments.repo / "config" / f"{arguments.config}.yml"
    if not file.is_file():
        sys.exit(f"--config {arguments.config}: there is no {file}")
    load_config(cfg, str(file))
    cfg.defrost()
    cfg.model.arch.backbone["pretrain"] = False  # else it downloads the backbone's weights
    model = build_model(cfg.model)
    log = Log()
    with reading(arguments.weights):
        if arguments.weights:
            saved = torch.load(arguments.weights, map_location="cpu", weights_only=False)
            load_model_weight(model, saved, log)
        if log.lacking:
            raise ValueError(f"{len(log.lacking)} tensors do not fit. {' '.join(log.lacking[:3])}")
    return model


class Log:
    """What load_model_weight reports to: it leaves out what does not fit, and only says so."""

    def __init__(self):
        self.lacking: list[str] = []

    def log(self, text: str) -> None:
        # What the file has too much is dropped; the auxiliary head is of no use but in training.
        if not text.startswith("Drop") and " aux_" not in text:
            self.lacking.append(text)


def main() -> None:
    parser = arguments_of(__doc__, 320, "trained weights of --config (.pth or .ckpt)", "NanoDet")
    text = "file in REPO/config, without .yml"
    parser.add_argument("--config", default="nanodet-plus-m_320", help=text)
    arguments = parsed(parser)
    open_project(arguments.repo, "nanodet/model", "NanoDet")
    with packages("requirements-torch.txt", "torch", "onnx"):
        import torch

        model = loaded(arguments)
        inputs = {"data": torch.rand(arguments.batch or 2, 3, *[arguments.size] * 2)}
        to_onnx(model, inputs, ["output"], arguments, opset=17)
        check(arguments.output)


if __name__ == "__main__":
    main()
