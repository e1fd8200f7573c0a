# SPDX-License-Identifier: Apache-2.0
"""The table that prepost.py prints and the page that it writes. Measures nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
from prepost_measure import DECODERS, Comparison, ratio
from prepost_peers import Given
from prepost_setup import PADDLEDETECTION, ROOT, RTDETR, Absent, commit_of

SETS = ["avx512", "avx2", "portable"]
# What share of a goal, which is for the best instructions, each set has to reach.
SHARES = {"avx512": 1.0, "avx2": 2 / 3}
PACKAGES = "numpy opencv-python-headless torch torchvision pillow scipy ultralytics".split()
SHOWN = "numpy OpenCV PyTorch torchvision Pillow SciPy Ultralytics".split()


@dataclass
class Report:
    """All that a run found out."""

    comparisons: list[Comparison]
    skipped: dict[str, str]  # what: why
    sets: list[str]  # instruction sets of this processor
    rounds: int
    image_bytes: int
    versions: list[tuple[str, str]]

    def missed(self) -> list[str]:
        """The goals that are not reached, and the results that are not the same."""
        found = []
        for comparison in self.comparisons:
            title = comparison.stage.title
            if not comparison.same:
                found.append(f"{title}: the results differ: {comparison.deviation}")
            found += below(comparison, comparison.theirs, comparison.ours)
        return found


def below(c: Comparison, theirs: list[float], ours: dict[str, list[float]]) -> list[str]:
    """The goals that these times do not reach."""
    reached = {name: ratio(theirs, ours[name])[0] for name in ours if goal(c, name)}
    return [
        f"{c.stage.title}, {name}: {digits(value)}× of {times(goal(c, name))}"
        for name, value in reached.items()
        if value < goal(c, name)
    ]


def goal(comparison: Comparison, name: str) -> float | None:
    """The ratio to be reached with these instructions, if any. A decoder has one for all."""
    whole = comparison.stage.goal
    share = 1.0 if comparison.stage.task.startswith(DECODERS) else SHARES.get(name)
    return whole * share if whole and share else None


# ----------------------------------------------------------------------------- tables


def duration(nanoseconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if nanoseconds >= size:
            return f"{digits(nanoseconds / size)} {unit}"
    return f"{digits(nanoseconds / 1e3)} µs"


def digits(value: float) -> str:
    """Three significant ones, never an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def times(value: float) -> str:
    """A goal: whole numbers as they are."""
    return f"{value:.0f}×" if value >= 100 else f"{value:.3g}×"


def cell(theirs: list[float], ours: dict[str, list[float]], name: str) -> str:
    """Our median and how many times faster that is."""
    if name not in ours:
        return "–"
    middle, low, high = map(digits, ratio(theirs, ours[name]))
    return f"{duration(np.median(ours[name]))}, {middle}× ({low} to {high})"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown with aligned columns, to be read on a screen as well."""
    rows = [header, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines) + "\n"


def stages(report: Report) -> str:
    header = ["Stage", "Peer", "its median", *(f"ours, {name}" for name in SETS), "goal"]
    rows = []
    for comparison in timed(report, decoders=False):
        wanted = [times(goal(comparison, name)) for name in SHARES if goal(comparison, name)]
        cells = [cell(comparison.theirs, comparison.ours, name) for name in SETS]
        rows.append([*named(comparison), *cells, ", ".join(wanted) or "–"])
    return table(header, rows)


def first_calls(report: Report) -> str:
    header = ["Stage", "its first call", *(f"ours, {name}" for name in SETS)]
    rows, short = [], ""
    for c in timed(report, decoders=False):
        if c.stage.repeat == 1:
            continue  # the same as above
        cells = [cell(c.theirs_first, c.ours_first, name) for name in SETS]
        rows.append([c.stage.title, duration(np.median(c.theirs_first)), *cells])
        short += "".join(f"- {text}\n" for text in below(c, c.theirs_first, c.ours_first))
    return table(header, rows) + ("\nBelow its goal:\n\n" + short if short else "")


def decoders(report: Report) -> str:
    rows = []
    for comparison in timed(report, decoders=True):
        name = comparison.sets[0]
        wanted = goal(comparison, name)
        ours = cell(comparison.theirs, comparison.ours, name)
        rows.append([*named(comparison), ours, times(wanted) if wanted else "–"])
    return table(["Stage", "Peer", "its median", "ours", "goal"], rows)


def timed(report: Report, decoders: bool) -> list[Comparison]:
    measured = [comparison for comparison in report.comparisons if comparison.theirs]
    return [c for c in measured if c.stage.task.startswith(DECODERS) == decoders]


def named(comparison: Comparison) -> list[str]:
    """The first columns of a row."""
    clock = ", all threads" if comparison.whole_process else ""
    median = duration(np.median(comparison.theirs)) + clock
    return [comparison.stage.title, comparison.stage.peer, median]


def deviations(report: Report) -> str:
    rows = [[c.stage.title, c.stage.peer, c.deviation] for c in report.comparisons]
    return table(["Stage", "Peer", "ours against it"], rows)


# --------------------------------------------------------------------------- versions


def versions(given: Given) -> list[tuple[str, str]]:
    """Machine and software, as a table's rows."""
    cpu = "unknown"
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            named = (line.split(":", 1)[1].strip() for line in lines if "model name" in line)
            cpu = next(named, cpu)
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, cwd=ROOT)
    rows = [
        ("Date", datetime.now(timezone.utc).strftime("%Y-%m-%d")),
        ("Processor", f"{cpu}, {platform.machine()}"),
        ("System", f"{platform.system()} {platform.release().split('-')[0]}"),
        ("trtbench", commit_of(ROOT) or "without history"),
        ("Rust", rustc.stdout.strip().removeprefix("rustc ")),
        ("Python", platform.python_version()),
        *packages(given),
    ]
    for project in (PADDLEDETECTION, RTDETR):
        try:
            rows.append((project.name, commit_of(given.checkout(project)) or "without history"))
        except Absent:
            rows.append((project.name, "not there"))
    return rows


