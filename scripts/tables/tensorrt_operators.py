#!/usr/bin/env python3
"""Writes src/model/support/tensorrt_operators.csv: since which release TensorRT's reader of ONNX
files has an importer for an operator.

    git clone https://github.com/onnx/onnx-tensorrt
    git clone https://github.com/NVIDIA/TensorRT
    python scripts/tables/tensorrt_operators.py onnx-tensorrt TensorRT operators-10.15.md \\
        > src/model/support/tensorrt_operators.csv

Read are docs/operators.md and the importers at each release branch of the first, and the names of
plugins at each tag of the second; the file is docs/operators.md of 10.15, which is later than the
last branch. Nothing is run.
"""

import re
import subprocess
import sys
from pathlib import Path

BRANCHES = ["8.0-GA", "8.2-GA", "8.4-GA", "8.5-GA", "8.6-GA", "9.0-GA", "9.1", "9.2", "9.3", "10.0-GA", "10.1-GA"]
LATEST = "10.15"
# What NVIDIA/TensorRT's CHANGELOG.md (tag v11.1) and the release notes tell of later ones.
LATER = {
    "Attention": ("10.14", "NVIDIA/TensorRT tag v11.1 CHANGELOG.md"),
    "Swish": ("11.0", "NVIDIA/TensorRT tag v11.1 CHANGELOG.md"),
    "DFT": ("11.2", "TensorRT 11.2.1 release notes"),
}
TAGS = ["v8.6.0", "v8.6.1", "v9.1.0", "v9.2.0", "v9.3.0", "v10.0.1", "v10.1.0", "v10.3.0", "v10.6.0"]
TAGS += ["v10.9.0", "v10.13.0", "v10.16", "v11.0", "v11.1"]
# Older than the first of TAGS, by the same CHANGELOG.md.
EARLIER = {"EfficientNMS_TRT": "8.0", "EfficientNMS_ONNX_TRT": "8.0"}
HEAD = """\
# What TensorRT's reader of ONNX files takes. `kind`: whether it has an importer for it or finds a plugin of that name in
# the library of plugins. `since`: the first release that was read that takes it, empty where none does; `until`: the
# last one, empty where none has dropped it; `lacking`: the last release that was read that does not take it; what those
# between do is unknown. `experimental`: up to which release its own page calls it that. Written by
# scripts/tables/tensorrt_operators.py.
operator,kind,since,until,lacking,experimental,source,confidence"""


def show(folder: str, branch: str, file: str) -> str:
    command = ["git", "-C", folder, "show", f"{branch}:{file}"]
    return subprocess.run(command, capture_output=True, text=True).stdout


def table(text: str) -> dict[str, str]:
    rows = (line.split("|") for line in text.splitlines() if line.startswith("| "))
    return {row[1].strip(): row[2].strip() for row in rows if len(row) > 2 and row[2].strip()[:1] in "YN"}


def importers(folder: str, branch: str) -> set[str]:
    files = ("builtin_op_importers.cpp", "onnxOpImporters.cpp")
    text = "".join(show(folder, branch, file) for file in files)
    return set(re.findall(r"DEFINE_BUILTIN_OP_IMPORTER\((\w+)\)", text))


def plugins(folder: str) -> list[str]:
    """Rows of the plugins."""
    having: dict[str, list[str]] = {}
    for tag in TAGS:
        command = ["git", "-C", folder, "grep", "-hoE", '"[A-Za-z0-9_]+_TRT"', tag, "--", "plugin"]
        text = subprocess.run(command, capture_output=True, text=True).stdout
        for name in set(re.findall(r'"(\w+)"', text)):
            having.setdefault(name, []).append(tag)
    rows = []
    for name, tags in sorted(having.items()):
        first, last = (".".join(tag.removeprefix("v").split(".")[:2]) for tag in (tags[0], tags[-1]))
        until = "" if tags[-1] == TAGS[-1] else last
        source = f"NVIDIA/TensorRT tags {TAGS[0]} to {TAGS[-1]} plugin/"
        first = EARLIER.get(name, first)
        rows.append(",".join([name, "plugin", first, until, "", "", source, "confirmed"]))
    return rows


def imported(folder: str, latest: str) -> list[str]:
    """Rows of the operators with an importer."""
    since, lacking, experimental = {}, {}, {}
    names = set()
    for branch in BRANCHES:
        names |= table(show(folder, branch, "docs/operators.md")).keys() | importers(folder, branch)
    for branch in BRANCHES:
        release, page = branch.removesuffix("-GA"), f"onnx/onnx-tensorrt branch {branch}"
        listed, known = table(show(folder, branch, "docs/operators.md")), importers(folder, branch)
        for operator in names:
            if operator in known and listed.get(operator, "Y").startswith("Y"):
                since.setdefault(operator, (release, page))
                if "EXPERIMENTAL" in listed.get(operator, ""):
                    experimental[operator] = release
            elif operator not in since:
                lacking[operator] = release
    for operator, word in table(Path(latest).read_text()).items():
        names.add(operator)
        if operator in since:
            continue
        if word.startswith("Y"):
            since[operator] = LATER.get(operator, (LATEST, f"onnx/onnx-tensorrt docs/operators.md of {LATEST}"))
            lacking.setdefault(operator, BRANCHES[-1].removesuffix("-GA"))
        else:
            lacking[operator] = LATEST
    for operator in LATER.keys() - since.keys():
        since[operator] = LATER[operator]
        lacking.setdefault(operator, BRANCHES[-1].removesuffix("-GA"))
        names.add(operator)
    rows = []
    for operator in sorted(names):
        release, source = since.get(operator, ("", f"onnx/onnx-tensorrt docs/operators.md of {LATEST}"))
        words = [operator, "importer", release, "", lacking.get(operator, "")]
        rows.append(",".join([*words, experimental.get(operator, ""), source, "confirmed"]))
    return rows


def main() -> None:
    importing, building, latest = sys.argv[1:]
    rows = imported(importing, latest)
    known = {row.split(",")[0] for row in rows}
    print(HEAD)
    for row in rows + [row for row in plugins(building) if row.split(",")[0] not in known]:
        print(row)


if __name__ == "__main__":
    main()
