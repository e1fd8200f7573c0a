# SPDX-License-Identifier: Apache-2.0
"""What the exports with Ultralytics share. OPT-IN: Ultralytics is licensed under AGPL-3.0."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from command import packages, reading, sides_of
from torch_common import arguments_of, finish, parsed, quiet, seed

# Importing it writes settings, and exporting may install packages: not here. It also reports at
# length where it wrote a file that is moved from there; errors it prints all the same.
SETTINGS = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}


def loaded(arguments, kind: str, folder: str):
    """The model as Ultralytics opens it, of the weights or of random ones."""
    os.environ |= SETTINGS | {"YOLO_CONFIG_DIR": folder}
    import ultralytics

    source = f"{arguments.model}.yaml"
    if arguments.weights:
        # It writes beside the weights.
        source = shutil.copy(arguments.weights, folder)
    seed()
    with contextlib.chdir(folder), reading(arguments.weights):
        try:
            made = getattr(ultralytics, kind)(source)
        except FileNotFoundError:
            sys.exit(f"--model {arguments.model}: Ultralytics knows no such model")
        # It takes all other names for exports, which it opens when they are to be run.
        if isinstance(made.model, str):
            raise ValueError("expected a .pt file")
        return made


def export(model, arguments, sides: list[int], folder: str) -> Path:
    quiet()
    with contextlib.chdir(folder):
        written = model.export(
            format="onnx",
            imgsz=sides,
            batch=arguments.batch or 1,
            dynamic=arguments.batch is None,
            opset=17,
            device="cpu",
        )
        return Path(written).resolve()


def own_sides(model) -> list[int]:
    """The size that the model was made or trained for."""
    size = model.model.args["imgsz"]
    return list(size) if isinstance(size, (list, tuple)) else [size] * 2


def main(text: str, kind: str, model: str) -> None:
    """text: the script's docstring. kind: class of Ultralytics. model: name of its default."""
    parser = arguments_of(text, "the model", "trained weights (.pt)")
    words = "Ultralytics' name of a model, whose shape is taken where --weights is not given"
    parser.add_argument("--model", default=model, help=words)
    arguments = parsed(parser)
    needed = ["ultralytics", "torch", "onnx", "onnxruntime"]
    with packages("requirements-ultralytics.txt", *needed), tempfile.TemporaryDirectory() as folder:
        network = loaded(arguments, kind, folder)
        whose = arguments.weights.name if arguments.weights else arguments.model
        sides = sides_of(arguments, own_sides(network), whose)
        finish(arguments, export(network, arguments, sides, folder), sides)
