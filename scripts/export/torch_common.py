# SPDX-License-Identifier: Apache-2.0
"""What the exports from PyTorch share: options, export by tracing, and a look at the result: its
inputs and outputs are printed, and it is run once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from command import check_files, parser_of


def arguments_of(text: str, size: int | None, weights: str, project="") -> argparse.ArgumentParser:
    """The options all of these have; without `size` the default is the model's own."""
    parser = parser_of(text, weights, project)
    text = "side of the square input in pixels" + ("" if size else ", by default the model's own")
    parser.add_argument("--size", type=int, default=size, help=text)
    text = "fix the batch to this; what it is by default stands above"
    parser.add_argument("--batch", type=int, help=text)
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What was given, once it is known to make sense."""
    given = parser.parse_args()
    # What all of these networks halve five times has to fit what they double again (RF-DETR:
    # patches of 16 in two windows).
    if given.size and given.size % 32:
        parser.error(f"--size {given.size}: must be a multiple of 32")
    check_files(given)
    return given


def described(value) -> str:
    """`name: dtype [dims]` of a graph's input or output."""
    import onnx

    kind = value.type.tensor_type
    dims = [d.dim_param or str(d.dim_value) for d in kind.shape.dim]
    dtype = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
    return f"{value.name}: {dtype} [{', '.join(dims)}]"


def check(path: Path) -> None:
    """Checks the file, prints what goes in and out, and runs it once where possible."""
    import onnx

    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(path)
    print(f"wrote {path}, opset {model.opset_import[0].version}")
    for direction, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            print(f"  {direction:6} {described(value)}")
    try:
        import onnxruntime
    except ImportError:
        print("  not run: onnxruntime is not installed")
        return
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batch = session.get_inputs()[0].shape[0]
    for images in (1, 2) if isinstance(batch, str) else (batch,):
        run(session, images)


def run(session, images: int) -> None:
    """Runs a model once; what it leaves open is `images` in the batch and 640 pixels elsewhere."""
    import numpy as np

    feeds = {}
    for value in session.get_inputs():
        shape = [640 if isinstance(n, str) else n for n in value.shape]
        shape[0] = images
        whole = value.type == "tensor(int64)"
        feeds[value.name] = np.full(shape, 640 if whole else 0.5, np.int64 if whole else np.float32)
    results = session.run(None, feeds)
    shapes = [f"{o.name} {list(r.shape)}" for o, r in zip(session.get_outputs(), results)]
    print(f"  run with batch {images}: {', '.join(shapes)}")


def to_onnx(model, inputs: dict, outputs: list[str], arguments, opset: int, axes=None) -> None:
    """Exports by tracing. inputs: {name: example with batch axis}. axes: what a dynamic batch is
    called where; by default `batch` everywhere."""
    import torch

    axes = axes or {name: {0: "batch"} for name in [*inputs, *outputs]}
    torch.onnx.export(
        model.eval(),
        tuple(inputs.values()),
        str(arguments.output),
        input_names=list(inputs),
        output_names=outputs,
        dynamic_axes=None if arguments.batch else axes,
        opset_version=opset,
        dynamo=False,
    )
