#!/usr/bin/env python3
"""Writes the operators of a release of Paddle and their versions, from the release itself.

    pip install paddlepaddle-gpu==2.3.2   # Python 3.8; needs no card. 3.x: paddlepaddle
    python scripts/tables/paddle_registry.py FOLDER picodet ppyoloe

The names after FOLDER are exports of 2.6.2 (folders with model.pdmodel) whose operators this release
has run with the right results. Writes FOLDER/registry-2.3.2.json. On systems with glibc 2.34 or later
releases before 2.4 want `_dl_sym`: preload a library that defines it by dlsym.
"""

import json
import sys
from pathlib import Path

import paddle

try:
    from paddle.base import core
    from paddle.base.proto import framework_pb2
except ImportError:
    from paddle.fluid import core
    from paddle.fluid.proto import framework_pb2


def number(version) -> int:
    found = version.version_id
    return found() if callable(found) else found


def operators_of(folder: str) -> set:
    program = framework_pb2.ProgramDesc.FromString((Path(folder) / "model.pdmodel").read_bytes())
    return {operator.type for block in program.blocks for operator in block.ops}


def main() -> None:
    protos = (framework_pb2.OpProto.FromString(bytes(text)) for text in core.get_all_op_protos())
    found = {
        "operators": sorted(proto.type for proto in protos),
        "versions": {name: number(version) for name, version in core.get_op_version_map().items()},
        "ran": sorted(set().union(*map(operators_of, sys.argv[2:]))),
    }
    file = Path(sys.argv[1]) / f"registry-{paddle.__version__}.json"
    file.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
