#!/usr/bin/env python3
"""Writes src/model/support/onnx_operators.csv: the operators of ONNX and the operator sets that
changed them, as the installed `onnx` package defines them.

    pip install onnx==1.23.2
    python scripts/tables/onnx_operators.py > src/model/support/onnx_operators.csv

Says nothing about who implements them.
"""

import collections
import sys

import onnx
from onnx import defs

HEAD = """\
# Operators of ONNX by domain. `versions`: the operator sets that introduced and changed them; `deprecated`: the one
# that withdrew them, empty where none did. Written by scripts/tables/onnx_operators.py.
domain,operator,versions,deprecated,source,confidence"""


def main() -> None:
    versions, deprecated = collections.defaultdict(set), {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain not in ("", "ai.onnx.ml"):
            continue
        key = (schema.domain or "ai.onnx", schema.name)
        if schema.deprecated:
            deprecated[key] = schema.since_version
        else:
            versions[key].add(schema.since_version)
    print(HEAD)
    for key in sorted(versions):
        row = " ".join(str(version) for version in sorted(versions[key]))
        source = f"onnx {onnx.__version__} of PyPI"
        print(",".join([*key, row, str(deprecated.get(key, "")), source, "confirmed"]))


if __name__ == "__main__":
    sys.exit(main())
