# SPDX-License-Identifier: Apache-2.0
"""What the exports with Ultralytics share. OPT-IN: Ultralytics is licensed under AGPL-3.0."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from command import packages, reading
from torch_common import arguments_of, check, parsed


def export(arguments, kind: str, folder: str) -> Path:
    """Ultralytics writes beside the weights, or where it runs: in `folder`."""
    # Importing it writes settings, and exporting may install packages: not here.
    os.environ |= {"YOLO_CONFIG_DIR": folder, "YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}
    import ultralytics

    source = f"{arguments.model}.yaml"
    if arguments.weights:
        source = shutil.copy(arguments.weights, folder)
    with contextlib.chdir(folder):
        with reading(arguments.weights):
            try:
                model = getattr(ultralytics, kind)(source)
            except FileNotFoundError:
                sys.exit(f"--model {arguments.model}: Ultralytics knows no such model")
        written = model.export(
            format="onnx",
            imgsz=arguments.size,
            batch=arguments.batch or 1,
            dynamic=arguments.batch is None,
            opset=17,
            device="cpu",
        )
        return Path(written).resolve()


def main(text: str, kind: str, model: str) -> None:
    """text: the script's docstring. kind: class of Ultralytics. model: name of its default."""
    parser = arguments_of(text, 640, "trained weights (.pt)")
    words = "Ultralytics' name of a model, whose shape is taken where --weights is not given"
    parser.add_argument("--model", default=model, help=words)
    arguments = parsed(parser)
    with packages("requirements-ultralytics.txt", "ultralytics", "torch", "onnx"):
        with tempfile.TemporaryDirectory() as folder:
            shutil.move(export(arguments, kind, folder), arguments.output)
        check(arguments.output)
