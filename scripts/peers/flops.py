# SPDX-License-Identifier: Apache-2.0
"""Holds what `trtbench inspect` says of a model's cost against others that count it.

    flops.py count MODEL.onnx...          MACs and parameters beside onnx-tool's, and the time of both
    flops.py thop PROJECT=MODEL.onnx...   MACs and parameters beside thop's of the module in PyTorch
    flops.py shapes FOLDER MODEL.onnx...  writes FOLDER/MODEL.shapes.json: the shape of every value, as
                                          ONNX Runtime computes it; tests/model_cost.rs compares with it
                                          where TRTBENCH_REFERENCE names FOLDER

Needs requirements-flops.txt. `thop` knows the projects of THOP, each of which has to be installed.
TRTBENCH names the program, by default target/release/trtbench. Exit code: 1 if anything differs by
more than its tolerance, or onnx-tool is not at least 100 times slower on a model of RT-DETR.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRTBENCH = os.environ.get("TRTBENCH", str(ROOT / "target" / "release" / "trtbench"))
# What the file leaves open: batch 1, images of 640 x 640, pairs of numbers for each image.
SIDE = 640
PAIRS = ("im_shape", "scale_factor", "orig_target_sizes")
# Peers count biases, normalisations or activations as MACs here and there.
TOLERANCE = 0.03
FASTER = 100


def main() -> int:
    match sys.argv[1:]:
        case ["count", *models] if models:
            return count(models)
        case ["thop", *pairs] if pairs:
            return thop_counts(pairs)
        case ["shapes", folder, *models] if models:
            return shapes(Path(folder), models)
    print(__doc__, file=sys.stderr)
    return 2


def ours(model: str) -> tuple[dict, float]:
    """What `trtbench inspect --json` says, and the seconds of the whole process."""
    best, said = float("inf"), {}
    for _ in range(5):
        begin = time.perf_counter()
        ran = subprocess.run([TRTBENCH, "inspect", "--json", model], capture_output=True, check=True)
        best = min(best, time.perf_counter() - begin)
        said = json.loads(ran.stdout)
    return said, best


def length(name: str, rank: int, axis: int, declared) -> int:
    if isinstance(declared, int) and declared > 0:
        return declared
    if rank == 4 and axis >= 2:
        return SIDE
    return 2 if axis == 1 and name in PAIRS else 1


def count(models: list[str]) -> int:
    import numpy
    import onnx_tool

    wrong = 0
    print(f"{'model':36} {'MACs':>15} {'onnx-tool':>15} {'diff':>7} {'params':>11} {'onnx-tool':>11} "
          f"{'ours':>9} {'onnx-tool':>9} {'times':>6}")
    for model in models:
        said, seconds = ours(model)
        begin = time.perf_counter()
        peer = onnx_tool.Model(model)
        graph = peer.graph
        feeds = {}
        for name in filter(None, graph.input):
            shape = graph.tensormap[name].shape
            lengths = [length(name, len(shape), at, n) for at, n in enumerate(shape)]
            feeds[name] = numpy.ones(lengths, dtype=graph.tensormap[name].dtype or numpy.float32)
        graph.shape_infer(feeds)
        graph.profile()
        theirs, params = int(products(graph)), int(graph.params)
        taken = time.perf_counter() - begin
        differs = abs(said["macs"] - theirs) / theirs
        times = taken / seconds
        name = Path(model).stem
        print(f"{name:36} {said['macs']:15,} {theirs:15,} {differs:7.2%} {said['parameters']:11,} "
              f"{params:11,} {seconds * 1e3:6.1f} ms {taken * 1e3:6.0f} ms {times:6.0f}")
        wrong += differs > TOLERANCE or ("rtdetr" in name and times < FASTER)
    return int(wrong > 0)


def products(graph) -> float:
    """onnx-tool's MACs of convolutions and matrix products alone: it counts the others as well. A
    bias is a MAC to it, for each element."""
    kinds = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum")
    nodes = graph.nodemap.values()
    return sum(total(node.macs) for node in nodes if node.op_type in kinds)


def total(macs) -> float:
    return float(macs[0] if isinstance(macs, (list, tuple)) else macs)


def yolov8n():
    from ultralytics.nn.tasks import DetectionModel  # AGPL: only here, only to compare

    return DetectionModel("yolov8n.yaml", verbose=False), (1, 3, 640, 640)


def rtdetr_hf():
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"])
    config = RTDetrConfig(
        backbone_config=backbone, encoder_in_channels=[128, 256, 512], hidden_expansion=0.5,
        decoder_layers=3, num_labels=80)
    return RTDetrForObjectDetection(config), (1, 3, 640, 640)


THOP = {"yolov8n": yolov8n, "rtdetr_hf": rtdetr_hf}


def thop_counts(pairs: list[str]) -> int:
    """thop hooks modules: products that are written as functions (attention) it does not see, so it
    may count less, never more."""
    import thop
    import torch

    wrong = 0
    print(f"{'model':36} {'MACs':>15} {'thop':>15} {'diff':>7} {'params':>11} {'torch':>11}")
    for pair in pairs:
        project, _, model = pair.partition("=")
        module, shape = THOP[project]()
        module.eval()
        with torch.no_grad():
            macs, _ = thop.profile(module, inputs=(torch.zeros(shape),), verbose=False)
        params = sum(parameter.numel() for parameter in module.parameters())
        said, _ = ours(model)
        differs = abs(said["macs"] - macs) / macs
        print(f"{project:36} {said['macs']:15,} {int(macs):15,} {differs:7.2%} "
              f"{said['parameters']:11,} {params:11,}")
        wrong += differs > TOLERANCE or abs(said["parameters"] - params) / params > TOLERANCE
    return int(wrong > 0)


def shapes(folder: Path, models: list[str]) -> int:
    import numpy
    import onnx
    import onnxruntime

    folder.mkdir(parents=True, exist_ok=True)
    types = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64}
    for path in models:
        model = onnx.load(path)
        constants = {tensor.name for tensor in model.graph.initializer}
        wanted = [name for node in model.graph.node for name in node.output if name]
        del model.graph.output[:]
        del model.graph.value_info[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        feeds = {}
        for info in session.get_inputs():
            if info.name in constants:
                continue
            lengths = [length(info.name, len(info.shape), at, n) for at, n in enumerate(info.shape)]
            # Ones are as good an image as any, and a scale or a size that divides nothing by zero.
            feeds[info.name] = numpy.ones(lengths, dtype=types[info.type])
        found = {}
        for name, value in zip(wanted, session.run(wanted, feeds)):
            found[name] = {"shape": list(value.shape), "dtype": str(value.dtype)}
        inputs = {name: list(value.shape) for name, value in feeds.items()}
        text = json.dumps({"inputs": inputs, "values": found}, indent=0)
        (folder / f"{Path(path).stem}.shapes.json").write_text(text)
        print(f"{Path(path).stem}: {len(found)} values")
    return 0


if __name__ == "__main__":
    sys.exit(main())
