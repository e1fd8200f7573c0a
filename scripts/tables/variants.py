#!/usr/bin/env python3
"""Writes variants of a small export that releases of runtimes take differently: other operator sets,
FP16, quantised, uint8 inputs, operators of others.

    pip install onnx==1.19.1 onnxruntime==1.23.2
    python scripts/tables/variants.py yolov8n.onnx FOLDER

The graphs need load, not compute anything sensible. Describes nothing; see describe_models.py.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small(dtype, zero: int, opset: int = 17):
    """A convolution between quantise and dequantise nodes with that zero point."""
    scale = numpy_helper.from_array(np.float32(0.1), "scale")
    point = numpy_helper.from_array(np.array(zero, dtype), "zero")
    weight = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "weight")
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("Conv", ["d", "weight"], ["out"]),
    ]
    return model(nodes, [scale, point, weight], TensorProto.FLOAT, opset)


def model(nodes, weights, dtype, opset: int, domains=(), ir: int = 8):
    images = helper.make_tensor_value_info("images", dtype, [1, 3, 32, 32])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "variant", [images], [out], weights)
    sets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=sets, ir_version=ir)


def half(source: Path):
    """FP16 throughout."""
    made = onnx.load(source)
    # Scales of a Resize stay what they are.
    kept = {name for node in made.graph.node if node.op_type == "Resize" for name in node.input[1:]}
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for node in (node for node in made.graph.node if not kept & set(node.output)):
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))
    del made.graph.value_info[:]
    for value in [*made.graph.input, *made.graph.output]:
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return made


def declared(source: Path, opset: int, ir: int):
    """The same graph under another operator set."""
    made = onnx.load(source)
    made.opset_import[0].version, made.ir_version = opset, ir
    return made


def main() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    weight = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "weight")
    conv = helper.make_node("Conv", ["x", "weight"], ["out"])
    cast = helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT)
    gelu = helper.make_node("Gelu", ["images"], ["out"], domain="com.microsoft")
    nms = helper.make_node("EfficientNMS_TRT", ["images"], ["out"], domain="TRT")
    other = helper.make_node("nms", ["images"], ["out"], domain="paddle")
    grid = numpy_helper.from_array(np.zeros((1, 8, 8, 2), np.float32), "grid")
    sample = helper.make_node("GridSample", ["images", "grid"], ["out"])
    add = helper.make_node("Add", ["images", "images"], ["out"])
    deform = helper.make_node("DeformConv", ["images", "weight", "offset"], ["out"])
    offset = numpy_helper.from_array(np.zeros((1, 18, 30, 30), np.float32), "offset")
    mish = helper.make_node("Mish", ["images"], ["out"])
    unique = helper.make_node("Unique", ["images"], ["out"])
    real = TensorProto.FLOAT
    variants = {
        "yolov8n_fp16": half(source),
        "yolov8n_opset22": declared(source, 22, 10),
        "yolov8n_opset21_ir10": declared(source, 21, 10),
        "qdq_int8": small(np.int8, 0),
        "qdq_uint8_shifted": small(np.uint8, 128),
        "uint8_input": model([cast, conv], [weight], TensorProto.UINT8, 17),
        "com_microsoft_gelu": model([gelu], [], real, 17, ["com.microsoft"]),
        "efficient_nms": model([nms], [], real, 17, ["TRT"]),
        "paddle_domain": model([other], [], real, 17, ["paddle"]),
        "grid_sample_13": model([sample], [grid], real, 13),
        "add_opset6": model([add], [], real, 6, ir=3),
        "cast_opset19": model([cast, conv], [weight], TensorProto.UINT8, 19, ir=9),
        "deform_conv_19": model([deform], [weight, offset], real, 19, ir=9),
        "mish_18": model([mish], [], real, 18),
        "unique_17": model([unique], [], real, 17),
        "conv_float64": model([helper.make_node("Conv", ["images", "w"], ["y"]), helper.make_node("Cast", ["y"], ["out"], to=real)], [numpy_helper.from_array(np.ones((4, 3, 3, 3)), "w")], TensorProto.DOUBLE, 17),
    }
    for name, made in variants.items():
        onnx.save(made, folder / f"{name}.onnx")


if __name__ == "__main__":
    main()
