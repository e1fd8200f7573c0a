#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the images of the demo detector: coloured shapes on busy backgrounds.

Six classes, told apart by shape and by colour: red and blue circles, squares
and triangles. A pipeline that mixes up the colour channels therefore loses its
accuracy visibly. Grey and green shapes, lines and textures are no objects.

    python scripts/draw_shapes.py OUT_DIR --count 72 --seed 20261122

writes OUT_DIR/shape_000.jpg, ... and OUT_DIR/annotations.json. The drawing
depends on the seed and the image's number alone; the JPEG bytes also depend on
the JPEG encoder that Pillow brings along.
"""

from __future__ import annotations

import argparse
import colorsys
import io
import json
import math
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

CLASSES = [
    "red circle",
    "blue circle",
    "red square",
    "blue square",
    "red triangle",
    "blue triangle",
]
HELD_OUT_SEED = 20261122
HELD_OUT_COUNT = 72
JPEG_QUALITY = 85

IMAGE_SIZES = [
    (480, 360),
    (360, 480),
    (400, 400),
    (512, 288),
    (288, 512),
    (448, 336),
    (320, 320),
]
OBJECTS_PER_IMAGE = (4, 7)
OBJECT_SIZE = (26.0, 110.0)
# Swapping red and blue maps a hue h to 240 - h, so each range is the other's
# image: swapped colours look just as valid, only wrong.
HUES = {"red": (-12.0, 12.0), "blue": (228.0, 252.0), "green": (85.0, 155.0)}
SUPERSAMPLING = 4

Colour = np.ndarray
Box = tuple[float, float, float, float]


class Outline(NamedTuple):
    """A shape's outline in image pixels: a polygon, or an ellipse in a box."""

    box: Box
    polygon: list[tuple[float, float]] | None


class DrawnImage(NamedTuple):
    """One image with its objects, each a class number and a box x1, y1, x2, y2."""

    pixels: np.ndarray
    objects: list[tuple[int, Box]]


def _hsv(hue_degrees: float, saturation: float, value: float) -> Colour:
    rgb = colorsys.hsv_to_rgb((hue_degrees % 360.0) / 360.0, saturation, value)
    return np.array(rgb, dtype=np.float32) * 255.0


def _muted_colour(rng: np.random.Generator) -> Colour:
    return _hsv(rng.uniform(0, 360), rng.uniform(0.0, 0.3), rng.uniform(0.15, 0.95))


