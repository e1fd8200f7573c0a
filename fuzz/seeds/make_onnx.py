#!/usr/bin/env python3
"""Writes the small ONNX files that fuzzing starts from: fuzz/seeds/make_onnx.py (needs the package onnx)."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).parent / "onnx"


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def save(name, nodes, inputs, outputs, initialisers, opset=17):
    graph = helper.make_graph(nodes, name, inputs, outputs, initialisers, doc_string="a seed")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="seed")
    helper.set_model_props(model, {"names": "{0: 'a', 1: 'b'}"})
    onnx.save(model, OUT / f"{name}.onnx")


def convolutions():
    weights = [
        numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w1"),
        numpy_helper.from_array(np.ones((4, 1, 3, 3), np.float16).astype(np.float32), "w2"),
        numpy_helper.from_array(np.array([0, -1], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Conv", ["a", "w2"], ["b"], auto_pad="SAME_UPPER", group=4),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], ceil_mode=1),
        helper.make_node("Reshape", ["c", "shape"], ["d"]),
        helper.make_node("Softmax", ["d"], ["y"], axis=-1),
    ]
    save("convolutions", nodes, [value("x", ["n", 3, "h", "w"])], [value("y", ["n", None])], weights)


def shapes():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Constant", [], ["i"], value_ints=[0, 1]),
        helper.make_node("Gather", ["s", "i"], ["g"], axis=0),
        helper.make_node("Constant", [], ["m"], value=numpy_helper.from_array(np.array([-1]))),
        helper.make_node("Concat", ["g", "m"], ["t"], axis=0),
        helper.make_node("Reshape", ["x", "t"], ["r"]),
        helper.make_node("Slice", ["r", "i", "g", "i"], ["z"]),
        helper.make_node("TopK", ["r", "m"], ["v", "k"]),
        helper.make_node("NonZero", ["r"], ["y"]),
    ]
    save("shapes", nodes, [value("x", ["n", 3, 4])], [value("y", None, TensorProto.INT64)], [])


def branches():
    def body(name, operator):
        return helper.make_graph([helper.make_node(operator, ["x"], [name])], name, [], [value(name, None)])

    node = helper.make_node("If", ["c"], ["y"], then_branch=body("a", "Relu"), else_branch=body("b", "Abs"))
    save("branches", [node], [value("x", [2]), value("c", [], TensorProto.BOOL)], [value("y", [2])], [])


def beside():
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in (("location", "weights.bin"), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=text)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    save("beside", [node], [value("x", [4])], [value("y", [4])], [tensor])


OUT.mkdir(exist_ok=True)
for write in (convolutions, shapes, branches, beside):
    write()
