#!/usr/bin/env bash
# Tests that need NVIDIA's TensorRT 8.6.0 itself, the last of PyPI for Pascal cards, and no card. Brings it
# through pip (820 MB, for Linux on x86-64) and unpacks what the tests load (290 MB) into
# target/tensorrt-8.6.0. Not part of scripts/test.sh, for its size.
#   scripts/tensorrt-8.6.sh [WHEEL]    # WHEEL: tensorrt-8.6.0-….whl that is here already
set -euo pipefail
wheel=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
folder=$PWD/target/tensorrt-8.6.0

if [ ! -e "$folder/complete" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  if [ -z "$wheel" ]; then
    # Its tag is of Python 3.7; nothing of Python's is used.
    python3 -m pip download --disable-pip-version-check --no-deps --only-binary :all: --python-version 37 \
      --abi none --platform manylinux_2_17_x86_64 --dest "$folder" tensorrt==8.6.0 || {
      echo "error: pip cannot download tensorrt 8.6.0; give its wheel: scripts/tensorrt-8.6.sh WHEEL" >&2
      exit 2
    }
    wheel=$(echo "$folder"/tensorrt-8.6.0-*.whl)
  fi
  python3 - "$wheel" "$folder" <<'PYTHON'
import pathlib, shutil, sys, zipfile
wheel, folder = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
# The parser needs the plugins, these cuBLAS 12 and cuDNN 8, which are not brought. What the builder keeps
# in a library of its own (990 MB) is not reached without a card.
for name in ("libnvinfer.so.8", "libnvonnxparser.so.8", "libnvinfer_plugin.so.8"):
    with wheel.open(f"tensorrt/{name}") as packed, open(folder / name, "wb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
PYTHON
  rm -f "$folder"/*.whl
  touch "$folder/complete"
fi

TRTBENCH_TENSORRT_86=$folder cargo test --locked --test tensorrt_86 -- --nocapture
