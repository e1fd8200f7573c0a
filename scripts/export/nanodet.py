#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports NanoDet-Plus to ONNX with the project's code (Apache-2.0).

    pip install -r scripts/export/requirements-torch.txt
    python scripts/export/nanodet.py --repo nanodet -o model.onnx
    python scripts/export/nanodet.py --repo nanodet --config nanodet-plus-m_416 \\
        --weights nanodet-plus-m_416_checkpoint.ckpt -o model.onnx

Trained weights: the checkpoints that NanoDet's README.md lists.

--repo is a checkout of github.com/RangiLyu/nanodet; commit be9b4a9 was used, its build_model and
load_model_weight as tools/export_onnx.py uses them. Without --weights the model has the right shape
and random values: enough to measure speed. The project's own export fixes the batch to 1; here it
is dynamic unless --batch says otherwise. The network is not used.
"""

from __future__ import annotations

from command import find_config, open_project, packages, reading, sides_of
from torch_common import arguments_of, finish, parsed, seed, to_onnx

CONFIG = "nanodet-plus-m_320"


def shuffled(x, groups: int):
    """ShuffleNet's channel shuffle. The project's writes the traced batch size into the graph."""
    channels, height, width = x.shape[1:]
    x = x.reshape(-1, groups, channels // groups, height, width)
    return x.transpose(1, 2).reshape(-1, channels, height, width)


def configured(file):
    """The project's configuration, changed so that it downloads nothing."""
    from nanodet.util import cfg, load_config

    load_config(cfg, str(file))
    cfg.defrost()
    cfg.model.arch.backbone["pretrain"] = False  # else it downloads the backbone's weights
    return cfg


def loaded(arguments, config):
    """The network of the configuration, without auxiliary head, as exported."""
    import torch
    from nanodet.model.arch import build_model
    from nanodet.model.backbone import shufflenetv2
    from nanodet.util import load_model_weight

    shufflenetv2.channel_shuffle = shuffled
    seed()
    model = build_model(config.model)
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
    text = "trained weights of --config (.pth or .ckpt)"
    parser = arguments_of(__doc__, "--config", text, "NanoDet")
    text = "name of a configuration below REPO/config, without .yml, or a path"
    parser.add_argument("--config", default=CONFIG, help=text)
    arguments = parsed(parser)
    open_project(arguments.repo, "nanodet/model", "NanoDet")
    file = find_config(arguments.config, arguments.repo / "config", CONFIG)
    with packages("requirements-torch.txt", "torch", "onnx", "onnxruntime"):
        import torch

        config = configured(file)
        # The project writes it as width and height.
        sides = sides_of(arguments, config.data.val.input_size[::-1], arguments.config)
        inputs = {"data": torch.rand(arguments.batch or 2, 3, *sides)}
        to_onnx(loaded(arguments, config), inputs, ["output"], arguments, opset=17)
        finish(arguments, arguments.output, sides)


if __name__ == "__main__":
    main()
