# SPDX-License-Identifier: Apache-2.0
"""What the exports from PyTorch share: options, export by tracing, and a look at the result: it is
run, the lengths of its outputs are declared, and its inputs and outputs are printed.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from command import add_size, check_files, parser_of, say_random


def arguments_of(
    text: str, own: str, weights: str, project: str = "", batch: int | None = None
) -> argparse.ArgumentParser:
    """The options all of these have. own: what says the size where --size is not given. batch: the
    one that is exported where --batch is not given, or None for a dynamic one."""
    parser = parser_of(text, weights, project)
    add_size(parser, own, square=True)
    words = "images in a batch, fixed in the graph" + ("" if batch else "; by default dynamic")
    parser.add_argument("--batch", type=at_least_one, default=batch, help=words)
    return parser


def at_least_one(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return int(text)


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What was given, once it is known to make sense."""
    given = parser.parse_args()
    check_files(given)
    return given


def seed() -> None:
    """Random weights that are the same each time: variants of a model are one network then."""
    import torch

    torch.manual_seed(0)


def quiet() -> None:
    """Hides what tracing always says of these networks; the result is run with other batches."""
    import torch

    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
    for text in (
        "You are using the legacy TorchScript-based ONNX export",
        "Constant folding",
        "Exporting aten::index operator of advanced indexing",
        "torch.meshgrid: in an upcoming release",
    ):
        warnings.filterwarnings("ignore", message=text)


def described(value) -> str:
    """`name: dtype [dims]` of a graph's input or output."""
    import onnx

    kind = value.type.tensor_type
    dims = [d.dim_param or str(d.dim_value) for d in kind.shape.dim]
    dtype = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
    return f"{value.name}: {dtype} [{', '.join(dims)}]"


def finish(given: argparse.Namespace, path: Path, sides: list[int]) -> None:
    """Runs the file at `path`, declares its outputs as they then are, checks it, writes it to
    --output, and prints what goes in and out. sides: the input it was exported with."""
    import onnx

    model = onnx.load(path)
    settle(model, probed(path, sides))
    # When it was made (Ultralytics notes that) would make each export another file.
    kept = [entry for entry in model.metadata_props if entry.key != "date"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, given.output)
    print(f"wrote {given.output}, opset {model.opset_import[0].version}")
    for direction, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            print(f"  {direction:6} {described(value)}")
    run_again(given.output, sides)
    say_random(given)


def opened(path: Path):
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def batches(session) -> list[int]:
    """The batches to run: two where it is dynamic, so that what depends on it shows."""
    batch = session.get_inputs()[0].shape[0]
    return [batch] if isinstance(batch, int) else [1, 2]


def probed(path: Path, sides: list[int]) -> list[list[set[int]]]:
    """For each dimension of each output: all lengths it has in runs of other batches and sizes."""
    session = opened(path)
    runs = [(batch, sides) for batch in batches(session)]
    if any(not isinstance(side, int) for side in session.get_inputs()[0].shape[2:]):
        runs.append((runs[0][0], [side + 32 for side in sides]))
    shapes = [run(session, batch, size) for batch, size in runs]
    return [[set(lengths) for lengths in zip(*of_output)] for of_output in zip(*shapes)]


def run(session, images: int, sides: list[int]) -> list[tuple[int, ...]]:
    """The outputs' shapes for a batch of grey images of this size."""
    import numpy as np

    feeds = {}
    for value in session.get_inputs():
        # The images' own size is the other input that there may be.
        if len(value.shape) == 4:
            feeds[value.name] = np.full((images, value.shape[1], *sides), 0.5, np.float32)
        else:
            feeds[value.name] = np.full((images, 2), sides[::-1], np.int64)
    return [result.shape for result in session.run(None, feeds)]


def settle(model, lengths: list[list[set[int]]]) -> None:
    """Declares each length that was always the same; tracing leaves most of them open, under names
    that may stand for several lengths. The batch has one name in all inputs and outputs."""
    for value in model.graph.input:
        batch = value.type.tensor_type.shape.dim[0]
        if batch.dim_param:
            batch.dim_param = "batch"
    for value, found in zip(model.graph.output, lengths):
        for axis, (dim, seen) in enumerate(zip(value.type.tensor_type.shape.dim, found)):
            if len(seen) == 1:
                dim.dim_value = seen.pop()
            elif axis == 0:
                dim.dim_param = "batch"
    # Shapes inside the graph may use the names; whoever needs such shapes can infer them.
    del model.graph.value_info[:]


def run_again(path: Path, sides: list[int]) -> None:
    """Runs what was written, as declared: ONNX Runtime says where that is not so."""
    session = opened(path)
    for batch in batches(session):
        shapes = zip(session.get_outputs(), run(session, batch, sides))
        listed = ", ".join(f"{output.name} {list(shape)}" for output, shape in shapes)
        print(f"  run with batch {batch}: {listed}")


def to_onnx(model, inputs: dict, outputs: list[str], arguments, opset: int) -> None:
    """Exports by tracing to --output. inputs: {name: example with batch axis}."""
    import torch

    quiet()
    torch.onnx.export(
        model.eval(),
        tuple(inputs.values()),
        str(arguments.output),
        input_names=list(inputs),
        output_names=outputs,
        dynamic_axes=None
        if arguments.batch
        else {name: {0: "batch"} for name in [*inputs, *outputs]},
        opset_version=opset,
        dynamo=False,
    )
