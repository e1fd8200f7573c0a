#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares trtbench's pre- and post-processing with the projects' own code: same input, same
result, one thread. Prints a table; --write docs/SPEED.md makes the page of it.

Needs Python 3.11 with venv, git, Rust, a network and a quiet machine; for libjpeg-turbo also cmake,
make and nasm. Makes itself an environment in target/peers from scripts/peers/requirements-prepost.txt, clones
PaddleDetection and RT-DETR there unless checkouts are given, and builds examples/prepost.rs.

Exit code: 1 if a goal is missed or a result differs; else 3 if something was not measured, also for
--only, unless --allow-missing is given.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import prepost_setup as setup

# What can be asked for; the stages themselves are known only once their libraries are there.
TASKS = (
    "decode-turbojpeg decode-zune letterbox stretch cubic antialias "
    "yolov8-100 yolov8-3330 yolov8-27000 picodet rtdetr"
).split()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--with-ultralytics",
        action="store_true",
        help="also run Ultralytics, which is licensed under AGPL-3.0, and install it where needed",
    )
    for project in (setup.PADDLEDETECTION, setup.RTDETR):
        option = "--" + project.name.lower().replace("-", "")
        about = f"a checkout of {project.repository} at {project.commit[:7]}"
        add(option, type=Path, metavar="CHECKOUT", help=about)
    add("--rounds", type=positive, default=40, metavar="N", help="in each every side of every stage has a turn (default: 40)")
    add("--only", nargs="+", metavar="TASK", help="only these: " + ", ".join(TASKS))
    add("--venv", type=Path, metavar="PATH", help="use this environment, install nothing")
    add("--allow-missing", action="store_true", help="exit with 0 though something was skipped")
    add("--write", type=Path, metavar="FILE", help="write the page: docs/SPEED.md")
    return parser.parse_args()


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def main() -> int:
    options = arguments()
    unknown = [task for task in options.only or [] if task not in TASKS]
    if unknown or (options.only and options.write):
        problem = f"no task is called {unknown[0]}" if unknown else "a page is of all tasks"
        raise SystemExit(f"prepost.py: --only: {problem}; the tasks are {', '.join(TASKS)}")
    setup.enter_environment(options.venv, options.with_ultralytics)
    # Only here is there what these import.
    from prepost_report import decoders, notes, page, stages
    from prepost_run import run

    report = run(options)
    print("", stages(report), decoders(report), notes(report), sep="\n")
    if options.write:
        options.write.write_text(page(report))
    if report.missed():
        return 1
    return 3 if report.skipped and not options.allow_missing else 0


if __name__ == "__main__":
    sys.exit(main())
