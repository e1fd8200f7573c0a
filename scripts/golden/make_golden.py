#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what tests/families.rs compares against, with OpenCV and numpy as the reference.

    pip install -r scripts/golden/requirements.txt
    python scripts/golden/make_golden.py tests/golden

Inputs are not stored but drawn from `Noise`, which the tests repeat. The decoders below follow
the contracts of the projects, loop by loop, and share no code with the Rust ones.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

STRIDES = (8, 16, 32, 64)
MASK = 0xFFFFFFFF


class Noise:
    """The linear congruential generator of Numerical Recipes; its upper bits are used."""

    def __init__(self, seed: int):
        self.state = seed

    def draw(self, count: int) -> np.ndarray:
        out = np.empty(count, np.uint32)
        state = self.state
        for i in range(count):
            state = (state * 1664525 + 1013904223) & MASK
            out[i] = state
        self.state = state
        return out

    def levels(self, count: int) -> np.ndarray:
        return (self.draw(count) >> 24).astype(np.uint8)

    def units(self, count: int) -> np.ndarray:
        """Floats in [0, 1) of 24 bits."""
        return (self.draw(count) >> 8).astype(np.float32) / np.float32(1 << 24)


def digest(data: bytes) -> str:
    """64 bit FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


# ------------------------------------------------------------------------------ resizing


def letterbox(image: np.ndarray, width: int, height: int) -> np.ndarray:
    rows, columns = image.shape[:2]
    ratio = min(width / columns, height / rows)
    # OpenCV refuses a size of zero, which very thin images round to.
    inner = max(1, round(columns * ratio)), max(1, round(rows * ratio))
    if inner != (columns, rows):
        image = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    spare_x, spare_y = (width - inner[0]) / 2, (height - inner[1]) / 2
    return cv2.copyMakeBorder(
        image,
        round(spare_y - 0.1),
        round(spare_y + 0.1),
        round(spare_x - 0.1),
        round(spare_x + 0.1),
        cv2.BORDER_CONSTANT,
        value=(114, 114, 114),
    )


def resized(image: np.ndarray, mode: str, width: int, height: int) -> np.ndarray:
    if mode == "letterbox":
        return letterbox(image, width, height)
    flag = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}[mode]
    return cv2.resize(image, (width, height), interpolation=flag)


# Mode, source width and height, target width and height.
STORED = [
    ("linear", 64, 48, 32, 24),  # exactly half both ways: another path in OpenCV
    ("linear", 64, 48, 32, 48),  # half one way only
    ("linear", 63, 47, 32, 24),
    ("linear", 37, 23, 48, 31),  # up
    ("linear", 1, 1, 9, 7),
    ("linear", 1, 300, 5, 40),
    ("linear", 300, 1, 40, 5),
    ("linear", 2, 3, 40, 30),
    ("linear", 100, 80, 1, 1),
    ("linear", 31, 29, 31, 29),
    ("letterbox", 96, 54, 40, 40),
    ("letterbox", 54, 96, 40, 40),
    ("letterbox", 80, 60, 40, 40),
    ("letterbox", 21, 14, 40, 40),
    ("letterbox", 1, 500, 40, 40),
    ("cubic", 64, 48, 32, 24),
    ("cubic", 37, 23, 48, 31),
    ("cubic", 101, 67, 40, 27),
    ("cubic", 1, 1, 6, 4),
    ("cubic", 2, 60, 20, 13),
    ("cubic", 3, 3, 17, 11),
]
DIGESTED = [
    ("letterbox", 1920, 1080, 640, 640),
    ("letterbox", 1280, 720, 640, 640),
    ("letterbox", 1281, 721, 640, 640),
    ("letterbox", 810, 1080, 640, 640),
    ("letterbox", 1, 5000, 640, 640),
    ("linear", 1281, 721, 608, 800),
    ("linear", 608, 800, 608, 800),
    ("linear", 320, 200, 640, 640),
]


def resizing(folder: Path) -> None:
    pixels = bytearray()
    cases = []
    for number, case in enumerate(STORED + DIGESTED):
        mode, width, height, *target = case
        image = Noise(number).levels(3 * width * height).reshape(height, width, 3)
        result = resized(image, mode, *target).tobytes()
        entry = {"mode": mode, "source": [width, height], "target": target, "seed": number}
        if number < len(STORED):
            entry["stored_at"] = len(pixels)
            pixels += result
        else:
            entry["digest"] = digest(result)
        cases.append(entry)
    (folder / "resize.bin").write_bytes(pixels)
    write(folder / "resize.json", cases)


# ------------------------------------------------------------------------------ decoding


def iou(a: np.ndarray, b: np.ndarray) -> np.float32:
    zero = np.float32(0)
    width = max(zero, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(zero, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    area_a = (a[2] - a[0]) * (a[3] - a[1])
    area_b = (b[2] - b[0]) * (b[3] - b[1])
    return shared / (area_a + area_b - shared)


def suppress(candidates: list, limit: float, most: int) -> list:
    """Candidates are (score, index, class, box)."""
    kept = []
    for candidate in sorted(candidates, key=lambda c: (-c[0], c[1])):
        if len(kept) == most:
            break
        _, _, label, box = candidate
        if all(k[2] != label or iou(k[3], box) <= np.float32(limit) for k in kept):
            kept.append(candidate)
    return kept


def in_image(kept: list, scale, offset, size) -> list:
    width, height = size
    bounds = np.array([width, height, width, height], np.float32)
    shift = np.array([*offset, *offset], np.float32)
    factor = np.array([*scale, *scale], np.float32)
    return [
        {
            "score": float(score),
            "class": label,
            "bounds": [float(v) for v in np.clip((box - shift) / factor, 0, bounds)],
        }
        for score, _, label, box in kept
    ]


def yolov8_output(noise: Noise, classes: int, anchors: int, side: int) -> np.ndarray:
    """Clusters of boxes with many equal scores; [4 + classes, anchors]."""
    raw = noise.units((4 + classes) * anchors).reshape(4 + classes, anchors)
    centres = np.floor(raw[:2] * np.float32(8)) * np.float32(side // 8) + np.float32(side // 16)
    sizes = np.float32(40) + np.floor(raw[2:4] * np.float32(8)) * np.float32(8)
    scores = np.floor(raw[4:] * raw[4:] * raw[4:] * np.float32(64)) / np.float32(64)
    return np.concatenate([centres, sizes, scores])


def yolov8(folder: Path) -> None:
    cases = []
    for seed, (classes, anchors, size) in enumerate(
        [(3, 500, (1920, 1080)), (1, 400, (300, 777)), (80, 300, (640, 640))], 100
    ):
        side = 640
        output = yolov8_output(Noise(seed), classes, anchors, side)
        candidates = []
        for anchor in range(anchors):
            scores = output[4:, anchor]
            label = int(np.argmax(scores))
            if scores[label] > np.float32(0.25):
                x, y, w, h = output[:4, anchor]
                w, h = w / np.float32(2), h / np.float32(2)
                box = np.array([x - w, y - h, x + w, y + h], np.float32)
                candidates.append((scores[label], anchor, label, box))
        kept = suppress(candidates, 0.7, 300)
        ratio = min(side / size[0], side / size[1])
        offset = [round((side - round(n * ratio)) / 2 - 0.1) for n in size]
        cases.append(
            {
                "seed": seed,
                "classes": classes,
                "anchors": anchors,
                "image": size,
                "candidates": len(candidates),
                "detections": in_image(kept, (ratio, ratio), offset, size),
            }
        )
    write(folder / "yolov8.json", cases)


def softmax_mean(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return (weights * np.arange(logits.shape[-1], dtype=np.float32)).sum(-1)


def picodet(folder: Path) -> None:
    cases = []
    for seed, (classes, width, height, size, confidence, limit) in enumerate(
        [
            (5, 128, 96, (500, 333), 0.025, 0.6),
            (80, 64, 64, (64, 64), 0.025, 0.6),
            (10, 608, 800, (1000, 1400), 0.5, 0.5),
        ],
        200,
    ):
        noise = Noise(seed)
        candidates, first = [], 0
        for stride in STRIDES:
            columns, rows = -(-width // stride), -(-height // stride)
            cells = columns * rows
            raw = noise.units(cells * classes).reshape(cells, classes)
            scores = raw
            for _ in range(5):  # raw ** 32: few high scores
                scores = scores * scores
            scores = np.floor(scores * np.float32(256)) / np.float32(256)
            logits = noise.units(cells * 32).reshape(cells, 4, 8) * np.float32(6)
            distances = softmax_mean(logits) * np.float32(stride)
            for cell, label in zip(*np.nonzero(scores > np.float32(confidence))):
                x = (cell % columns + 0.5) * stride
                y = (cell // columns + 0.5) * stride
                left, top, right, bottom = distances[cell]
                box = np.array([x - left, y - top, x + right, y + bottom], np.float32)
                index = first + int(cell) * classes + int(label)
                candidates.append((scores[cell, label], index, int(label), box))
            first += cells * classes
        kept = suppress(candidates, limit, 100)
        scale = width / size[0], height / size[1]
        cases.append(
            {
                "seed": seed,
                "classes": classes,
                "input": [width, height],
                "image": size,
                "candidates": len(candidates),
                "detections": in_image(kept, scale, (0, 0), size),
            }
        )
    write(folder / "picodet.json", cases)


# ------------------------------------------------------------------------- image files


def picture(width: int, height: int) -> np.ndarray:
    """Smooth colours, as photographs have."""
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 100 * np.sin(x / 7)
    green = 128 + 100 * np.cos(y / 9)
    blue = 40 + 150 * (x + y) / (width + height)
    return np.stack([red, green, blue], -1).astype(np.uint8)


def files(folder: Path) -> None:
    """Small files of every kind, and beside them what OpenCV reads from them, as PNG."""
    rgb = Image.fromarray(picture(45, 29))
    upside_down = Image.Exif()
    upside_down[0x0112] = 3
    sideways = Image.Exif()
    sideways[0x0112] = 6
    alpha = rgb.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(rgb.size))
    deep = (np.asarray(rgb).astype(np.uint16) << 8) | 0x5A
    written = {
        "baseline.jpg": encode(rgb, "JPEG", quality=92, subsampling=2),
        "full.jpg": encode(rgb, "JPEG", quality=95, subsampling=0),
        "restarts.jpg": encode(rgb, "JPEG", quality=90, restart_marker_blocks=2),
        "progressive.jpg": encode(rgb, "JPEG", quality=90, progressive=True),
        "grey.jpg": encode(rgb.convert("L"), "JPEG", quality=90),
        "upside_down.jpg": encode(rgb, "JPEG", quality=90, exif=upside_down),
        "sideways.jpg": encode(rgb, "JPEG", quality=90, exif=sideways),
        "cmyk.jpg": encode(rgb.convert("CMYK"), "JPEG", quality=95),
        "rgb.png": encode(rgb, "PNG"),
        "rgba.png": encode(alpha, "PNG"),
        "grey.png": encode(rgb.convert("L"), "PNG"),
        "grey_alpha.png": encode(alpha.convert("LA"), "PNG"),
        "bilevel.png": encode(rgb.convert("1"), "PNG"),
        "palette.png": encode(rgb.quantize(12), "PNG", bits=4),
        "sideways.png": encode(rgb, "PNG", exif=sideways),
        "deep.png": cv2.imencode(".png", deep[..., ::-1])[1].tobytes(),
    }
    for name, data in written.items():
        (folder / name).write_bytes(data)
        seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        cv2.imwrite(str(folder / f"{name}.expected.png"), seen)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write(path: Path, value) -> None:
    path.write_text("[\n" + ",\n".join(json.dumps(v) for v in value) + "\n]\n")


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "files").mkdir(parents=True, exist_ok=True)
    resizing(folder)
    yolov8(folder)
    picodet(folder)
    files(folder / "files")


if __name__ == "__main__":
    main()