def _clouds(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Smooth noise in 0..1: random grids of growing fineness, scaled up and summed."""
    total = np.zeros((height, width), dtype=np.float32)
    cells = int(rng.integers(2, 6))
    for octave in range(int(rng.integers(2, 5))):
        shape = (max(2, cells * height // width), cells)
        grid = Image.fromarray(rng.random(shape, dtype=np.float32))
        total += np.asarray(grid.resize((width, height), Image.BICUBIC)) / 2.0**octave
        cells *= 2
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def _ramp(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A linear ramp in 0..1 at a random angle."""
    angle = rng.uniform(0, 2 * math.pi)
    x = np.arange(width, dtype=np.float32)[None, :] * math.cos(angle)
    y = np.arange(height, dtype=np.float32)[:, None] * math.sin(angle)
    ramp = x + y
    ramp -= ramp.min()
    return ramp / ramp.max()


def _rotated_waves(
    rng: np.random.Generator, width: int, height: int, periods: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Two sine fields at right angles to each other, with one random period."""
    angle = rng.uniform(0, math.pi)
    frequency = 2 * math.pi / rng.uniform(*periods)
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    along = np.sin((x * math.cos(angle) + y * math.sin(angle)) * frequency)
    across = np.sin((y * math.cos(angle) - x * math.sin(angle)) * frequency)
    return along, across


def _stripes(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    along, _ = _rotated_waves(rng, width, height, (10.0, 60.0))
    return np.clip(0.5 + along * rng.uniform(0.5, 3.0), 0.0, 1.0)


def _checker(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    along, across = _rotated_waves(rng, width, height, (30.0, 110.0))
    return np.clip(0.5 + along * across * 8.0, 0.0, 1.0)


def _background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A float image, height x width x 3, in 0..255."""
    patterns: list[Callable[..., np.ndarray]] = [_ramp, _clouds, _stripes, _checker]
    pattern = patterns[int(rng.integers(len(patterns)))](rng, width, height)[..., None]
    canvas = _muted_colour(rng) * (1 - pattern) + _muted_colour(rng) * pattern
    if rng.random() < 0.5:
        canvas *= rng.uniform(0.6, 0.9) + 0.4 * _clouds(rng, width, height)[..., None]
    return canvas.astype(np.float32)


def _draw_lines(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Muted lines across the canvas, as clutter."""
    height, width = canvas.shape[:2]
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 9))):
        points = rng.uniform((0, 0), (width, height), size=(int(rng.integers(2, 4)), 2))
        colour = tuple(int(c) for c in _muted_colour(rng))
        pen.line([tuple(p) for p in points], fill=colour, width=int(rng.integers(1, 5)))
    return np.asarray(image).astype(np.float32)


def _regular_polygon(corners: int, radius: float, angle: float) -> np.ndarray:
    turns = angle + 2 * math.pi * np.arange(corners) / corners
    return radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)


def _make_outline(
    rng: np.random.Generator, form: str, size: float, width: int, height: int
) -> Outline:
    """Places a form whose longer box side is `size` at random inside the image."""
    if form == "circle":
        points = np.array([[-size / 2, -size / 2], [size / 2, size / 2]])
    else:
        corners = 4 if form == "square" else 3
        points = _regular_polygon(corners, 1.0, rng.uniform(0, 2 * math.pi))
        points *= size / np.ptp(points, axis=0).max()
    low, high = points.min(axis=0), points.max(axis=0)
    # Two pixels of margin: the blurred rim of an object stays in the image too.
    position = rng.uniform(2.0 - low, np.array([width, height]) - 2.0 - high)
    points = points + position
    x1, y1 = (float(v) for v in points.min(axis=0))
    x2, y2 = (float(v) for v in points.max(axis=0))
    polygon = None if form == "circle" else [(float(x), float(y)) for x, y in points]
    return Outline((x1, y1, x2, y2), polygon)


def _coverage(outline: Outline) -> tuple[np.ndarray, int, int]:
    """How much of each pixel (0..1) the shape covers, with that patch's left and top."""
    x1, y1, x2, y2 = outline.box
    left, top = math.floor(x1), math.floor(y1)
    width, height = math.ceil(x2) - left, math.ceil(y2) - top
    scale = SUPERSAMPLING
    mask = Image.new("L", (width * scale, height * scale), 0)
    pen = ImageDraw.Draw(mask)

    # Pillow paints the pixel at a coordinate, hence the half pixel less.
    def place(x: float, y: float) -> tuple[float, float]:
        return (x - left) * scale - 0.5, (y - top) * scale - 0.5

    if outline.polygon is None:
        pen.ellipse([place(x1, y1), place(x2, y2)], fill=255)
    else:
        pen.polygon([place(x, y) for x, y in outline.polygon], fill=255)
    return np.asarray(mask.reduce(scale)).astype(np.float32) / 255.0, left, top


def _paint(
    rng: np.random.Generator, canvas: np.ndarray, outline: Outline, colour: Colour
) -> None:
    """Fills the outline on the canvas, lit a little from a random side."""
    cover, left, top = _coverage(outline)
    height, width = cover.shape
    light = 1.0 + rng.uniform(0.0, 0.35) * (_ramp(rng, width, height) - 0.5)
    filled = np.clip(colour * light[..., None], 0, 255)
    patch = canvas[top : top + height, left : left + width]
    patch += (filled - patch) * cover[..., None]


def _touches(taken: np.ndarray, outline: Outline) -> bool:
    cover, left, top = _coverage(outline)
    height, width = cover.shape
    return bool((taken[top : top + height, left : left + width] & (cover > 0)).any())


def _draw_distractors(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Grey and green shapes: the right form in a colour that no class has."""
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(0, 5))):
        form = ("circle", "square", "triangle")[int(rng.integers(3))]
        outline = _make_outline(rng, form, rng.uniform(20.0, 90.0), width, height)
        if rng.random() < 0.5:
            colour = _hsv(0.0, 0.0, rng.uniform(0.1, 0.95))
        else:
            hue = rng.uniform(*HUES["green"])
            colour = _hsv(hue, rng.uniform(0.5, 1.0), rng.uniform(0.4, 0.95))
        _paint(rng, canvas, outline, colour)


def _draw_objects(
    rng: np.random.Generator, canvas: np.ndarray
) -> list[tuple[int, Box]]:
    """Objects never cover each other, so every box fits what is to be seen of it."""
    height, width = canvas.shape[:2]
    taken = np.zeros((height, width), dtype=bool)
    objects: list[tuple[int, Box]] = []
    for _ in range(int(rng.integers(OBJECTS_PER_IMAGE[0], OBJECTS_PER_IMAGE[1] + 1))):
        number = int(rng.integers(len(CLASSES)))
        hue_name, form = CLASSES[number].split()
        size = math.exp(rng.uniform(*np.log(OBJECT_SIZE)))
        for _ in range(30):
            outline = _make_outline(rng, form, size, width, height)
            if not _touches(taken, outline):
                break
            size = max(OBJECT_SIZE[0], size * 0.95)
        else:
            continue  # no room: one object fewer
        hue = rng.uniform(*HUES[hue_name])
        colour = _hsv(hue, rng.uniform(0.7, 1.0), rng.uniform(0.6, 1.0))
        _paint(rng, canvas, outline, colour)
        cover, left, top = _coverage(outline)
        taken[top : top + cover.shape[0], left : left + cover.shape[1]] |= cover > 0
        objects.append((number, outline.box))
    return objects


def draw_image(seed: int, index: int) -> DrawnImage:
    """Draws image number `index` of the set `seed`, as RGB bytes."""
    rng = np.random.default_rng([seed, index])
    width, height = IMAGE_SIZES[int(rng.integers(len(IMAGE_SIZES)))]
    canvas = _draw_lines(rng, _background(rng, width, height))
    _draw_distractors(rng, canvas)
    objects = _draw_objects(rng, canvas)
    grain = rng.uniform(0.0, 3.0)
    canvas += grain * rng.standard_normal((height, width, 1), dtype=np.float32)
    return DrawnImage(np.clip(canvas + 0.5, 0, 255).astype(np.uint8), objects)


def encode_jpeg(pixels: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """The RGB image as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def write_set(folder: Path, count: int, seed: int) -> int:
    """Writes the images and annotations.json; returns the number of objects."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for index in range(count):
        drawn = draw_image(seed, index)
        name = f"shape_{index:03d}.jpg"
        (folder / name).write_bytes(encode_jpeg(drawn.pixels))
        height, width = drawn.pixels.shape[:2]
        objects = [
            {"class": number, "box": [round(v, 2) for v in box]}
            for number, box in drawn.objects
        ]
        images.append(
            {"file": name, "width": width, "height": height, "objects": objects}
        )
    # One image a line: small, and still readable in a diff.
    lines = ",\n".join("  " + json.dumps(image) for image in images)
    text = f'{{"classes": {json.dumps(CLASSES)},\n "images": [\n{lines}\n]}}\n'
    (folder / "annotations.json").write_text(text, encoding="utf-8")
    return sum(len(image["objects"]) for image in images)


def read_annotations(folder: Path) -> dict:
    """The annotations that write_set left in a folder."""
    return json.loads((folder / "annotations.json").read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--count", type=int, default=HELD_OUT_COUNT)
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    arguments = parser.parse_args()
    objects = write_set(arguments.out_dir, arguments.count, arguments.seed)
    print(f"{arguments.count} images with {objects} objects in {arguments.out_dir}")


if __name__ == "__main__":
    main()
