#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the demo detector on drawn shapes and exports it to ONNX.

    pip install -r scripts/requirements-train.txt
    python scripts/train_demo_model.py scenarios/models/shapes.onnx

The network is a small anchor-free detector of the project's own. From the
outside it looks like an exported YOLOv8 detector: input `images` (N x 3 x 256 x
256, a letterboxed RGB image in 0..1), output `output0` (N x 10 x 1344: centre x,
centre y, width, height in input pixels, then one score in 0..1 per class).

The training images are drawn by draw_shapes.py from another seed than the
held-out set. At the end the exported file is checked and its AP50 on the
held-out set is printed, with the channels as they are and with red and blue
swapped. `--evaluate` does that last step alone on an existing file.
"""

from __future__ import annotations

import argparse
import copy
import io
import math
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Iterator, NamedTuple

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

import draw_shapes
from draw_shapes import CLASSES

INPUT_SIZE = 256
STRIDES = (8, 16, 32)
PAD_VALUE = 114
OPSET = 13

TRAINING_SEED = 1
MAX_OBJECTS = draw_shapes.OBJECTS_PER_IMAGE[1]

CONFIDENCE = 0.25
NMS_IOU = 0.7
MAX_DETECTIONS = 300


# ---------------------------------------------------------------- preprocessing


class Letterboxed(NamedTuple):
    """An image scaled and padded to the input size: model = image * scale + offset."""

    pixels: np.ndarray
    scale: float
    left: int
    top: int


def letterbox(pixels: np.ndarray) -> Letterboxed:
    """Scales to fit and centres, as YOLOv8 does at inference (no antialiasing)."""
    height, width = pixels.shape[:2]
    scale = min(INPUT_SIZE / width, INPUT_SIZE / height)
    new_width, new_height = round(width * scale), round(height * scale)
    if (new_width, new_height) != (width, height):
        pixels = cv2.resize(
            pixels, (new_width, new_height), interpolation=cv2.INTER_LINEAR
        )
    # The 0.1 decides where the odd pixel of padding goes: right and bottom.
    left = round((INPUT_SIZE - new_width) / 2 - 0.1)
    top = round((INPUT_SIZE - new_height) / 2 - 0.1)
    canvas = np.full((INPUT_SIZE, INPUT_SIZE, 3), PAD_VALUE, dtype=np.uint8)
    canvas[top : top + new_height, left : left + new_width] = pixels
    return Letterboxed(canvas, scale, left, top)


# ---------------------------------------------------------------- training data


def draw_sample(task: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """One letterboxed image and its MAX_OBJECTS x 5 labels: class (or -1), box."""
    seed, index = task
    drawn = draw_shapes.draw_image(seed, index)
    # A spread of qualities: the model shall not depend on one encoder's artefacts.
    quality = 70 + index * 7 % 26
    jpeg = draw_shapes.encode_jpeg(drawn.pixels, quality)
    boxed = letterbox(np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")))
    labels = np.full((MAX_OBJECTS, 5), -1, dtype=np.float32)
    for row, (number, box) in zip(labels, drawn.objects):
        offset = np.array([boxed.left, boxed.top] * 2)
        row[0], row[1:] = number, np.array(box) * boxed.scale + offset
    return boxed.pixels, labels


def draw_pool(count: int, seed: int, workers: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws all training images, in worker processes."""
    if seed == draw_shapes.HELD_OUT_SEED:
        raise ValueError("the training images need another seed than the held-out set")
    images = np.empty((count, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
    labels = np.empty((count, MAX_OBJECTS, 5), dtype=np.float32)
    tasks = [(seed, index) for index in range(count)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        samples = executor.map(draw_sample, tasks, chunksize=32)
        for index, (image, label) in enumerate(samples):
            images[index], labels[index] = image, label
    return images, labels


def turn(image: np.ndarray, labels: np.ndarray, how: int) -> None:
    """Mirrors or transposes a sample in place; `how` is one of 8 symmetries."""
    real = labels[:, 0] >= 0
    if how & 1:
        image[:] = image[:, ::-1].copy()
        labels[real, 1::2] = INPUT_SIZE - labels[real][:, [3, 1]]
    if how & 2:
        image[:] = image[::-1].copy()
        labels[real, 2::2] = INPUT_SIZE - labels[real][:, [4, 2]]
    if how & 4:
        image[:] = image.transpose(1, 0, 2).copy()
        labels[real, 1:] = labels[real][:, [2, 1, 4, 3]]


def batches(
    images: np.ndarray, labels: np.ndarray, batch_size: int, steps: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled passes over the pool, every sample turned at random."""
    rng = np.random.default_rng(seed)
    order = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        if len(order) < batch_size:
            order = np.concatenate([order, rng.permutation(len(images))])
        chosen, order = order[:batch_size], order[batch_size:]
        picked, targets = images[chosen], labels[chosen]
        for sample, target in zip(picked, targets):
            turn(sample, target, int(rng.integers(8)))
        # An NHWC buffer seen as NCHW is what PyTorch calls channels_last.
        yield torch.from_numpy(picked).permute(0, 3, 1, 2).float() / 255, (
            torch.from_numpy(targets)
        )


# ------------------------------------------------------------------------ model


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm (folded at export), ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A depthwise 3x3 and a pointwise convolution: far fewer weights than a full one.

    One batch norm after both is enough, and saves a third of the training time.
    """
    depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
    return nn.Sequential(depthwise, *conv(inputs, outputs, 1))


class Residual(nn.Module):
    """Adds a separable convolution's output to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = separable(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Head(nn.Module):
    """Raw boxes (4 channels) and class logits of one stride's feature map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.boxes = nn.Sequential(
            separable(channels, channels), nn.Conv2d(channels, 4, 1)
        )
        self.classes = nn.Sequential(
            separable(channels, channels),
            separable(channels, channels),
            nn.Conv2d(channels, len(CLASSES), 1),
        )
        # Start with sizes of about two cells and with few detections.
        nn.init.constant_(self.boxes[-1].bias[2:], math.log(2.0))
        nn.init.constant_(self.classes[-1].bias, math.log(0.01 / 0.99))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.boxes(x), self.classes(x)], dim=1)


class ShapeDetector(nn.Module):
    """Backbone, top-down feature pyramid and one head per stride."""

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.stage8 = nn.Sequential(
            # No batch norm at this size: it would be the slowest step of all.
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(inplace=True),
            conv(16, 24, 3, 2), Residual(24),
            separable(24, 40, 2), Residual(40), Residual(40),
        )  # fmt: skip
        self.stage16 = nn.Sequential(separable(40, 64, 2), Residual(64), Residual(64))
        self.stage32 = nn.Sequential(separable(64, 64, 2), Residual(64))
        self.lateral = nn.ModuleList(conv(c, width, 1) for c in (40, 64, 64))
        self.smooth = nn.ModuleList(separable(width, width) for _ in range(2))
        self.heads = nn.ModuleList(Head(width) for _ in STRIDES)
        points, strides = anchor_points()
        self.register_buffer("points", points.T[None], persistent=False)
        self.register_buffer("strides", strides[None, None], persistent=False)

    def raw(self, images: Tensor) -> Tensor:
        """N x (4 + classes) x anchors: undecoded boxes and logits."""
        fine = self.stage8(images)
        middle = self.stage16(fine)
        coarse = self.lateral[2](self.stage32(middle))
        middle = self.smooth[1](
            self.lateral[1](middle) + F.interpolate(coarse, scale_factor=2.0)
        )
        fine = self.smooth[0](
            self.lateral[0](fine) + F.interpolate(middle, scale_factor=2.0)
        )
        # Constant sizes with -1 for the batch keep the exported graph free of
        # shape arithmetic, and the batch dynamic.
        flat = [
            head(level).reshape(-1, 4 + len(CLASSES), (INPUT_SIZE // stride) ** 2)
            for head, level, stride in zip(self.heads, (fine, middle, coarse), STRIDES)
        ]
        return torch.cat(flat, dim=2)

    def decode(self, raw: Tensor) -> Tensor:
        """N x 4 x anchors: cx, cy, w, h in input pixels."""
        cells = torch.cat([raw[:, :2], torch.exp(raw[:, 2:4])], dim=1)
        pixels = cells * self.strides
        return torch.cat([pixels[:, :2] + self.points, pixels[:, 2:]], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        raw = self.raw(images)
        return torch.cat([self.decode(raw), torch.sigmoid(raw[:, 4:])], dim=1)


def anchor_points() -> tuple[Tensor, Tensor]:
    """The centres (A x 2, input pixels) and strides (A) of all cells."""
    points, strides = [], []
    for stride in STRIDES:
        ticks = (torch.arange(INPUT_SIZE // stride) + 0.5) * stride
        y, x = torch.meshgrid(ticks, ticks, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()], dim=1))
        strides.append(torch.full((ticks.numel() ** 2,), float(stride)))
    return torch.cat(points), torch.cat(strides)


# ------------------------------------------------------------------------- loss


def to_corners(boxes: Tensor) -> Tensor:
    """cx, cy, w, h to x1, y1, x2, y2, along the last dimension."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU of corner boxes, and the same less a penalty for distant centres (DIoU)."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    intersection = (high - low).clamp(min=0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(-1)
    iou = intersection / (area_a + area_b - intersection + 1e-7)
    hull_low = torch.minimum(a[..., :2], b[..., :2])
    hull_high = torch.maximum(a[..., 2:], b[..., 2:])
    diagonal = (hull_high - hull_low).square().sum(-1) + 1e-7
    shift = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    return iou, iou - shift.square().sum(-1) / diagonal


class Targets(NamedTuple):
    """What each anchor shall predict: class scores (B x A x C) and a box (B x A x 4)."""

    scores: Tensor
    boxes: Tensor


@torch.no_grad()
def assign(
    scores: Tensor, boxes: Tensor, labels: Tensor, points: Tensor, top: int = 8
) -> Targets:
    """Gives each object the `top` anchors inside it that already predict it best.

    The score an anchor shall reach is the overlap of its box, relative to the
    object's best anchor, so that the best box also gets the best score and the
    others fall to the non-maximum suppression.
    """
    real = labels[..., 0] >= 0  # B x M
    number = labels[..., 0].clamp(min=0).long()
    truth = labels[..., 1:]  # B x M x 4
    inside = (points > truth[:, :, None, :2]) & (points < truth[:, :, None, 2:])
    possible = inside.all(-1) & real[..., None]  # B x M x A
    iou = overlap(boxes[:, None], truth[:, :, None])[0] * possible
    of_class = scores.transpose(1, 2).gather(
        1, number[..., None].expand(-1, -1, scores.shape[1])
    )
    # The small constant keeps anchors eligible that do not overlap at all yet.
    fit = (of_class.sqrt() * iou.pow(6) + 1e-12) * possible
    best = fit.topk(top, dim=-1)
    chosen = torch.zeros_like(fit).scatter(-1, best.indices, 1.0) * possible
    # An anchor that several objects want goes to the one it overlaps most.
    owner = (iou + possible * 1e-6).mul(chosen).argmax(1)  # B x A
    mine = F.one_hot(owner, labels.shape[1]).transpose(1, 2) * chosen  # B x M x A
    fit, iou = fit * mine, iou * mine
    scale = iou.amax(-1, keepdim=True) / fit.amax(-1, keepdim=True).clamp(min=1e-12)
    strength = (fit * scale).sum(1)  # B x A: at most one object is left per anchor
    classes = F.one_hot(number.gather(1, owner), len(CLASSES))
    owned = truth.gather(1, owner[..., None].expand(-1, -1, 4))
    return Targets(classes * strength[..., None], owned)


def detection_loss(model: ShapeDetector, images: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of the class scores plus the weighted box loss."""
    raw = model.raw(images)
    logits = raw[:, 4:].transpose(1, 2)
    boxes = to_corners(model.decode(raw).transpose(1, 2))
    points = model.points[0].T
    targets = assign(logits.detach().sigmoid(), boxes.detach(), labels, points)
    weight = targets.scores.sum(-1)
    total = weight.sum().clamp(min=1.0)
    classes = F.binary_cross_entropy_with_logits(
        logits, targets.scores, reduction="sum"
    )
    taken = weight > 0
    _, diou = overlap(boxes[taken], targets.boxes[taken])
    return (classes + 4.0 * ((1 - diou) * weight[taken]).sum()) / total


# --------------------------------------------------------------------- training


class Average:
    """The moving average of a model's weights: steadier than the last weights."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self.model = copy.deepcopy(model).eval()
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        for kept, new in zip(
            self.model.state_dict().values(), model.state_dict().values()
        ):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)


def learning_rate(step: int, steps: int, warmup: int = 150) -> float:
    """A factor: linear warm-up, then half a cosine down to 1%."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2


def train(options: argparse.Namespace) -> ShapeDetector:
    """Trains from scratch and returns the averaged model, ready for inference."""
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    started = time.monotonic()
    images, labels = draw_pool(options.pool, options.seed, options.threads)
    print(f"{len(images)} images drawn in {time.monotonic() - started:.0f} s", flush=True)

    model = ShapeDetector().to(memory_format=torch.channels_last).train()
    average = Average(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate(step, options.steps)
    )
    data = batches(images, labels, options.batch, options.steps, options.seed)
    recent = 0.0
    for step, (inputs, targets) in enumerate(data, start=1):
        loss = detection_loss(model, inputs, targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        average.update(model)
        recent += loss.item() / 100
        if step % 100 == 0:
            seconds = time.monotonic() - started
            progress = f"step {step}/{options.steps} loss {recent:.4f}"
            print(f"{progress} {seconds:.0f} s", flush=True)
            recent = 0.0
    return average.model


# ----------------------------------------------------------------------- export


def shorten_names(graph: onnx.GraphProto) -> None:
    """Renames all inner tensors and nodes: the exporter's names are 20 KB of text."""
    fixed = [value.name for value in [*graph.input, *graph.output]]
    names = {name: name for name in ["", *fixed]}
    for weight in graph.initializer:
        weight.name = names.setdefault(weight.name, f"w{len(names)}")
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for values in (node.input, node.output):
            values[:] = [names.setdefault(value, f"t{len(names)}") for value in values]


def export(model: ShapeDetector, path: Path) -> None:
    """Writes the ONNX file, without anything that tells of the machine it was made on."""
    model = model.cpu().to(memory_format=torch.contiguous_format).eval()
    buffer = io.BytesIO()
    torch.onnx.export(
        model,
        (torch.zeros(1, 3, INPUT_SIZE, INPUT_SIZE),),
        buffer,
        input_names=["images"],
        output_names=["output0"],
        dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )
    proto = onnx.load_model_from_string(buffer.getvalue())
    proto.doc_string = ""
    proto.graph.name = "shapes"
    proto.graph.doc_string = ""
    for node in proto.graph.node:
        node.doc_string = ""
    shorten_names(proto.graph)
    # The exporter leaves these two sizes open, though only the batch is dynamic.
    dims = proto.graph.output[0].type.tensor_type.shape.dim
    dims[1].dim_value = 4 + len(CLASSES)
    dims[2].dim_value = sum((INPUT_SIZE // stride) ** 2 for stride in STRIDES)
    # The inner shapes were recorded with batch 1; nobody needs them.
    del proto.graph.value_info[:]
    onnx.helper.set_model_props(
        proto,
        {
            "description": "trtbench demo detector: red and blue shapes",
            "author": "trtbench",
            "license": "Apache-2.0",
            "task": "detect",
            "stride": str(max(STRIDES)),
            "imgsz": str([INPUT_SIZE, INPUT_SIZE]),
            "names": str(dict(enumerate(CLASSES))),
        },
    )
    onnx.checker.check_model(proto, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(proto.SerializeToString())


def check_export(path: Path, model: ShapeDetector | None) -> None:
    """The file must not depend on the batch size, and must agree with PyTorch."""
    session = open_session(path)
    noise = np.random.default_rng(0).random((4, 3, INPUT_SIZE, INPUT_SIZE), np.float32)
    together = session.run(None, {"images": noise})[0]
    single = [session.run(None, {"images": noise[i : i + 1]})[0] for i in range(4)]
    np.testing.assert_allclose(together, np.concatenate(single), rtol=1e-4, atol=1e-4)
    if model is not None:
        with torch.no_grad():
            expected = model(torch.from_numpy(noise)).numpy()
        np.testing.assert_allclose(together, expected, rtol=1e-3, atol=1e-3)
    proto = onnx.load(path)
    weights = sum(int(np.prod(w.dims)) for w in proto.graph.initializer)
    kinds = sorted({node.op_type for node in proto.graph.node})
    print(f"{path.name}: {path.stat().st_size} bytes, {weights} weights, ops {kinds}")


# ------------------------------------------------------------------- evaluation


def open_session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The IoU of each corner box in a with each in b."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.clip(high - low, 0, None).prod(-1)
    area_a = (a[:, 2:] - a[:, :2]).prod(-1)
    area_b = (b[:, 2:] - b[:, :2]).prod(-1)
    return intersection / (area_a[:, None] + area_b[None] - intersection + 1e-9)


def detect(session: onnxruntime.InferenceSession, pixels: np.ndarray) -> np.ndarray:
    """Detections in an RGB image: rows of x1, y1, x2, y2, score, class."""
    boxed = letterbox(pixels)
    tensor = boxed.pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
    output = session.run(None, {"images": tensor})[0][0].T
    classes, scores = output[:, 4:].argmax(1), output[:, 4:].max(1)
    kept = np.flatnonzero(scores > CONFIDENCE)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    output, classes, scores = output[kept], classes[kept], scores[kept]
    half = output[:, 2:4] / 2
    boxes = np.concatenate([output[:, :2] - half, output[:, :2] + half], axis=1)
    clash = (iou_matrix(boxes, boxes) > NMS_IOU) & (classes[:, None] == classes)
    winners: list[int] = []
    for index in range(len(boxes)):
        if not clash[index, winners].any():
            winners.append(index)
    winners = winners[:MAX_DETECTIONS]
    height, width = pixels.shape[:2]
    boxes = (boxes[winners] - [boxed.left, boxed.top] * 2) / boxed.scale
    boxes = np.clip(boxes, 0, [width, height] * 2)
    return np.column_stack([boxes, scores[winners], classes[winners]])


def average_precision(hits: np.ndarray, scores: np.ndarray, objects: int) -> float:
    """The area under the precision-recall curve, at 101 recalls."""
    hits = hits[np.argsort(-scores, kind="stable")]
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    # At each recall counts the best precision reached there or further on.
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    first = np.searchsorted(found / objects, np.linspace(0, 1, 101) - 1e-9)
    return float(np.append(precision, 0.0)[first].mean())


def match(detections: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which detections of one class (best first) hit an object of their own at IoU 0.5."""
    hits = np.zeros(len(detections), dtype=bool)
    iou = iou_matrix(detections[:, :4], truth)
    for index in range(len(detections)):
        if iou.shape[1] and iou[index].max() >= 0.5:
            hits[index] = True
            iou[:, iou[index].argmax()] = -1.0
    return hits


def ap50(path: Path, folder: Path, swap_channels: bool) -> float:
    """The mean over the classes of AP at IoU 0.5 on a drawn set."""
    session = open_session(path)
    annotations = draw_shapes.read_annotations(folder)
    hits: list[list[np.ndarray]] = [[] for _ in CLASSES]
    scores: list[list[np.ndarray]] = [[] for _ in CLASSES]
    objects = np.zeros(len(CLASSES), dtype=int)
    for image in annotations["images"]:
        pixels = np.asarray(Image.open(folder / image["file"]).convert("RGB"))
        pixels = pixels[..., ::-1] if swap_channels else pixels
        found = detect(session, np.ascontiguousarray(pixels))
        for number in range(len(CLASSES)):
            truth = [o["box"] for o in image["objects"] if o["class"] == number]
            own = found[found[:, 5] == number]
            hits[number].append(match(own, np.array(truth).reshape(-1, 4)))
            scores[number].append(own[:, 4])
            objects[number] += len(truth)
    return float(
        np.mean([
            average_precision(np.concatenate(h), np.concatenate(s), n)
            for h, s, n in zip(hits, scores, objects)
        ])
    )  # fmt: skip


def evaluate(path: Path) -> None:
    """Draws the held-out set anew and prints the AP50 on it, both ways."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count, seed = draw_shapes.HELD_OUT_COUNT, draw_shapes.HELD_OUT_SEED
        objects = draw_shapes.write_set(folder, count, seed)
        print(f"held-out set: {count} images, {objects} objects")
        print(f"AP50 as is:                {ap50(path, folder, False):.4f}")
        print(f"AP50 red and blue swapped: {ap50(path, folder, True):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the ONNX file")
    parser.add_argument("--evaluate", action="store_true", help="do not train")
    parser.add_argument("--seed", type=int, default=TRAINING_SEED)
    parser.add_argument("--pool", type=int, default=4000, help="training images")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    model = None
    if not options.evaluate:
        started = time.monotonic()
        model = train(options)
        print(f"trained in {time.monotonic() - started:.0f} s")
        export(model, options.model)
    check_export(options.model, model)
    evaluate(options.model)


if __name__ == "__main__":
    main()
