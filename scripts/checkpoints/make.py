#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/checkpoints again: checkpoints of a tiny network as torch, Lightning, safetensors and
Paddle write them, and in truth.json what the libraries themselves say is in them.

    make.py torch    in an environment with requirements-torch.txt
    make.py paddle   in an environment with requirements-paddle.txt

Each replaces its own files and its own part of truth.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "checkpoints"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]


class Truth:
    """What is in the files, by file."""

    def __init__(self) -> None:
        self.files: dict[str, dict] = {}

    def add(self, file: str, weights: list[dict], **more: object) -> None:
        self.files[file] = {"weights": weights, **more}

    def save(self, suffixes: tuple[str, ...]) -> None:
        path = FOLDER / "truth.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        kept = {name: {"weights": what["weights"], **what["rest"]} for name, what in known.items()
                if not name.endswith(suffixes)}
        whole = dict(sorted({**kept, **self.files}.items()))
        # A weight a line: to be read, and not four times as long.
        lines = ["{"]
        for name, what in whole.items():
            rest = {key: value for key, value in what.items() if key != "weights"}
            lines.append(f'"{name}": {{"rest": {json.dumps(rest)}, "weights": [')
            lines.append(",\n".join(json.dumps(weight, separators=(",", ":")) for weight in what["weights"]))
            lines.append("]}" + ("," if name != list(whole)[-1] else ""))
        path.write_text("\n".join([*lines, "}", ""]))


