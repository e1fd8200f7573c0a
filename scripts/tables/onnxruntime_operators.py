#!/usr/bin/env python3
"""Writes src/model/support/onnxruntime_operators.csv from what scripts/tables/onnxruntime_probe.py
found out about each release.

    python scripts/tables/onnxruntime_operators.py FOLDER > src/model/support/onnxruntime_operators.csv

FOLDER holds one probe-VERSION.json per release. Runs nothing itself.
"""

import json
import sys
from pathlib import Path

HEAD = """\
# Which operators the CPU provider of ONNX Runtime computes. `version`: the operator set that last changed the operator;
# `read`: the first release that was asked; `since`: the first that computes it, empty where none does, with `types`:
# element types of its first input, `-` where it has none, empty where they were not asked. A later release is named
# after a type that it added. Made by scripts/tables/onnxruntime_probe.py, which loads a model of that one operator, or
# reads the list of the release's kernels.
domain,operator,version,read,since,types,source,confidence"""


def number(release: str) -> list[int]:
    return [int(part) for part in release.split(".")]


def row(name: str, found: list[tuple[str, list[str]]]) -> str:
    domain, operator, version = name.split("|")
    found.sort(key=lambda pair: number(pair[0]))
    since, types = "", []
    for release, kinds in found:
        short = ".".join(release.split(".")[:2])
        for kind in kinds:
            if kind not in (word.split(":")[0] for word in types):
                since = since or short
                types.append(kind if short == since else f"{kind}:{short}")
    read = ".".join(found[0][0].split(".")[:2])
    words = "" if types == ["kernel"] else " ".join(types)
    source = f"onnxruntime {found[0][0]} to {found[-1][0]} of PyPI"
    return ",".join([domain, operator, version, read, since, words, source, "confirmed"])


def main() -> None:
    found: dict[str, list] = {}
    for file in Path(sys.argv[1]).glob("probe-*.json"):
        release = file.stem.removeprefix("probe-")
        for name, kinds in json.loads(file.read_text()).items():
            found.setdefault(name, []).append((release, kinds))
    print(HEAD)
    for name in sorted(found, key=lambda name: (*name.split("|")[:2], int(name.split("|")[2]))):
        print(row(name, found[name]))


if __name__ == "__main__":
    main()
