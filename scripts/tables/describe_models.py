#!/usr/bin/env python3
"""Writes tests/model_support/models.csv: what tests need to know of models, instead of the models.

    pip install onnx==1.19.1 paddlepaddle==2.6.2
    python scripts/tables/describe_models.py MODEL.onnx ... DIR/model.pdmodel ... \\
        > tests/model_support/models.csv

Weights are not read.
"""

import collections
import sys
from pathlib import Path

import onnx

HEAD = """\
# Models as the tests of compatibility need them, by scripts/tables/describe_models.py. `operators`: DOMAIN::NAME/TYPE:COUNT,
# the domain left out where it is the format's own, the type of the first operand left out where the file does not tell.
# `constants`: element types of what the file holds. `computed`: NAME.OPERAND:COUNT, operands that follow from the inputs.
# `shifted`: how many zero points are zero and how many are not. `lacks`: of Paddle's operators, how many are without
# XShape, and how many have an operand without dimensions (scalar).
model,format,producer,ir,opsets,inputs,outputs,constants,operators,computed,shifted,lacks"""
TYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
         9: "bool", 10: "float16", 11: "float64", 16: "bfloat16"}


def counted(names) -> str:
    return " ".join(f"{name}:{count}" for name, count in sorted(collections.Counter(names).items()))


def of_onnx(file: Path) -> list[str]:
    model = onnx.load(file, load_external_data=False)
    graph = model.graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in held]
    types = {value.name: value.type.tensor_type.elem_type for value in [*graph.input, *graph.value_info, *graph.output]}
    types |= {name: tensor.data_type for name, tensor in held.items()}
    constants = {TYPES[tensor.data_type] for tensor in held.values()}
    computed, operands, points, operators = {value.name for value in inputs}, [], [], []
    nodes = list(graph.node)
    while nodes:
        node = nodes.pop(0)
        nodes += [inner for attribute in node.attribute for inner in attribute.g.node]
        if node.op_type == "Constant":
            made = [attribute.t for attribute in node.attribute if attribute.name == "value"]
            held |= {node.output[0]: tensor for tensor in made}
        if any(name in computed for name in node.input):
            computed.update(node.output)
        operands += [f"{node.op_type}.{i}" for i, name in enumerate(node.input) if i and name in computed]
        first = TYPES.get(types.get(node.input[0] if node.input else "", 0))
        domain = f"{node.domain}::" if node.domain else ""
        operators.append(f"{domain}{node.op_type}" + (f"/{first}" if first else ""))
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2:
            values = onnx.numpy_helper.to_array(held[node.input[2]])
            points.append("shifted" if values.any() else "zero")
            constants.discard(TYPES[held[node.input[2]].data_type])
    wanted = {"TopK.1", "Slice.3", "Squeeze.1", "CumSum.1", "OneHot.1", "NonMaxSuppression.2"}
    wanted |= {"NonMaxSuppression.3", "NonMaxSuppression.4", "ReduceMax.1", "ReduceSum.1", "ReduceMean.1"}
    sets = " ".join(f"{entry.domain or 'ai.onnx'}:{entry.version}" for entry in model.opset_import)
    ends = [" ".join(TYPES[value.type.tensor_type.elem_type] for value in values) for values in (inputs, graph.output)]
    producer = f"{model.producer_name} {model.producer_version}".strip()
    computed_operands = counted(operand for operand in operands if operand in wanted)
    return [file.stem, "onnx", producer, str(model.ir_version), sets, *ends, " ".join(sorted(constants)),
            counted(operators), computed_operands, counted(points), ""]


def of_paddle(file: Path) -> list[str]:
    from paddle.base.proto import framework_pb2

    program = framework_pb2.ProgramDesc.FromString(file.read_bytes())
    operators = [operator for block in program.blocks for operator in block.ops]
    scalars = {value.name for block in program.blocks for value in block.vars
               if value.type.type == 7 and not value.type.lod_tensor.tensor.dims}
    shapes = {"squeeze2", "unsqueeze2", "reshape2", "transpose2", "flatten_contiguous_range", "flatten2"}
    lacks = []
    for operator in operators:
        given = {name for slot in operator.outputs if slot.arguments for name in [slot.parameter]}
        if operator.type in shapes and "XShape" not in given:
            lacks.append(f"{operator.type}.XShape")
        operands = {name for slot in operator.inputs for name in slot.arguments}
        if operator.type.startswith("elementwise_") and operands & scalars:
            lacks.append(f"{operator.type}.scalar")
    version = program.version.version
    wrote = f"paddle {version // 1000000}.{version // 1000 % 1000}.{version % 1000}"
    used = {operator.type for operator in operators}
    versions = " ".join(f"{pair.op_name}:{pair.op_version.version}" for pair in program.op_version_map.pair
                        if pair.op_name in used)
    return [file.parent.name, "pdmodel", wrote, "", versions, "", "", "",
            counted(operator.type for operator in operators), "", "", counted(lacks)]


def main() -> None:
    print(HEAD)
    for name in sys.argv[1:]:
        file = Path(name)
        print(",".join(of_paddle(file) if file.suffix == ".pdmodel" else of_onnx(file)))


if __name__ == "__main__":
    main()
