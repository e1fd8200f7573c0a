#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden images: resizing and image files, with OpenCV as the reference.

    pip install -r scripts/golden/requirements-images.txt
    python scripts/golden/images.py tests/golden

OpenCV 5.0.0 was used: cv2.resize, cv2.copyMakeBorder and cv2.imdecode; Pillow 13.0.0 writes the
image files. Writes resize.json, resize.bin and the folder files, which tests/images.rs reads.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from common import arguments, noise
from PIL import Image

# The wheel brings Intel's closed IPP code, whose bicubic differs by a level here and there from
# OpenCV's own, which is what other builds have.
cv2.ipp.setUseIPP(False)

STORED_BYTES = 8000  # larger results are kept as a digest only


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


# Mode, source width and height, target width and height; a case's place is its seed.
CASES = [
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
    ("letterbox", 1920, 1080, 640, 640),
    ("letterbox", 1280, 720, 640, 640),
    ("letterbox", 1281, 721, 640, 640),
    ("letterbox", 810, 1080, 640, 640),
    ("letterbox", 1, 5000, 640, 640),
    ("linear", 1281, 721, 608, 800),
    ("linear", 608, 800, 608, 800),
    ("linear", 320, 200, 640, 640),
    ("cubic", 40, 60, 20, 30),  # exactly half both ways
    ("cubic", 64, 48, 32, 48),  # half one way only
    ("linear", 1, 4000, 1, 31),  # thin ones: down
    ("linear", 4000, 1, 31, 1),
    ("cubic", 1, 4000, 1, 31),
    ("cubic", 4000, 1, 31, 1),
    ("linear", 1, 4000, 1, 2000),  # exactly half the one way that there is
    ("linear", 4000, 1, 2000, 1),
    ("cubic", 1, 4000, 1, 2000),
    ("cubic", 4000, 1, 2000, 1),
    ("linear", 1, 4000, 9, 57),  # up one way, down the other
    ("linear", 4000, 1, 57, 9),
    ("cubic", 1, 4000, 9, 57),
    ("cubic", 4000, 1, 57, 9),
    ("linear", 1, 4000, 3, 4801),  # up
    ("linear", 4000, 1, 4801, 3),
    ("cubic", 1, 4000, 3, 4801),
    ("cubic", 4000, 1, 4801, 3),
    ("linear", 97, 61, 33, 19),  # odd sizes: down
    ("cubic", 97, 61, 33, 19),
    ("cubic", 63, 47, 32, 24),
    ("linear", 19, 33, 51, 47),  # up
    ("cubic", 19, 33, 51, 47),
    ("linear", 91, 17, 45, 33),  # down one way, up the other
    ("cubic", 91, 17, 45, 33),
    ("cubic", 1920, 1080, 640, 640),
    ("cubic", 1281, 721, 416, 416),
]


def resizing(folder: Path) -> None:
    pixels, cases = bytearray(), []
    for seed, (mode, width, height, *target) in enumerate(CASES):
        result = resized(noise(seed, width, height), mode, *target).tobytes()
        case = {"mode": mode, "source": [width, height], "target": target, "seed": seed}
        if len(result) <= STORED_BYTES:
            case["stored_at"] = len(pixels)
            pixels += result
        else:
            case["digest"] = digest(result)
        cases.append(case)
    (folder / "resize.bin").write_bytes(pixels)
    lines = ",\n".join(map(json.dumps, cases))
    (folder / "resize.json").write_text(f"[\n{lines}\n]\n")
    print(f"resize: {len(cases)} cases, {len(pixels)} bytes of pixels")


# ------------------------------------------------------------------------- image files


def picture(width: int, height: int) -> np.ndarray:
    """Smooth colours, as photographs have."""
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 100 * np.sin(x / 7)
    green = 128 + 100 * np.cos(y / 9)
    blue = 40 + 150 * (x + y) / (width + height)
    return np.stack([red, green, blue], -1).astype(np.uint8)


