#!/usr/bin/env python3
"""How long `trtbench inspect` takes for large files, and how much memory.

Writes a 400 MB ONNX file and a 400 MB PyTorch checkpoint into a temporary folder, reads each once so that
it is in the system's cache, then looks into it again and again. The goal: under 50 ms and 50 MB each.

usage: scripts/inspect_speed.py [PROGRAM]   (default target/release/trtbench, built if it is not there)
Exit code 1: a goal is missed. Needs nothing but Python.
"""

import io
import os
import pickle
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import types
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZE = 400_000_000
TENSORS = 800
RUNS = 31
MOST_SECONDS, MOST_BYTES = 0.050, 50_000_000


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def number(field, value):
    return varint(field << 3) + varint(value)


def value(name):
    dim = message(1, number(1, 4))
    return message(1, name) + message(2, message(1, number(1, 1) + message(2, dim)))


def write_onnx(path):
    """Additions, each with a weight of its own."""
    length = SIZE // TENSORS // 4
    raw = message(9, bytes(4 * length))
    parts = []
    for index in range(TENSORS):
        before, name = f"v{index}" if index else "x", f"layer{index}.weight"
        node = message(1, before) + message(1, name) + message(2, f"v{index + 1}") + message(4, "Add")
        parts.append(message(1, node))
        parts.append(message(5, number(1, length) + number(2, 1) + message(8, name) + raw))
    graph = b"".join(parts) + message(11, value("x")) + message(12, value(f"v{TENSORS}"))
    path.write_bytes(number(1, 8) + message(7, graph) + message(8, number(2, 17)))


def write_checkpoint(path):
    """What `torch.save` writes of a training state: weights, and two moments of each."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    class FloatStorage:
        __module__ = "torch"

    def _rebuild_tensor_v2(*_):
        raise NotImplementedError

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    FloatStorage.__qualname__ = "FloatStorage"
    torch.FloatStorage, torch._utils, utils._rebuild_tensor_v2 = FloatStorage, utils, _rebuild_tensor_v2
    sys.modules |= {"torch": torch, "torch._utils": utils}
    length = SIZE // TENSORS // 4

    class Storage:
        def __init__(self, key):
            self.key = key

    class Tensor:
        def __init__(self, key):
            self.storage = Storage(key)

        def __reduce__(self):
            return _rebuild_tensor_v2, (self.storage, 0, (length,), (1,), False, None)

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if isinstance(obj, Storage):
                return "storage", FloatStorage, str(obj.key), "cpu", length
            return None

    layers = TENSORS // 4
    state = {f"backbone.{n}.weight": Tensor(n) for n in range(2 * layers)}
    moments = {n: {"exp_avg": Tensor(2 * layers + 2 * n), "exp_avg_sq": Tensor(2 * layers + 2 * n + 1)} for n in range(layers)}
    buffer = io.BytesIO()
    groups = [{"lr": 0.1, "params": list(range(layers))}]
    whole = {"epoch": 3, "model": state, "optimizer": {"state": moments, "param_groups": groups}}
    Pickler(buffer, protocol=2).dump(whole)
    del sys.modules["torch"], sys.modules["torch._utils"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        for key in range(TENSORS):
            archive.writestr(f"archive/data/{key}", bytes(4 * length))
        archive.writestr("archive/version", "3\n")


def measure(program, path):
    """Wall time and peak memory of each run."""
    seconds, memory = [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        child = subprocess.Popen([program, "inspect", path, "--json"], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        seconds.append(time.perf_counter() - began)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"error: {program} inspect {path} ended with {child.returncode}")
        memory.append(used.ru_maxrss * 1024)
    return statistics.median(seconds), max(memory)


def read_once(path):
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def write(name, path):
    """In a process of its own: the system counts what this one has ever held to what it starts."""
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import inspect_speed as s; s.{name}(s.Path({str(path)!r}))"
    subprocess.run([sys.executable, "-B", "-c", script], check=True)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/trtbench")
    if not os.path.exists(program):
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, writer in (("model.onnx", "write_onnx"), ("training.pt", "write_checkpoint")):
            path = Path(folder) / name
            write(writer, path)
            read_once(path)
            seconds, memory = measure(program, path)
            print(
                f"{name}: {path.stat().st_size / 1e6:.0f} MB, {TENSORS} tensors: median of {RUNS} runs "
                f"{seconds * 1e3:.1f} ms (goal {MOST_SECONDS * 1e3:.0f}), at most {memory / 1e6:.1f} MB "
                f"(goal {MOST_BYTES / 1e6:.0f})"
            )
            missed |= seconds > MOST_SECONDS or memory > MOST_BYTES
            path.unlink()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
