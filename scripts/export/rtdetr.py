#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports RT-DETR to ONNX, with lyuwenyu's code or Hugging Face's; both are Apache-2.0.

    pip install -r scripts/export/requirements-torch.txt
    python scripts/export/rtdetr.py --source lyuwenyu --repo RT-DETR/rtdetrv2_pytorch -o model.onnx
    python scripts/export/rtdetr.py --source huggingface -o model.onnx

Without --weights the model has the right shape and random values: enough to measure speed. The
batch is dynamic unless --batch says otherwise. The network is not used.

lyuwenyu: RTDETR.deploy and RTDETRPostProcessor.deploy, as tools/export_onnx.py uses them, of commit
068dfde of github.com/lyuwenyu/RT-DETR. Hugging Face: RTDetrForObjectDetection of transformers
4.57.6; without --weights of the shape of PekingU/rtdetr_r18vd.
"""

from __future__ import annotations

import sys
from pathlib import Path

from command import open_project, packages, reading
from torch_common import arguments_of, check, parsed, to_onnx

# ------------------------------------------------------------------------------ lyuwenyu


def configured(arguments, side: list[int]):
    """The project's configuration, its model with the weights loaded."""
    import torch

    if not arguments.repo:
        sys.exit("--source lyuwenyu needs --repo, the folder rtdetrv2_pytorch of a checkout")
    open_project(arguments.repo, "src/zoo/rtdetr", "RT-DETR, folder rtdetrv2_pytorch")
    from src.core import YAMLConfig

    file = arguments.repo / "configs" / "rtdetrv2" / f"{arguments.config}.yml"
    if not file.is_file():
        sys.exit(f"--config {arguments.config}: there is no {file}")
    config = YAMLConfig(str(file), eval_spatial_size=side)
    for backbone in ("PResNet", "HGNetv2"):
        # Else it downloads the backbone's weights, to overwrite them.
        config.yaml_cfg.get(backbone, {})["pretrained"] = False
    with reading(arguments.weights):
        if arguments.weights:
            saved = torch.load(arguments.weights, map_location="cpu", weights_only=False)
            state = saved["ema"]["module"] if "ema" in saved else saved["model"]
            config.model.load_state_dict(state)
    return config


def lyuwenyu(arguments) -> None:
    """As tools/export_onnx.py; `raw` leaves its post-processor out of the graph."""
    import torch

    side = [arguments.size] * 2
    config = configured(arguments, side)
    network, processor = config.model.deploy(), config.postprocessor.deploy()

    class Raw(torch.nn.Module):
        def forward(self, images):
            found = network(images)
            return found["pred_logits"], found["pred_boxes"]

    class Post(torch.nn.Module):
        def forward(self, images, orig_target_sizes):
            return processor(network(images), orig_target_sizes)

    batch = arguments.batch or 2
    inputs = {"images": torch.rand(batch, 3, *side)}
    outputs = ["pred_logits", "pred_boxes"]
    model = Raw()
    if arguments.variant == "post":
        inputs["orig_target_sizes"] = torch.tensor([side] * batch)
        outputs = ["labels", "boxes", "scores"]
        model = Post()
    model.network = network  # so that the weights belong to what is exported
    # The project names the inputs' only.
    axes = {name: {0: "N"} for name in inputs}
    to_onnx(model, inputs, outputs, arguments, opset=16, axes=axes)


# --------------------------------------------------------------------------- Hugging Face


def small_config():
    """The shape of PekingU/rtdetr_r18vd."""
    from transformers import RTDetrConfig, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        depths=[2, 2, 2, 2],
        hidden_sizes=[64, 128, 256, 512],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    return RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=[128, 256, 512],
        hidden_expansion=0.5,
        decoder_layers=3,
        num_labels=80,
    )


def huggingface(arguments) -> None:
    import torch
    from transformers import RTDetrForObjectDetection

    if arguments.weights:
        with reading(arguments.weights):
            network, found = RTDetrForObjectDetection.from_pretrained(
                arguments.weights, local_files_only=True, output_loading_info=True
            )
            # transformers would make them up.
            if found["missing_keys"]:
                raise ValueError(f"no tensors {found['missing_keys'][:3]}")
    else:
        network = RTDetrForObjectDetection(small_config())

    class Model(torch.nn.Module):
        def forward(self, pixel_values):
            found = network(pixel_values)
            return found.logits, found.pred_boxes

    model = Model()
    model.network = network
    inputs = {"pixel_values": torch.rand(arguments.batch or 2, 3, *[arguments.size] * 2)}
    to_onnx(model, inputs, ["logits", "pred_boxes"], arguments, opset=17)


def main() -> None:
    text = "lyuwenyu: trained weights (.pth); huggingface: folder with config.json and the weights"
    parser = arguments_of(__doc__, 640, text)
    sources = {"lyuwenyu": lyuwenyu, "huggingface": huggingface}
    parser.add_argument("--source", choices=sources, required=True, help="whose code to use")
    parser.add_argument("--repo", type=Path, help="lyuwenyu: folder rtdetrv2_pytorch of a checkout")
    text = "lyuwenyu: file in configs/rtdetrv2, without .yml"
    parser.add_argument("--config", default="rtdetrv2_r18vd_120e_coco", help=text)
    text = "lyuwenyu: with the project's top 300 in the graph (post), or without (raw)"
    parser.add_argument("--variant", choices=["raw", "post"], default="raw", help=text)
    arguments = parsed(parser)
    needed = ["torch", "onnx"] + ["transformers"] * (arguments.source == "huggingface")
    with packages("requirements-torch.txt", *needed):
        sources[arguments.source](arguments)
        check(arguments.output)


if __name__ == "__main__":
    main()
