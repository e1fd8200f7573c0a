# SPDX-License-Identifier: Apache-2.0
"""Holds our stages against the peers': first that both compute the same, then how long it takes."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from prepost_peers import Peer, Stage

PIXELS, SCORE = 0.01, 1e-5  # largest difference of an edge and of a score
DECODERS = "decode-"  # tasks whose library chooses its own instructions


class Ours:
    """examples/prepost.rs, running."""

    def __init__(self, program: Path, folder: Path):
        pipe = subprocess.PIPE
        self.folder = folder
        # What libjpeg-turbo heeds; a launch does not know them either.
        heeded = ("JSIMD_", "JPEGMEM")
        known = {key: value for key, value in os.environ.items() if not key.startswith(heeded)}
        self.process = subprocess.Popen(
            [program, folder], stdin=pipe, stdout=pipe, text=True, env=known
        )
        self.tasks, self.sets = self.answer().split(), self.answer().split()

    def __enter__(self) -> Ours:
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait()

    def answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("prepost.py: the example has ended; its message is above")
        return line

    def ask(self, *words) -> str:
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def times(self, task: str, instructions: str, repeat: int) -> list[int]:
        return [int(word) for word in self.ask(task, instructions, repeat).split()]

    def result(self, stage: Stage, instructions: str) -> np.ndarray:
        file = self.folder / "result"
        self.ask(stage.task, instructions, "check", file)
        values = np.fromfile(file, np.uint8 if stage.kind == "pixels" else "<f4")
        return values.reshape(-1, 6) if stage.kind == "detections" else values

    def sets_of(self, task: str) -> list[str]:
        """The instruction sets to measure, the best first."""
        return self.sets[:-2:-1] if task.startswith(DECODERS) else self.sets[::-1]


@dataclass
class Comparison:
    """A stage on both sides: the median of every turn in nanoseconds, one a round; and the first
    call of every turn, which finds the caches as the others left them."""

    stage: Stage
    peer: Peer
    sets: list[str]
    deviation: str = ""
    same: bool = True
    whole_process: bool = False  # whether the peer's time is that of all threads
    theirs: list[float] = field(default_factory=list)
    ours: dict[str, list[float]] = field(default_factory=dict)
    theirs_first: list[float] = field(default_factory=list)
    ours_first: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str | None, turn: list[int]) -> None:
        """A turn of the peer, `None`, or of ours with these instructions."""
        median, first = float(np.median(turn)), float(turn[0])
        if name is None:
            self.theirs.append(median)
            self.theirs_first.append(first)
        else:
            self.ours.setdefault(name, []).append(median)
            self.ours_first.setdefault(name, []).append(first)


# ----------------------------------------------------------------------- verification


def verify(stage: Stage, peer: Peer, ours: Ours) -> Comparison:
    """Compares the results, for every instruction set; finds out which clock sees the peer."""
    peer.call()  # a later result is compared: a call must not change its own input
    others = []  # time of other threads, beyond a tenth
    for _ in range(3):
        thread, process = time.thread_time_ns(), time.process_time_ns()
        returned = peer.call()
        thread, process = time.thread_time_ns() - thread, time.process_time_ns() - process
        others.append(process - 1.1 * thread)
    expected = peer.result(returned)
    comparison = Comparison(stage, peer, ours.sets_of(stage.task))
    comparison.whole_process = float(np.median(others)) > 100_000
    for name in comparison.sets:
        same, text = compare(stage, ours.result(stage, name), expected)
        if not same or not comparison.deviation:
            comparison.deviation = text if same else f"{name}: {text}"
        comparison.same &= same
    return comparison


def compare(stage: Stage, ours: np.ndarray, theirs: np.ndarray) -> tuple[bool, str]:
    """Whether both are the same within the stage's tolerance, and how far they are apart."""
    if ours.shape != theirs.shape:
        return False, f"{len(ours)} values, theirs {len(theirs)}"
    if stage.kind == "detections":
        return same_detections(ours, theirs)
    distance = np.abs(ours.astype(np.float64) - theirs)
    largest, differ = distance.max(), np.count_nonzero(distance) / distance.size
    unit = " levels" if stage.kind == "pixels" else ""
    text = f"{differ:.1%} of values differ, by at most {largest:.2g}{unit}" if differ else "equal"
    return bool(largest <= stage.tolerance), text


def same_detections(ours: np.ndarray, theirs: np.ndarray) -> tuple[bool, str]:
    """Best first; of equal scores by class and place, since not every project orders them."""

    def ordered(rows):
        return rows[np.lexsort((rows[:, 0], rows[:, 5], -rows[:, 4]))]

    ours, theirs = ordered(ours), ordered(theirs)
    edges = np.abs(ours[:, :4] - theirs[:, :4]).max(initial=0)
    scores = np.abs(ours[:, 4] - theirs[:, 4]).max(initial=0)
    classes = int(np.count_nonzero(ours[:, 5] != theirs[:, 5]))
    text = f"{len(ours)} detections, edges within {edges:.2g} px, scores within {scores:.2g}"
    text += f", {classes} of other classes" if classes else ""
    return bool(len(ours) and not classes and edges <= PIXELS and scores <= SCORE), text


# -------------------------------------------------------------------------------- time


def peer_times(comparison: Comparison) -> list[int]:
    clock = time.process_time_ns if comparison.whole_process else time.thread_time_ns
    call, times = comparison.peer.call, []
    for _ in range(comparison.stage.repeat):
        before = clock()
        call()
        times.append(clock() - before)
    return times


def measure(comparisons: list[Comparison], ours: Ours, rounds: int, tell: Callable) -> None:
    """In every round each side of each stage has its turn, in random order."""
    order = random.Random(0)
    for number in range(rounds + 1):
        tell(number, rounds)
        for comparison in comparisons:
            contestants = [None, *comparison.sets]
            order.shuffle(contestants)
            for name in contestants:
                times = turn(comparison, ours, name)
                if number:  # the first round warms up
                    comparison.add(name, times)


def turn(comparison: Comparison, ours: Ours, name: str | None) -> list[int]:
    """The times of one side, `None` the peer, else ours with these instructions."""
    if name is None:
        return peer_times(comparison)
    return ours.times(comparison.stage.task, name, comparison.stage.repeat)


def ratio(theirs: list[float], ours: list[float]) -> tuple[float, float, float]:
    """Median of theirs / median of ours, and its 95 % interval: bootstrap over rounds."""
    rng, theirs, ours = np.random.default_rng(0), np.array(theirs), np.array(ours)
    drawn = rng.integers(0, len(ours), (2000, len(ours)))
    spread = np.median(theirs[drawn], 1) / np.median(ours[drawn], 1)
    low, high = np.percentile(spread, [2.5, 97.5])
    return float(np.median(theirs) / np.median(ours)), float(low), float(high)
