# SPDX-License-Identifier: Apache-2.0
"""From the command line's options to a report: builds, draws the inputs, verifies, measures."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import prepost_inputs
import prepost_setup as setup
from prepost_inputs import Inputs
from prepost_measure import Comparison, Ours, measure, verify
from prepost_peers import STAGES, Given, Peer, Stage, one_thread
from prepost_report import SHARES, Report, versions


def run(options: argparse.Namespace) -> Report:
    """Verifies and measures everything that is there."""
    given = Given(options.with_ultralytics, options.paddledetection, options.rtdetr)
    program = setup.build()
    inputs = prepost_inputs.make(setup.WORK / "prepost")
    with Ours(program, inputs.folder) as ours:
        peers, skipped = load(inputs, given, ours, options.only)
        for name in SHARES:
            if name not in ours.sets:
                skipped[name] = "this processor does not have these instructions"
        with one_thread():
            comparisons = verified(peers, ours)
            same = [comparison for comparison in comparisons if comparison.same]
            measure(same, ours, options.rounds, progress)
    return Report(
        comparisons=comparisons,
        skipped=skipped,
        sets=ours.sets,
        rounds=options.rounds,
        image_bytes=len(inputs.jpeg),
        versions=versions(given),
    )


def load(
    inputs: Inputs, given: Given, ours: Ours, only: list[str] | None
) -> tuple[list[tuple[Stage, Peer]], dict[str, str]]:
    """The stages with their peers, and why others are not there."""
    peers, skipped = [], {}
    for stage in STAGES:
        title = stage.title.format(candidates=f"{inputs.candidates(stage.task):,}")
        stage = replace(stage, title=title)
        if only and stage.task not in only:
            skipped[title] = "not asked for"
            continue
        if stage.task not in ours.tasks:
            skipped[title] = "the example was built without it"
            continue
        try:
            peers.append((stage, stage.make(inputs, given)))
        except (setup.Absent, ImportError) as reason:
            skipped[title] = str(reason)
    return peers, skipped


def verified(peers: list[tuple[Stage, Peer]], ours: Ours) -> list[Comparison]:
    comparisons = []
    for stage, peer in peers:
        comparisons.append(verify(stage, peer, ours))
        mark = "same" if comparisons[-1].same else "DIFFERENT"
        print(f"{mark}: {stage.title}: {comparisons[-1].deviation}", flush=True)
    return comparisons


def progress(number: int, rounds: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if number == rounds else ""
        print(f"\rround {number} of {rounds}", end=end, file=sys.stderr, flush=True)
