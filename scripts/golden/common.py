# SPDX-License-Identifier: Apache-2.0
"""What the golden scripts share: the command line, reproducible images, and the format that
tests/golden.rs reads.

A case says what a model looks like, what was put in, and what the project's own code made of it.
Tensors lie in NAME.bin, little endian, or are kept as a SHA-256 only; everything else is in
NAME.json, a case a line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

DTYPES = {"float32": np.float32, "int32": np.int32, "int64": np.int64}


def arguments(text: str, project: str = "", inside: str = "") -> argparse.Namespace:
    """The command line of a golden script.

    text: the script's docstring. project: whose checkout --repo is, where one is needed; inside:
    a folder that such a checkout has.
    """
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, help="existing folder that the files are written to: tests/golden"
    )
    if project:
        parser.add_argument("--repo", type=Path, required=True, help=f"your checkout of {project}")
    given = parser.parse_args()
    if not given.folder.is_dir():
        parser.error(f"{given.folder}: there is no such folder")
    if project and not (given.repo / inside).is_dir():
        parser.error(f"--repo {given.repo}: no {inside} there; expected a checkout of {project}")
    if project:
        # Some of the projects' code looks for its files from where it runs.
        given.repo = given.repo.resolve()
    return given


def noise(seed: int, width: int, height: int) -> np.ndarray:
    """An RGB image [height, width, 3] of the upper bytes of a linear congruential generator
    (Numerical Recipes); the tests draw the same."""
    count = 3 * width * height
    multiplier, increment, mask = 1664525, 1013904223, 0xFFFFFFFF
    # Blocks: within one, the state after n steps is a[n] * state + b[n].
    block = min(count, 4096)
    a, b = np.empty(block, np.uint64), np.empty(block, np.uint64)
    factor, summand = 1, 0
    for n in range(block):
        factor, summand = factor * multiplier & mask, (summand * multiplier + increment) & mask
        a[n], b[n] = factor, summand
    levels, state = np.empty(count, np.uint8), seed
    for start in range(0, count, block):
        states = (a * np.uint64(state) + b) & np.uint64(mask)
        part = states[: count - start]
        levels[start : start + block] = (part >> np.uint64(24)).astype(np.uint8)
        state = int(states[-1])
    return levels.reshape(height, width, 3)


class Golden:
    """Collects cases of a family and writes them. name: the files' name, if not the family's."""

    def __init__(self, family: str, name: str = ""):
        self.family = family
        self.name = name or family
        self.cases: list[dict] = []
        self.bytes = bytearray()
        self.places: dict[bytes, int] = {}

    def preprocess(
        self, variant, model, image, tensors, options=None, tolerance=None, every=1
    ) -> None:
        """One image → input tensors.

        model: {"inputs": [[name, dtype, dims]...], "outputs": [...]} with dims of int or name.
        image: (seed, width, height) of `noise`. tensors: {input name: array with batch axis}.
        tolerance: None where the tensor must be equal bit for bit; else the largest difference,
        relative to the larger of 1 and the value; of the tensor each `every`th value is then stored.
        """
        seed, width, height = image
        inputs = []
        for name, array in tensors.items():
            array = np.ascontiguousarray(array)
            entry = {"name": name, "dtype": str(array.dtype), "shape": list(array.shape)}
            if array.size <= 8:
                entry["values"] = array.ravel().tolist()
            elif tolerance is None:
                entry["sha256"] = hashlib.sha256(little(array)).hexdigest()
            else:
                part = array.ravel()[::every]
                entry |= {"stored_at": self.store(part), "every": every, "tolerance": tolerance}
            inputs.append(entry)
        self.add(
            "preprocess",
            variant,
            model,
            options,
            image={"seed": seed, "size": [width, height]},
            inputs=inputs,
        )

    def postprocess(self, variant, model, sizes, outputs, detections, options=None) -> None:
        """Raw outputs → detections.

        sizes: (width, height) per image. outputs: arrays in the model's order. detections: per
        image a list of (left, top, right, bottom, score, class), best first; of equal scores the
        lower anchor (or row, or query) first, then the lower class.
        """
        stored = [self.output(array) for array in outputs]
        found = [[[*map(short, d[:5]), int(d[5])] for d in image] for image in detections]
        for image in found:
            scores = [d[4] for d in image]
            assert scores == sorted(scores, reverse=True), "detections are not best first"
        self.add(
            "postprocess",
            variant,
            model,
            options,
            sizes=[list(size) for size in sizes],
            outputs=stored,
            detections=found,
        )

    def add(self, kind, variant, model, options, **rest) -> None:
        case = {"kind": kind, "family": self.family, "variant": variant, "model": model}
        self.cases.append(case | {"options": options or {}} | rest)

    def output(self, array: np.ndarray) -> dict:
        """An output tensor; where nearly all of it is zero, the rest and where it is."""
        entry = {"dtype": str(array.dtype), "shape": list(array.shape)}
        flat = np.ascontiguousarray(array).ravel()
        (places,) = np.nonzero(flat)
        if 4 * places.size < flat.size:
            at = self.store(places.astype(np.int32), flat[places])
            return entry | {"stored_at": at, "nonzero": int(places.size)}
        return entry | {"stored_at": self.store(array)}

    def store(self, *arrays: np.ndarray) -> int:
        """Where the arrays lie, one after the other. Equal ones are stored once: several cases
        differ in their options only."""
        assert all(str(array.dtype) in DTYPES for array in arrays)
        data = b"".join(map(little, arrays))
        if data not in self.places:
            self.places[data] = len(self.bytes)
            self.bytes += data
        return self.places[data]

    def write(self, folder: Path) -> None:
        lines = ",\n".join(json.dumps(case) for case in self.cases)
        (folder / f"{self.name}.json").write_text(f"[\n{lines}\n]\n")
        (folder / f"{self.name}.bin").write_bytes(self.bytes)
        print(f"{self.name}: {len(self.cases)} cases, {len(self.bytes)} bytes of tensors")


def short(value) -> float:
    """The number that prints with the fewest digits of those that are this in single precision."""
    return float(str(np.float32(value)))


def little(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
