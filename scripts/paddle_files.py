#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a small network of its own as Paddle saves it, for tests/paddle_models.rs: with Paddle 2.6 a
.pdmodel and a .pdiparams, with 3.0 a PIR .json and a .pdiparams.

    pip install paddlepaddle==2.6.2 setuptools    # or 3.0.0, in another environment
    python scripts/paddle_files.py tests/paddle_files

The weights are random, the network is of no use. Stack traces in a .pdmodel name the folders of the
machine that wrote it; here they are given the same name everywhere.
"""

import sys
from pathlib import Path

import paddle
import paddle.nn.functional as F
from paddle import nn


class Network(nn.Layer):
    """One layer of most kinds, so that each kind's encoding is seen."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2D(3, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2D(4)
        self.depthwise = nn.Conv2D(4, 4, 3, padding=1, groups=4, bias_attr=False)
        self.scores = nn.Linear(4, 2)
        self.layer_norm = nn.LayerNorm(4)

    def forward(self, image):
        x = F.hardswish(self.norm(self.stem(image)))
        y = F.interpolate(self.depthwise(x), scale_factor=2, mode="nearest")
        y = F.max_pool2d(y, 2, 2)
        x, y = paddle.split(paddle.concat([x, y], 1), 2, axis=1)
        x = x + F.swish(y)
        x = x * F.hardsigmoid(F.adaptive_avg_pool2d(x, 1))
        rows = F.gelu(self.layer_norm(x.flatten(2).transpose([0, 2, 1])))
        scores = F.softmax(self.scores(rows), -1)
        best, _ = paddle.topk(scores.max(-1), 5, axis=1)
        return scores, best


def anonymous(model: Path) -> None:
    """Gives the folders in stack traces a name that is the same on every machine."""
    from paddle.base.proto import framework_pb2

    program = framework_pb2.ProgramDesc.FromString(model.read_bytes())
    folders = {sys.prefix: "/opt/paddle", str(Path(__file__).resolve().parent): "/home/user"}
    for operator in (operator for block in program.blocks for operator in block.ops):
        for attribute in operator.attrs:
            if attribute.name == "op_callstack":
                lines = list(attribute.strings)
                for folder, name in folders.items():
                    lines = [line.replace(folder, name) for line in lines]
                del attribute.strings[:]
                attribute.strings.extend(lines)
    model.write_bytes(program.SerializeToString())


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    paddle.seed(0)
    network = Network()
    network.eval()
    image = paddle.static.InputSpec([None, 3, 32, 32], "float32", "image")
    old = paddle.__version__.startswith("2.")
    path = folder / ("program" if old else "pir")
    paddle.jit.save(network, str(path), [image])
    path.with_suffix(".pdiparams.info").unlink(missing_ok=True)
    if old:
        anonymous(path.with_suffix(".pdmodel"))
    for file in sorted(folder.glob(f"{path.name}.*")):
        print(f"{file} {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
