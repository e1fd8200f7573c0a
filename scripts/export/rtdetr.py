#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports RT-DETR to ONNX, with lyuwenyu's code or Hugging Face's; both are Apache-2.0.

    pip install -r scripts/export/requirements-torch.txt
    python scripts/export/rtdetr.py --source lyuwenyu --repo RT-DETR/rtdetrv2_pytorch -o model.onnx
    python scripts/export/rtdetr.py --source huggingface -o model.onnx
    python scripts/export/rtdetr.py --source lyuwenyu --repo RT-DETR/rtdetrv2_pytorch \\
        --config rtdetrv2_r50vd_6x_coco --weights rtdetrv2_r50vd_6x_coco_ema.pth -o model.onnx
    python scripts/export/rtdetr.py --source huggingface --weights rtdetr_r18vd -o model.onnx

Trained weights: lyuwenyu's rtdetrv2_pytorch/README.md names the .pth of each configuration; of
Hugging Face the folder of a model as PekingU/rtdetr_r18vd, which you download first
(hf download PekingU/rtdetr_r18vd --local-dir rtdetr_r18vd).

Without --weights the model has the right shape and random values: enough to measure speed. The
batch is dynamic unless --batch says otherwise. The network is not used.

lyuwenyu: RTDETR.deploy and RTDETRPostProcessor.deploy, as tools/export_onnx.py uses them, of commit
068dfde of github.com/lyuwenyu/RT-DETR. Hugging Face: RTDetrForObjectDetection of transformers
4.57.6; without --weights of the shape of PekingU/rtdetr_r18vd.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from command import find_config, open_project, packages, reading, sides_of
from torch_common import arguments_of, finish, parsed, seed, to_onnx

CONFIG = "rtdetrv2_r18vd_120e_coco"

# ------------------------------------------------------------------------------ lyuwenyu


def configured(arguments):
    """The project's configuration, its model with the weights loaded, and [height, width]."""
    import torch
    from src.core import YAMLConfig

    config = YAMLConfig(str(arguments.file))
    own = config.yaml_cfg.get("eval_spatial_size")
    if not own and not arguments.size:
        sys.exit(f"--config {arguments.config}: has no eval_spatial_size: give --size")
    sides = sides_of(arguments, own, arguments.config)
    config.yaml_cfg["eval_spatial_size"] = sides
    for backbone in ("PResNet", "HGNetv2"):
        # Else it downloads the backbone's weights, to overwrite them.
        config.yaml_cfg.get(backbone, {})["pretrained"] = False
    seed()
    with reading(arguments.weights):
        if arguments.weights:
            saved = torch.load(arguments.weights, map_location="cpu", weights_only=False)
            state = saved["ema"]["module"] if "ema" in saved else saved["model"]
            own = config.model.state_dict()
            # These are computed from the size of the input, which --size may have changed.
            state |= {name: own[name] for name in ("decoder.anchors", "decoder.valid_mask")}
            config.model.load_state_dict(state)
    return config, sides


def lyuwenyu(arguments) -> list[int]:
    """As tools/export_onnx.py; `raw` leaves its post-processor out of the graph."""
    import torch

    config, sides = configured(arguments)
    network, processor = config.model.deploy(), config.postprocessor.deploy()

    class Raw(torch.nn.Module):
        def forward(self, images):
            found = network(images)
            return found["pred_logits"], found["pred_boxes"]

    class Post(torch.nn.Module):
        def forward(self, images, orig_target_sizes):
            return processor(network(images), orig_target_sizes)

    batch = arguments.batch or 2
    inputs = {"images": torch.rand(batch, 3, *sides)}
    outputs = ["pred_logits", "pred_boxes"]
    model = Raw()
    if arguments.variant == "post":
        inputs["orig_target_sizes"] = torch.tensor([sides[::-1]] * batch)
        outputs = ["labels", "boxes", "scores"]
        model = Post()
    model.network = network  # so that the weights belong to what is exported
    to_onnx(model, inputs, outputs, arguments, opset=16)
    return sides


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


def image_sides(folder: Path | None) -> list[int]:
    """[height, width] that images are resized to: transformers' own 640 unless the folder says."""
    file = folder / "preprocessor_config.json" if folder else None
    size = json.loads(file.read_text()).get("size", {}) if file and file.is_file() else {}
    return [size.get("height", 640), size.get("width", 640)]


def huggingface(arguments) -> list[int]:
    import torch
    from transformers import RTDetrForObjectDetection

    whose = arguments.weights.name if arguments.weights else "PekingU/rtdetr_r18vd"
    sides = sides_of(arguments, image_sides(arguments.weights), whose)
    seed()
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
    inputs = {"pixel_values": torch.rand(arguments.batch or 2, 3, *sides)}
    to_onnx(model, inputs, ["logits", "pred_boxes"], arguments, opset=17)
    return sides


def check_source(arguments) -> None:
    """Before slow imports: whether what was given is of the source."""
    if arguments.source == "huggingface":
        for option in ("repo", "config", "variant"):
            if getattr(arguments, option):
                sys.exit(f"--{option} is for --source lyuwenyu only")
        return
    if not arguments.repo:
        sys.exit("--source lyuwenyu needs --repo, the folder rtdetrv2_pytorch of a checkout")
    open_project(arguments.repo, "src/zoo/rtdetr", "RT-DETR, folder rtdetrv2_pytorch")
    arguments.config = arguments.config or CONFIG
    folder = arguments.repo / "configs" / "rtdetrv2"
    arguments.file = find_config(arguments.config, folder, CONFIG)


def main() -> None:
    text = "lyuwenyu: trained weights (.pth); huggingface: folder with config.json and the weights"
    parser = arguments_of(__doc__, "the configuration", text)
    sources = {"lyuwenyu": lyuwenyu, "huggingface": huggingface}
    parser.add_argument("--source", choices=sources, required=True, help="whose code to use")
    parser.add_argument("--repo", type=Path, help="lyuwenyu: folder rtdetrv2_pytorch of a checkout")
    # These have no default that argparse knows: what was given for the other source is refused.
    text = "lyuwenyu: name of a configuration below REPO/configs/rtdetrv2, without .yml, or a path"
    parser.add_argument("--config", help=f"{text} (default: {CONFIG})")
    text = "lyuwenyu: with the project's top 300 in the graph (post), or without (raw, the default)"
    parser.add_argument("--variant", choices=["raw", "post"], help=text)
    arguments = parsed(parser)
    check_source(arguments)
    needed = ["torch", "onnx", "onnxruntime"]
    needed += ["transformers"] * (arguments.source == "huggingface")
    with packages("requirements-torch.txt", *needed):
        finish(arguments, arguments.output, sources[arguments.source](arguments))


if __name__ == "__main__":
    main()
