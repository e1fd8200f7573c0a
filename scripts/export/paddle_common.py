# SPDX-License-Identifier: Apache-2.0
"""What the exports from PaddleDetection share: its own Trainer writes a Paddle model, paddle2onnx
makes an ONNX file of it, and the file is looked at, checked and run once.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from command import (
    add_size,
    check_files,
    check_fit,
    find_config,
    open_project,
    packages,
    parser_of,
    reading,
    say_random,
    sides_of,
)

OPSET = 16
TYPES = {1: "float32", 6: "int32", 7: "int64"}
PROJECT = "PaddleDetection, 2.7 or later"


# What PaddleDetection asks for on import, of packages that exporting has no use for.
ADVICE = ("please install numba", "to install ppdet firstly")


def arguments(text: str, config: str, variants=()) -> argparse.Namespace:
    """config: name of the default one. variants: what a graph may end with, the default first."""
    parser = parser_of(text, "trained weights of --config (.pdparams)", PROJECT)
    words = "name of a configuration below REPO/configs, without .yml, or a path"
    parser.add_argument("--config", default=config, help=words)
    if variants:
        names = list(variants)
        words = "what the graph ends with, see above"
        parser.add_argument("--variant", choices=names, default=names[0], help=words)
    add_size(parser, "--config", square=False)
    given = parser.parse_args()
    check_files(given)
    open_project(given.repo, "ppdet", PROJECT)
    given.file = find_config(given.config, given.repo / "configs", config)
    return given


def make(given: argparse.Namespace, changes: dict, ranks: list[int], adapt=None) -> None:
    """Exports and checks. changes: what differs from the configuration. ranks: of the outputs.
    adapt: what is exported instead of the model, made of it."""
    with packages("requirements-paddle.txt", "paddle", "paddle2onnx", "onnx", "numpy"):
        # These two must be loaded before paddle, or the process ends with a segmentation fault.
        import pyclipper  # noqa: F401
        import pycocotools.mask  # noqa: F401

        imported()
        trainer = trainer_of(given, changes)
        if adapt:
            trainer.model = adapt(trainer.model)
        export(trainer, given)
        inspect(given, ranks)
        say_random(given)


class Sieve:
    """A stream that leaves out ADVICE. What else is written there goes through at once, as loggers
    made meanwhile keep the stream."""

    def __init__(self, stream):
        self.stream, self.left_out = stream, False

    def write(self, text: str) -> None:
        advice = any(words in text for words in ADVICE)
        # print() writes the end of the line by itself.
        if not advice and not (self.left_out and text == "\n"):
            self.stream.write(text)
        self.left_out = advice

    def __getattr__(self, name: str):
        return getattr(self.stream, name)


def imported() -> None:
    """Imports paddle and PaddleDetection, without what they say on success."""
    # Paddle's C++ code: warnings and errors only.
    os.environ.setdefault("GLOG_minloglevel", "1")
    with warnings.catch_warnings(), contextlib.redirect_stdout(Sieve(sys.stdout)):
        warnings.simplefilter("ignore", SyntaxWarning)
        with contextlib.redirect_stderr(Sieve(sys.stderr)):
            import ppdet.engine  # noqa: F401
    # What Paddle's own code uses, and nobody here can change.
    warnings.filterwarnings("ignore", message=r"The Attr\(force_cpu\) of Op")
    # It reports where it wrote files that are moved from there.
    logging.getLogger("ppdet.engine").setLevel(logging.WARNING)


def own_sides(given, config) -> list[int]:
    """[height, width] that the project tests with."""
    found = [config.get("eval_size")]
    for reader in ("EvalReader", "TestReader"):
        inputs = (config.get(reader) or {}).get("inputs_def") or {}
        found.insert(0, (inputs.get("image_shape") or [])[-2:])
    for sides in found:
        if sides and all(isinstance(side, int) and side > 0 for side in sides):
            return list(sides)
    if given.size:
        return given.size
    sys.exit(f"--config {given.config}: says no size of its input: give --size")


def trainer_of(given, changes: dict):
    """PaddleDetection's Trainer with the weights loaded."""
    import paddle
    from ppdet.core.workspace import load_config, merge_config
    from ppdet.engine import Trainer

    paddle.set_device("cpu")
    paddle.seed(0)
    config = load_config(str(given.file))
    given.sides = sides_of(given, own_sides(given, config), given.config)
    shape = [*changes.pop("batch", []), 3, *given.sides]
    config["TestReader"]["inputs_def"] = {"image_shape": shape}
    # Backbones would be downloaded to start training from.
    merge_config({"use_gpu": False, "pretrain_weights": None, **changes})
    if "eval_size" in config:
        merge_config({"eval_size": list(given.sides)})
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
        (described,) = Path(folder).rglob("infer_cfg.yml")
        command = [sys.executable, "-m", "paddle2onnx.command", "--model_dir", str(model.parent)]
        command += ["--model_filename", "model.pdmodel", "--params_filename", "model.pdiparams"]
        command += ["--save_file", str(given.output.resolve()), "--opset_version", str(OPSET)]
        # In a process of its own: it brings its own copy of libraries that paddle has.
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"{done.stdout}paddle2onnx could not convert this model")
        shutil.copyfile(described, beside(given.output))


def beside(output: Path) -> Path:
    """Where the project's description of the model goes: class names, and how images are read."""
    return output.with_name(f"{output.name.removesuffix('.onnx')}.infer_cfg.yml")


def inspect(given, ranks: list[int]) -> None:
    """Prints the file's inputs and outputs, and fails unless the outputs have these ranks."""
    import onnx

    model = onnx.load(str(given.output))
    onnx.checker.check_model(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [signature(v) for v in model.graph.input if v.name not in constants]
    outputs = [signature(v) for v in model.graph.output]
    variant = getattr(given, "variant", None)
    kind = f" of variant {variant}" if variant else ""
    print(f"wrote {given.output}{kind}, {given.output.stat().st_size} bytes, opset {OPSET}")
    print(f"wrote {beside(given.output)}: class names, for a scenario's `classes`")
    for label, values in (("input ", inputs), ("output", outputs)):
        for name, dtype, dims in values:
            print(f"  {label} {name} {dtype} {dims}")
    if [len(dims) for _, _, dims in outputs] != ranks:
        sys.exit(f"this is not the graph{kind}: expected outputs of ranks {ranks}")
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
        feeds["im_shape"] = np.array([given.sides], np.float32)
    session = onnxruntime.InferenceSession(str(given.output), providers=["CPUExecutionProvider"])
    shapes = [list(array.shape) for array in session.run(None, feeds)]
    print(f"  ran with ONNX Runtime {onnxruntime.__version__}, output shapes {shapes}")
