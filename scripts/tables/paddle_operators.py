#!/usr/bin/env python3
"""Writes src/model/support/paddle_operators.csv from what scripts/tables/paddle_registry.py found in
each release.

    python scripts/tables/paddle_operators.py FOLDER > src/model/support/paddle_operators.csv

FOLDER holds one registry-VERSION.json per release. Runs nothing itself.
"""

import json
import sys
from pathlib import Path

HEAD = """\
# Operators of Paddle's programs by release. `since`: the first release that was read that has it (2.0 is the first that
# was read); `until`: the last one, empty where none has dropped it; `versions`: its version in the registry of operator
# versions, `release:version` where one changed it, empty where it has always been 0. `ran`: releases on which a
# program that 2.6.2 wrote was run with it, without an error and with 2.6.2's results. Operators of training are left
# out. Written by scripts/tables/paddle_operators.py.
operator,since,until,versions,ran,source,confidence"""
TRAINING = ("_grad", "_grad_grad", "_double_grad", "_triple_grad")


def number(release: str) -> list[int]:
    return [int(part) for part in release.split(".")]


def main() -> None:
    files = Path(sys.argv[1]).glob("registry-*.json")
    releases = {file.stem.removeprefix("registry-"): json.loads(file.read_text()) for file in files}
    order = sorted(releases, key=number)
    short = {release: ".".join(release.split(".")[:2]) for release in order}
    source = f"registries of paddlepaddle-gpu {order[0]} to 2.6.2 and paddlepaddle 3.0.0 to {order[-1]} of PyPI"
    print(HEAD)
    for operator in sorted(set().union(*(found["operators"] for found in releases.values()))):
        if operator.endswith(TRAINING) or operator.startswith("c_"):
            continue
        having = [release for release in order if operator in releases[release]["operators"]]
        versions, last = [], 0
        for release in having:
            version = releases[release]["versions"].get(operator, 0)
            if version != last:
                versions.append(f"{short[release]}:{version}")
            last = version
        until = "" if having[-1] == order[-1] else short[having[-1]]
        ran = " ".join(short[release] for release in order if operator in releases[release]["ran"])
        print(",".join([operator, short[having[0]], until, " ".join(versions), ran, source, "confirmed"]))


if __name__ == "__main__":
    main()