def turned(orientation: int) -> Image.Exif:
    """EXIF data that say how a photograph is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def kinds() -> dict[str, bytes]:
    """A file of every kind."""
    rgb = Image.fromarray(picture(45, 29))
    alpha = rgb.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(rgb.size))
    deep = (np.asarray(rgb).astype(np.uint16) << 8) | 0x5A
    return {
        "baseline.jpg": encode(rgb, "JPEG", quality=92, subsampling=2),
        "full.jpg": encode(rgb, "JPEG", quality=95, subsampling=0),
        "restarts.jpg": encode(rgb, "JPEG", quality=90, restart_marker_blocks=2),
        "progressive.jpg": encode(rgb, "JPEG", quality=90, progressive=True),
        "grey.jpg": encode(rgb.convert("L"), "JPEG", quality=90),
        "upside_down.jpg": encode(rgb, "JPEG", quality=90, exif=turned(3)),
        "sideways.jpg": encode(rgb, "JPEG", quality=90, exif=turned(6)),
        "half.jpg": encode(rgb, "JPEG", quality=92, subsampling=1),
        "rgb.jpg": encode(rgb, "JPEG", quality=90, keep_rgb=True),
        "cmyk.jpg": encode(rgb.convert("CMYK"), "JPEG", quality=95),
        "ycck.jpg": as_ycck(encode(rgb.convert("CMYK"), "JPEG", quality=95)),
        "rgb.png": encode(rgb, "PNG"),
        "rgba.png": encode(alpha, "PNG"),
        "grey.png": encode(rgb.convert("L"), "PNG"),
        "grey_alpha.png": encode(alpha.convert("LA"), "PNG"),
        "bilevel.png": encode(rgb.convert("1"), "PNG"),
        "palette.png": encode(rgb.quantize(12), "PNG", bits=4),
        "sideways.png": encode(rgb, "PNG", exif=turned(6)),
        "deep.png": cv2.imencode(".png", deep[..., ::-1])[1].tobytes(),
    }


def as_ycck(cmyk: bytes) -> bytes:
    """The same file, its channels declared as YCCK by the last byte of its Adobe segment: other
    colours, but all that decoders look at."""
    at = cmyk.index(b"\xff\xee\x00\x0eAdobe") + 15
    return cmyk[:at] + b"\x02" + cmyk[at + 1 :]


def slope(width: int, height: int) -> np.ndarray:
    """Colours that change slowly. Of images at most four pixels wide libjpeg repeats the stored
    colours of every other row, where our decoder in Rust puts some in between (steep.jpg shows
    it); and files stay small."""
    y, x = np.mgrid[0:height, 0:width]
    share = (x + y) / (width + height)
    return np.stack([30 + 200 * share, 220 - 180 * share, 90 + 60 * share], -1).astype(np.uint8)


def extremes() -> dict[str, bytes]:
    """The smallest size and the thinnest ones, with colours that change slowly; and steep ones in
    four columns."""
    written = {}
    for name, size in (("one", (1, 1)), ("tall", (1, 4000)), ("wide", (4000, 1))):
        image = Image.fromarray(slope(*size))
        written[f"{name}.png"] = encode(image, "PNG")
        written[f"{name}.jpg"] = encode(image, "JPEG", quality=90, optimize=True)
    steep = Image.fromarray(picture(40, 60)[:, ::10])
    written["steep.jpg"] = encode(steep, "JPEG", quality=92, subsampling=2)
    return written


def files(folder: Path) -> None:
    """Image files, and beside them what OpenCV reads from them, as PNG."""
    written = kinds() | extremes()
    for name, data in written.items():
        (folder / name).write_bytes(data)
        seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        cv2.imwrite(str(folder / f"{name}.expected.png"), seen)
    print(f"files: {len(written)} image files")


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def main() -> None:
    given = arguments(__doc__)
    resizing(given.folder)
    (given.folder / "files").mkdir(exist_ok=True)
    files(given.folder / "files")


if __name__ == "__main__":
    main()