def make_torch() -> None:
    import copy
    import io

    import torch
    from network import Network
    from safetensors.torch import save, save_file

    truth = Truth()
    torch.manual_seed(7)
    # What is converted; float8 is for kernels that need it as it is.
    numbers = (torch.float64, torch.float32, torch.float16, torch.bfloat16)

    def raw(tensor: torch.Tensor) -> bytes:
        return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()

    def described(tensors: dict[str, torch.Tensor], role: str) -> list[dict]:
        """What torch says of each, and the digest of its elements as they are, as float32 and as
        float16."""
        found = []
        for name, tensor in tensors.items():
            one = {
                "name": name,
                "role": role,
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "shape": list(tensor.shape),
                "stored": digest(raw(tensor)),
            }
            if tensor.dtype in numbers:
                one["float32"] = digest(raw(tensor.float()))
                one["float16"] = digest(raw(tensor.half()))
            found.append(one)
        return found

    def sizes(tensors: dict[str, torch.Tensor]) -> dict[str, int]:
        """What safetensors makes of the same, with the description that torch's users need."""
        def as_type(dtype: torch.dtype | None) -> int:
            cast = {
                name: (tensor.to(dtype) if dtype and tensor.dtype in numbers else tensor)
                .detach().clone().contiguous()
                for name, tensor in tensors.items()
            }
            return len(save(cast, metadata={"format": "pt"}))

        return {"stored": as_type(None), "float32": as_type(torch.float32),
                "float16": as_type(torch.float16)}

    def flat(value: object, path: str) -> dict[str, torch.Tensor]:
        if isinstance(value, torch.Tensor):
            return {path: value}
        items = value.items() if isinstance(value, dict) else (
            enumerate(value) if isinstance(value, (list, tuple)) else ())
        found = {}
        for key, inner in items:
            found.update(flat(inner, f"{path}.{key}"))
        return found

    def trained(optimizer_of) -> tuple[Network, torch.optim.Optimizer]:
        network = Network()
        optimizer = optimizer_of(network.parameters())
        network(torch.randn(2, 3, 9, 9)).square().mean().backward()
        optimizer.step()
        return network, optimizer

    network, adamw = trained(lambda p: torch.optim.AdamW(p, lr=1e-3, amsgrad=True))
    schedule = torch.optim.lr_scheduler.StepLR(adamw, 10)
    average = copy.deepcopy(network)
    state = network.state_dict()
    model = described(state, "model")

    checkpoint = {
        "model": state, "ema": {"module": average.state_dict(), "updates": 3},
        "optimizer": adamw.state_dict(), "lr_scheduler": schedule.state_dict(), "epoch": 3,
    }
    torch.save(checkpoint, FOLDER / "training.pt")
    optimizer = described(flat(adamw.state_dict(), "optimizer"), "optimizer")
    ema = described(average.state_dict(), "ema")
    truth.add("training.pt", model + ema + optimizer, lean=sizes(state))

    # Saved before the average has moved: both refer to the same storages.
    torch.save({"ema": state, "state_dict": state}, FOLDER / "shared.pt")
    truth.add("shared.pt", model + described(state, "ema"), lean=sizes(state))

    other, sgd = trained(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    torch.save({"net": other.state_dict(), "optim": sgd.state_dict()}, FOLDER / "sgd.pth")
    truth.add("sgd.pth", described(other.state_dict(), "model")
              + described(flat(sgd.state_dict(), "optim"), "optimizer"),
              lean=sizes(other.state_dict()))

    half = {name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in state.items()}
    torch.save({"state_dict": half}, FOLDER / "half.pth")
    truth.add("half.pth", described(half, "model"), lean=sizes(half))

    attributes = lambda made: described(
        {"head.grid": made.head.grid, "head.stride": made.head.stride}, "other")
    smaller = copy.deepcopy(network).half()
    torch.save({"epoch": 1, "model": network, "ema": smaller, "optimizer": None},
               FOLDER / "module.pt")
    both = described(smaller.state_dict(), "ema")
    twice = attributes(network)
    truth.add("module.pt", model + both + twice, lean=sizes(state))

    torch.save({"epoch": -1, "model": smaller, "ema": None, "optimizer": None},
               FOLDER / "stripped.pt")
    truth.add("stripped.pt", described(smaller.state_dict(), "model") + attributes(smaller),
              lean=sizes(smaller.state_dict()))

    torch.save({"epoch": 5, "model": None, "ema": smaller, "optimizer": sgd.state_dict()},
               FOLDER / "average.pt")
    truth.add("average.pt", both + attributes(smaller)
              + described(flat(sgd.state_dict(), "optimizer"), "optimizer"),
              lean=sizes(smaller.state_dict()))

    torch.save({"model": state, "epoch": 3}, FOLDER / "legacy.pth",
               _use_new_zipfile_serialization=False)
    truth.add("legacy.pth", model, lean=sizes(state))

    backbone = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    torch.save(backbone, FOLDER / "backbone.pth", pickle_protocol=4)
    truth.add("backbone.pth", described(backbone, "model"), lean=sizes(backbone))

    base = torch.randn(6, 8)
    views = {
        "whole": base, "tied": base, "rows": base[1:3], "columns": base[:, 2:5],
        "turned": base.t(), "every_other": base[:, ::2], "expanded": torch.randn(3, 1).expand(3, 4),
        "scalar": torch.tensor(4.0), "empty": torch.zeros(0, 3),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "part": torch.randn(100)[40:60],
    }
    torch.save(views, FOLDER / "views.pt")
    # Of the last storage 80 elements are part of no tensor; the channels' storage is all used.
    truth.add("views.pt", described(views, "model"), lean=sizes(views), unreferenced=80 * 4,
              bytes={"model": (6 * 8 + 3 + 1 + 2 * 3 * 4 * 5 + 20) * 4})

    types = {str(dtype).removeprefix("torch."): torch.randn(3, 2).mul(9).to(dtype) for dtype in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
        torch.int16, torch.int8, torch.uint8, torch.bool, torch.uint16, torch.uint32, torch.uint64,
        torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.complex64)}
    types["parameter"] = torch.nn.Parameter(torch.randn(2).bfloat16())
    torch.save(types, FOLDER / "types.pt")
    truth.add("types.pt", described(types, "model"), lean=sizes(types))

    save_file(state, FOLDER / "model.safetensors", metadata={"format": "pt"})
    truth.add("model.safetensors", model, lean=sizes(state))

    script = torch.jit.trace(network.eval(), torch.randn(1, 3, 9, 9))
    script.save(FOLDER / "script.torchscript")
    truth.add("script.torchscript", described(script.state_dict(), "model"),
              lean=sizes(script.state_dict()))

    make_lightning(truth, described, flat)
    buffer = io.BytesIO()
    torch.save({"weight": torch.tensor([1.0, 70000.0])}, buffer)
    (FOLDER / "wide.pt").write_bytes(buffer.getvalue())
    truth.save((".pt", ".pth", ".ckpt", ".safetensors", ".torchscript"))


