# SPDX-License-Identifier: Apache-2.0
"""A detector of three tiny parts. A module of its own because whole-module checkpoints name it."""

import torch
from torch import nn


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
    )


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.boxes = nn.Conv2d(6, 4, 1)
        # As Ultralytics' head has it: a tensor that no state dictionary knows.
        self.stride = torch.tensor([8.0, 16.0])
        self.register_buffer("grid", torch.arange(6.0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.boxes(x) * self.stride[0] + self.grid[0]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(block(3, 4), block(4, 5))
        self.neck = block(5, 6)
        self.head = Head()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.neck(self.backbone(x)))
