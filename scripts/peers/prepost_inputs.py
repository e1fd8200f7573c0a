# SPDX-License-Identifier: Apache-2.0
"""The inputs of prepost.py, the same on every run: an image like a photograph, and outputs as
trained models give them: several overlapping boxes of each object, so that NMS has its work."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 1920, 1080
QUALITY = 90
CLASSES = 80
YOLO_SIDE, YOLO_STRIDES = 640, (8, 16, 32)
PICODET_SIDE, PICODET_STRIDES, BINS = 416, (8, 16, 32, 64), 8
QUERIES = 300
# Whether a box counts for all its classes, and the least score: of deployment, of evaluation.
YOLO_CONFIDENCE = {
    "yolov8-100": (False, 0.25),
    "yolov8-3330": (False, 0.25),
    "yolov8-27000": (True, 0.001),
}


@dataclass(frozen=True)
class Inputs:
    """What both sides are given."""

    folder: Path
    jpeg: np.ndarray  # the file's bytes
    bgr: np.ndarray  # [height, width, 3] of it
    outputs: dict[str, list[np.ndarray]]  # raw outputs of models, in their order

    @property
    def rgb(self) -> np.ndarray:
        return np.ascontiguousarray(self.bgr[..., ::-1])

    def candidates(self, name: str) -> int:
        """How many candidates NMS gets of a YOLOv8 output; 0 of what is none."""
        if name not in YOLO_CONFIDENCE:
            return 0
        scores = self.outputs[name][0][0, 4:]
        multi_label, confidence = YOLO_CONFIDENCE[name]
        return int(np.count_nonzero((scores if multi_label else scores.max(0)) > confidence))


def make(folder: Path) -> Inputs:
    """Draws everything and writes it as examples/prepost.rs reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    jpeg = cv2.imencode(".jpg", photograph(1), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].ravel()
    inputs = Inputs(folder, jpeg, cv2.imdecode(jpeg, cv2.IMREAD_COLOR), raw_outputs())
    (folder / "image.jpg").write_bytes(jpeg.tobytes())
    (folder / "image.rgb").write_bytes(inputs.rgb.tobytes())
    for name, arrays in inputs.outputs.items():
        data = b"".join(array.astype("<f4").tobytes() for array in arrays)
        (folder / f"{name}.f32").write_bytes(data)
    shapes = {name: [a.shape for a in arrays] for name, arrays in inputs.outputs.items()}
    index = {"image": {"width": WIDTH, "height": HEIGHT}, "outputs": shapes}
    (folder / "inputs.json").write_text(json.dumps(index))
    return inputs


def raw_outputs() -> dict[str, list[np.ndarray]]:
    return {
        "yolov8-100": [yolov8(10, objects=9, each=12)],
        "yolov8-3330": [yolov8(11, objects=252, each=18)],
        # Of an evaluation, at confidence 0.001: most candidates are background.
        "yolov8-27000": [yolov8(12, objects=30, each=15, background=-9.58)],
        "picodet": picodet(20, objects=12, each=10),
        "rtdetr": rtdetr(30),
    }


# ------------------------------------------------------------------------------ image


