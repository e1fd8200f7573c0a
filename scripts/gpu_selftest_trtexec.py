"""Holds the inference medians of a trtbench run against trtexec on the same engines and cards.

    gpu_selftest_trtexec.py TRTEXEC TOLERANCE INPUT RUN

INPUT is the model's input with its shape as trtexec takes it, BATCH standing for the cell's batch, such
as images:BATCHx3x256x256: without it trtexec runs dynamic shapes at 1. trtexec has to be of the release that built the engines; others say so and are left out. Prints a line
per cell; exit code 1 if any median differs by more than TOLERANCE (a share), 2 if nothing could be
compared.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

# Longest that trtexec may take, in seconds: it measures for 5.
LIMIT = 300


def measured(run):
    """Inference medians in ms of each cell, over its launches, with its engine, card and batch."""
    cells = {}
    for path in sorted((run / "launches").glob("*.json")):
        record = json.loads(path.read_text())
        outcome = record.get("outcome", {}).get("measured")
        if not outcome or not outcome.get("build"):
            continue
        key = (record["name"], record["device"]["uuid"])
        cell = cells.setdefault(
            key, {"engine": outcome["build"]["file"], "batch": record["cell"]["batch"], "medians": []}
        )
        cell["medians"].append(outcome["stages"]["inference"]["median"] / 1e6)
    return cells


def trtexec_median(program, engine, shapes, uuid):
    """Median of trtexec's GPU compute time in ms, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        times = pathlib.Path(folder) / "times.json"
        command = [
            program,
            f"--loadEngine={engine}",
            f"--shapes={shapes}",
            f"--exportTimes={times}",
            "--warmUp=500",
            "--duration=5",
            "--useSpinWait",
        ]
        environment = dict(os.environ, CUDA_VISIBLE_DEVICES=uuid)
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return None, f"it took longer than {LIMIT} s"
        if done.returncode != 0:
            said = [line for line in (done.stdout + done.stderr).splitlines() if "[E]" in line]
            return None, re.sub(r"^\[[^]]*\] ", "", said[0]) if said else f"exit code {done.returncode}"
        try:
            samples = json.loads(times.read_text())
            return statistics.median(sample["computeMs"] for sample in samples), None
        except (OSError, ValueError, KeyError) as error:
            return None, f"its times cannot be read: {error!r}"


def main():
    program, tolerance, shape, run = sys.argv[1], float(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
    compared = differing = 0
    for (name, uuid), cell in measured(run).items():
        ours = statistics.geometric_mean(cell["medians"])
        shapes = shape.replace("BATCH", str(cell["batch"]))
        theirs, problem = trtexec_median(program, cell["engine"], shapes, uuid)
        if problem:
            print(f"{name} on {uuid}: not compared: {problem}")
            continue
        compared += 1
        ratio = ours / theirs
        verdict = "agrees" if abs(ratio - 1) <= tolerance else "DIFFERS"
        differing += verdict == "DIFFERS"
        print(f"{name} on {uuid}: ours {ours:.4f} ms, trtexec {theirs:.4f} ms, ratio {ratio:.3f}: {verdict}")
    if not compared:
        print("nothing could be compared")
        sys.exit(2)
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