def packages(given: Given) -> list[tuple[str, str]]:
    found = []
    for package, name in zip(PACKAGES, SHOWN, strict=True):
        if package == "ultralytics" and not given.ultralytics:
            continue
        module = sys.modules.get("cv2" if name == "OpenCV" else package)
        try:
            version = module.__version__ if module else importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "not there"
        if name == "OpenCV":
            version += ", with IPP" if module.ipp.useIPP() else ", without IPP"
        found.append((name, version))
    return found


# ------------------------------------------------------------------------------- page

INTRODUCTION = """\
# Speed of pre- and post-processing

How long the host's own stages take, beside the code of the projects whose models they serve and of
the libraries that these use: same input, same result, one thread. Written by

```sh
scripts/peers/prepost.py --with-ultralytics --write docs/SPEED.md
```

It needs Python 3.11 with venv, git, Rust, a network and a quiet machine, for libjpeg-turbo also cmake,
make and nasm, and takes about ten minutes beside installing and building. Ultralytics is AGPL-3.0 and
opt-in: without `--with-ultralytics` it is neither installed nor run, and its rows are missing.

A cell of ours holds our median, how many times faster than the peer that is, and its 95 % interval;
below 1× ours is slower. A goal is the least ratio wanted: first with AVX-512, then with AVX2, where two
thirds of it do. It is missed if the ratio itself, not its interval, is below it. `portable` is what any
processor of the architecture runs.
"""

METHOD = """\
## How it is measured

- Ours is what a launch runs: a family's adapter on a decoded image, or on a model's raw outputs,
  into memory that is reused (`examples/prepost.rs`). A peer is what its users run, imported from
  where it is installed, with the memory that it allocates itself.
- The image has 1920 × 1080 pixels; as a JPEG of quality 90 it has {kilobytes} kB. It is drawn, with
  the gradients, edges, textures and noise of a photograph. The models' outputs are drawn too: of
  each object several overlapping boxes, as trained models find them. All are the same on every run.
- What counts is the CPU time of the thread that calls, not wall time as in `trtbench run`. All
  libraries compute on it: PyTorch and OpenCV are told to use one thread. Where a peer's process used
  more CPU time than its thread, the process's is taken and "all threads" stands beside it.
- {rounds} rounds after one that warms up. In a round all stages follow each other; in a stage the
  peer and ours with each instruction set take their turns in random order, nine calls a turn (one
  where a call takes a second). Of a turn the median counts, of all turns their median. The interval
  is that of a bootstrap over rounds.
- So most calls find what they need in the caches, if it fits. The first call of a turn finds there what
  the others have left; it is shown apart, below.
- `linear` is what Ultralytics' RT-DETR gets; its peer is OpenCV's own function for it.
- Not compared: PP-YOLOE's post-processing, NanoDet, Pillow's resizing; and more than one thread.
- RF-DETR's peer is the calls of torchvision that `RFDETR.predict` of release 1.4.1 makes, in its order.
- Ultralytics' NMS is timed without `scale_boxes`; ours includes scaling the boxes to the image.
  It uses torchvision's NMS, as after any prediction with it, when torchvision is loaded. It removes
  all overlaps and then keeps 300 boxes; ours stops at 300, which is most of the difference where
  candidates are many.
- Antialiased resizing uses AVX2 at most, also where AVX-512 is asked for.
- The decoders' libraries choose their instructions themselves.
"""

FIRST = """\
## The first call of a turn

The median of the first calls of all turns. With caches full of what the others have worked on, and in
the middle of everything else that the machine does, memory counts for more on both sides. A launch lies
between this and the above: its memory is the same in every iteration, but the images take turns and the
network runs in between. Goals are held to the medians above; what is below its goal here is listed.
"""

SAME = """\
## Both compute the same

Checked before anything is timed, for every instruction set. Inputs of models may differ by the
rounding of single precision (1e-6; antialiased 5e-6, since torchvision sums in another order);
cubic by one level (0.018 after normalising), since OpenCV's wheels round some pixels otherwise in
Intel's closed code, while OpenCV without it gives the same bits; zune-jpeg by 8
levels, since it interpolates colours otherwise. Detections have to be as many, of the same classes,
with edges within 0.01 px and scores within 1e-5.
"""


def page(report: Report) -> str:
    """docs/SPEED.md."""
    method = METHOD.format(kilobytes=round(report.image_bytes / 1000), rounds=report.rounds)
    parts = [INTRODUCTION, stages(report), decoders(report), notes(report), method]
    parts += [FIRST, first_calls(report), SAME]
    parts += [deviations(report), "## Machine and versions\n"]
    rows = [*report.versions, ("Instruction sets", ", ".join(report.sets))]
    parts.append(table(["", ""], [list(row) for row in rows]))
    return "\n".join(part for part in parts if part)


def notes(report: Report) -> str:
    """What is not as it should be."""
    lines = [f"- Not measured: {what}: {why}" for what, why in report.skipped.items()]
    lines += [f"- Goal missed: {text}" for text in report.missed()]
    return "\n".join(lines) + "\n" if lines else ""