def photograph(seed: int) -> np.ndarray:
    """A BGR image with what makes photographs cost a decoder its time: soft gradients, edges,
    textures and the noise of a sensor."""
    rng = np.random.default_rng(seed)
    image = clouds(rng)
    grid = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    for number in range(90):
        draw_object(rng, image, grid, textured=number % 3 == 0)
    image = cv2.GaussianBlur(image, (0, 0), 0.8)
    # A sensor's noise is that of light: more where it is bright.
    sigma = 1.8 + 3.6 * np.sqrt(np.clip(image, 0, 255) / 255)
    image += rng.standard_normal(image.shape, np.float32) * sigma
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def clouds(rng: np.random.Generator) -> np.ndarray:
    """Noise of all scales, the coarse the stronger, as in natural scenes."""
    image = np.full((HEIGHT, WIDTH, 3), 110, np.float32)
    for octave in range(1, 9):
        grey = rng.standard_normal((9 * 2**octave // 2, 8 * 2**octave, 1), np.float32)
        tint = rng.standard_normal((*grey.shape[:2], 3), np.float32) * 0.3
        layer = cv2.resize(grey + tint, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        image += layer * 45 * 0.7**octave
    return image


def draw_object(rng: np.random.Generator, image, grid, textured: bool) -> None:
    """An ellipse or a turned rectangle of one colour, shaded, some with stripes."""
    width, height = np.exp(rng.uniform(np.log(20), np.log(360), 2))
    centre = rng.uniform(0, (WIDTH, HEIGHT))
    turned = (tuple(centre), (width, height), rng.uniform(0, 180))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if rng.random() < 0.5:
        cv2.ellipse(mask, turned, 255, -1, cv2.LINE_AA)
    else:
        cv2.fillPoly(mask, [cv2.boxPoints(turned).astype(np.int32)], 255, cv2.LINE_AA)
    across = slice(max(0, int(centre[1]) - 360), int(centre[1]) + 360)
    mask, image, (y, x) = mask[across], image[across], grid[:, across]
    slope = rng.uniform(-0.2, 0.2, 2)
    shade = (x - centre[0]) * slope[0] + (y - centre[1]) * slope[1]
    if textured:
        step, angle = rng.uniform(4, 14), rng.uniform(0, np.pi)
        shade += 25 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / step))
    colour = rng.uniform(20, 235, 3).astype(np.float32)
    cover = (mask.astype(np.float32) / 255)[..., None]
    image += cover * (colour + shade[..., None] - image)


# ---------------------------------------------------------------------------- outputs


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def cells(side: int, strides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Centres [A, 2] and strides [A] of all cells, level by level."""
    centres, steps = [], []
    for stride in strides:
        y, x = np.mgrid[: -(-side // stride), : -(-side // stride)] + 0.5
        centres.append(np.stack([x.ravel(), y.ravel()], 1) * stride)
        steps.append(np.full(x.size, float(stride)))
    return np.concatenate(centres), np.concatenate(steps)


def yolov8(seed: int, objects: int, each: int, background: float = -11.5) -> np.ndarray:
    """[1, 84, 8400]. Every object is found by its `each` best cells with nearly the same box, and
    weakly by twice as many around them. Edges are multiples of 1/8 pixel: Ultralytics shifts boxes
    by 7680 pixels per class, which must cost them no digits."""
    rng = np.random.default_rng(seed)
    centres, steps = cells(YOLO_SIDE, YOLO_STRIDES)
    around = centres + rng.normal(0, 2, centres.shape)
    extents = steps[:, None] * rng.uniform(2, 10, centres.shape)
    boxes = np.concatenate([around, extents], 1)
    logits = rng.normal(background, 1.5, (CLASSES, len(steps)))
    for _ in range(objects):
        label = min(int(rng.exponential(12)), CLASSES - 1)
        size = np.exp(rng.uniform(np.log(16), np.log(300), 2))
        centre = rng.uniform(20, YOLO_SIDE - 20, 2)
        level = np.log2(steps * 6 / np.sqrt(size.prod()))
        distance = (((centres - centre) / size) ** 2).sum(1) + 0.15 * level**2
        near = np.argsort(distance)[: 3 * each]
        boxes[near, :2] = centre + rng.normal(0, 0.05, (len(near), 2)) * size
        boxes[near, 2:] = size * np.exp(rng.normal(0, 0.08, (len(near), 2)))
        logits[label, near[:each]] = rng.normal(1, 1, each).clip(-0.9, 4)
        logits[label, near[each:]] = rng.normal(-4, 1.2, 2 * each)
        other = rng.integers(CLASSES)
        logits[other, near] = np.maximum(logits[other, near], rng.normal(-5, 1, len(near)))
    boxes[:, :2], boxes[:, 2:] = np.round(boxes[:, :2] * 8) / 8, np.ceil(boxes[:, 2:] * 4) / 4
    return np.concatenate([boxes.T, sigmoid(logits)])[None].astype(np.float32)


def picodet(seed: int, objects: int, each: int) -> list[np.ndarray]:
    """Four times scores [1, cells, 80], then four times distributions [1, cells, 32]. All objects
    lie inside the image: Paddle's code clips their boxes to it, we do not."""
    rng = np.random.default_rng(seed)
    centres, steps = cells(PICODET_SIDE, PICODET_STRIDES)
    scores = sigmoid(rng.normal(-6, 1, (len(steps), CLASSES)))
    logits = rng.normal(0, 2, (len(steps), 4, BINS))
    for _ in range(objects):
        half = np.exp(rng.uniform(np.log(24), np.log(130), 2))
        centre = rng.uniform(half + 8, PICODET_SIDE - half - 8)
        sides = np.concatenate([centres - centre + half, centre + half - centres], 1)
        distances = sides / steps[:, None]
        fits = (distances.min(1) > 0.3) & (distances.max(1) < BINS - 1.5)
        ranked = np.argsort(((centres - centre) ** 2).sum(1) + np.where(fits, 0, np.inf))
        near = ranked[: min(each, fits.sum())]
        wanted = distances[near] * rng.normal(1, 0.03, (len(near), 4))
        logits[near] = np.maximum(-2 * (np.arange(BINS) - wanted[..., None]) ** 2, -14)
        scores[near, rng.integers(CLASSES)] = rng.uniform(0.41, 0.9, len(near))
    ends = np.cumsum([(-(-PICODET_SIDE // stride)) ** 2 for stride in PICODET_STRIDES])[:-1]
    parts = np.split(scores, ends) + np.split(logits.reshape(len(steps), -1), ends)
    return [part[None].astype(np.float32) for part in parts]


def rtdetr(seed: int) -> list[np.ndarray]:
    """Logits [1, 300, 80] and boxes [1, 300, 4]: a fifth of the queries found something."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-6, 1.2, (QUERIES, CLASSES))
    found = QUERIES // 5
    logits[np.arange(found), rng.integers(0, CLASSES, found)] = rng.normal(1, 1.5, found)
    boxes = rng.uniform(0.05, 0.9, (QUERIES, 4))
    return [logits[None].astype(np.float32), boxes[None].astype(np.float32)]
