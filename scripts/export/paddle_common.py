# SPDX-License-Identifier: Apache-2.0
"""What the exports from PaddleDetection share: its own Trainer writes a Paddle model, paddle2onnx
makes an ONNX file of it, and the file is looked at, checked and run once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from command import check_files, check_fit, open_project, packages, parser_of, reading

OPSET = 16
TYPES = {1: "float32", 6: "int32", 7: "int64"}
PROJECT = "PaddleDetection, 2.7 or later"


def arguments(text: str, variants, config: str, size: int) -> argparse.Namespace:
    parser = parser_of(text, "trained weights of --config (.pdparams)", PROJECT)
    parser.add_argument(
        "--config",
        default=config,
        help="name of a configuration below REPO/configs, without .yml, or a path",
    )
    parser.add_argument(
        "--variant",
        choices=list(variants),
        default=next(iter(variants)),
        help="what the graph ends with, see above",
    )
    parser.add_argument(
        "--size", default=str(size), help="the network's input in pixels: a side, or WIDTHxHEIGHT"
    )
    given = parser.parse_args()
    try:
        sides = [int(side) for side in given.size.split("x")]
        given.width, given.height = sides if len(sides) == 2 else sides * 2
    except (TypeError, ValueError):
        parser.error(f"--size {given.size}: expected a side or WIDTHxHEIGHT")
    return given


def make(given: argparse.Namespace, changes: dict, ranks: list[int], adapt=None) -> None:
    """Exports and checks. changes: what differs from the configuration. ranks: of the outputs.
    adapt: what is exported instead of the model, made of it."""
    check_files(given)
    open_project(given.repo, "ppdet", PROJECT)
    with packages("requirements-paddle.txt", "paddle", "paddle2onnx", "onnx", "numpy"):
        # These two must be loaded before paddle, or the process ends with a segmentation fault.
        import pyclipper  # noqa: F401
        import pycocotools.mask  # noqa: F401

        trainer = trainer_of(given, changes)
        if adapt:
            trainer.model = adapt(trainer.model)
        export(trainer, given)
        inspect(given, ranks)


def find_config(repo: Path, name: str) -> Path:
    if Path(name).is_file():
        return Path(name)
    found = sorted((repo / "configs").rglob(f"{Path(name).stem}.yml"))
    if len(found) != 1:
        sys.exit(f"--config {name}: {len(found)} of that name below {repo / 'configs'}")
    return found[0]


def trainer_of(given, changes: dict):
    """PaddleDetection's Trainer with the weights loaded."""
    import paddle
    from ppdet.core.workspace import load_config, merge_config
    from ppdet.engine import Trainer

    paddle.set_device("cpu")
    paddle.seed(0)
    config = load_config(str(find_config(given.repo, given.config)))
    shape = [*changes.pop("batch", []), 3, given.height, given.width]
    config["TestReader"]["inputs_def"] = {"image_shape": shape}
    # Backbones would be downloaded to start training from.
    merge_config({"use_gpu": False, "pretrain_weights": None, **changes})
    if "eval_size" in config:
        merge_config({"eval_size": [given.height, given.width]})
    trainer = Trainer(config, mode="test")
    load(trainer.model, given.weights)
    return trainer


def load(model, weights: Path | None) -> None:
    import paddle

    if weights is None:
        return
    with reading(weights):
        stored = paddle.load(str(weights))
        shapes = {name: list(getattr(tensor, "shape", [])) for name, tensor in stored.items()}
    check_fit(weights, shapes, {name: v.shape for name, v in model.state_dict().items()})
    model.set_state_dict(stored)


def export(trainer, given) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trainer.export(folder)
        (model,) = Path(folder).rglob("model.pdmodel")
        command = [sys.executable, "-m", "paddle2onnx.command", "--model_dir", str(model.parent)]
        command += ["--model_filename", "model.pdmodel", "--params_filename", "model.pdiparams"]
        command += ["--save_file", str(given.output.resolve()), "--opset_version", str(OPSET)]
        # In a process of its own: it brings its own copy of libraries that paddle has.
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}paddle2onnx could not convert this model")


def inspect(given, ranks: list[int]) -> None:
    """Prints the file's inputs and outputs, and fails unless the outputs have these ranks."""
    import onnx

    model = onnx.load(str(given.output))
    onnx.checker.check_model(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [signature(v) for v in model.graph.input if v.name not in constants]
    outputs = [signature(v) for v in model.graph.output]
    print(f"{given.output}: {given.variant}, {given.output.stat().st_size} bytes, opset {OPSET}")
    for label, values in (("input ", inputs), ("output", outputs)):
        for name, dtype, dims in values:
            print(f"  {label} {name} {dtype} {dims}")
    if [len(dims) for _, _, dims in outputs] != ranks:
        sys.exit(f"this is not variant {given.variant}: expected outputs of ranks {ranks}")
    run_once(given, inputs)


def signature(value) -> tuple[str, str, list]:
    kind = value.type.tensor_type
    dims = [d.dim_param or d.dim_value for d in kind.shape.dim]
    return value.name, TYPES[kind.elem_type], dims


def run_once(given, inputs) -> None:
    import numpy as np

    try:
        import onnxruntime
    except ImportError:
        print("  not run: onnxruntime is not installed")
        return
    rng = np.random.default_rng(0)
    feeds = {}
    for name, _, dims in inputs:
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in dims]
        feeds[name] = rng.uniform(0, 1, shape).astype(np.float32)
    feeds |= {"scale_factor": np.ones((1, 2), np.float32)} if "scale_factor" in feeds else {}
    if "im_shape" in feeds:
        feeds["im_shape"] = np.array([[given.height, given.width]], np.float32)
    session = onnxruntime.InferenceSession(str(given.output), providers=["CPUExecutionProvider"])
    shapes = [list(array.shape) for array in session.run(None, feeds)]
    print(f"  ran with ONNX Runtime {onnxruntime.__version__}, output shapes {shapes}")