def make_lightning(truth: Truth, described, flat) -> None:
    import copy

    import pytorch_lightning
    import torch
    from network import Network

    class Task(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = Network()
            self.avg_model = copy.deepcopy(self.model)

        def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
            return self.model(batch).square().mean()

        def configure_optimizers(self) -> dict:
            optimizer = torch.optim.AdamW(self.model.parameters())
            return {"optimizer": optimizer,
                    "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1)}

    task = Task()
    trainer = pytorch_lightning.Trainer(
        max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        accelerator="cpu")
    trainer.fit(task, torch.utils.data.DataLoader(torch.randn(2, 3, 9, 9), batch_size=2))
    trainer.save_checkpoint(FOLDER / "lightning.ckpt")
    saved = torch.load(FOLDER / "lightning.ckpt", weights_only=False)
    weights = []
    for name, tensor in saved["state_dict"].items():
        role = "ema" if name.startswith("avg_model.") else "model"
        weights += described({name: tensor}, role)
    states = flat(saved["optimizer_states"], "optimizer_states")
    truth.add("lightning.ckpt", weights + described(states, "optimizer"))


def make_paddle() -> None:
    import numpy as np
    import paddle

    truth = Truth()
    paddle.seed(7)

    class Network(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = paddle.nn.Sequential(
                paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4))
            self.yolo_head = paddle.nn.Conv2D(4, 5, 1)

        def forward(self, x):
            return self.yolo_head(self.backbone(x))

    network = Network()
    schedule = paddle.optimizer.lr.StepDecay(0.1, 10)
    adam = paddle.optimizer.Adam(schedule, parameters=network.parameters())
    network(paddle.randn([2, 3, 5, 5])).square().mean().backward()
    adam.step()

    def described(tensors: dict, role: str) -> list[dict]:
        found = []
        for name, tensor in tensors.items():
            if not hasattr(tensor, "numpy"):
                continue
            array = np.ascontiguousarray(tensor.numpy())
            found.append({
                "name": name, "role": role, "dtype": str(array.dtype), "shape": list(array.shape),
                "stored": digest(array.tobytes()),
                "float32": digest(array.astype(np.float32).tobytes()),
                "float16": digest(array.astype(np.float16).tobytes()),
            })
        return found

    state = described(network.state_dict(), "model")
    paddle.save(network.state_dict(), str(FOLDER / "model.pdparams"))
    truth.add("model.pdparams", state)
    paddle.save(network.state_dict(), str(FOLDER / "protocol2.pdparams"), protocol=2)
    truth.add("protocol2.pdparams", state)
    paddle.save(adam.state_dict(), str(FOLDER / "model.pdopt"))
    truth.add("model.pdopt", described(adam.state_dict(), "optimizer"))
    both = {"model": network.state_dict(), "ema": network.state_dict(), "epoch": 4}
    paddle.save(both, str(FOLDER / "nested.pdparams"))
    truth.add("nested.pdparams", state + described(network.state_dict(), "ema"))
    truth.save((".pdparams", ".pdopt"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("with_", metavar="torch|paddle", choices=("torch", "paddle"))
    FOLDER.mkdir(exist_ok=True)
    make_torch() if parser.parse_args().with_ == "torch" else make_paddle()


if __name__ == "__main__":
    main()
