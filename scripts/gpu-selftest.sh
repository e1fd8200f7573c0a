#!/usr/bin/env bash
# Everything that takes a real card, in one go: what is here, what fits, every engine and precision on
# the demo model, and TensorRT's own trtexec on the engine that was measured. Packs what came of it into
# one archive, to attach to a bug report. Nothing is installed, no setting of a card is changed.
#   scripts/gpu-selftest.sh [FOLDER]
# Exit code: 0 all measured and in agreement, 1 a finding (named at the end), 2 it could not begin.
# Environment, none of it needed:
#   TRTBENCH=FILE               the trtbench to test, instead of building one
#   TRTEXEC=FILE                the trtexec to compare with, instead of the one on PATH or of NVIDIA's packages
#   TRTBENCH_SELFTEST_SET="KEY=VALUE …"  overrides for all runs, such as measure.launches=1; what a run is about
#                               stays
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-gpu-selftest-$(date -u +%Y%m%dT%H%M%SZ)}

# What trtexec times by the card's clock may differ by this share from our median.
tolerance=0.10

trtbench=${TRTBENCH:-$root/target/release/trtbench}
if [ ! -x "$trtbench" ]; then
  echo "building trtbench (release); set TRTBENCH to use another one"
  (cd "$root" && cargo build --release --locked) || exit 2
fi
if [ -e "$out" ]; then
  echo "error: $out is there already; name another folder: scripts/gpu-selftest.sh FOLDER" >&2
  exit 2
fi
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)

read -ra overrides <<<"${TRTBENCH_SELFTEST_SET:-}"

findings=()
note() {
  echo "FINDING: $1"
  findings+=("$1")
}

# step NAME COMMAND…: keeps what it prints and its exit code.
step() {
  local name=$1
  shift
  echo "== $name: $*"
  "$@" >"$out/$name.txt" 2>"$out/$name.err"
  local code=$?
  echo "$code" >"$out/$name.exit"
  return "$code"
}

{
  date -u
  uname -a
  command -v nvidia-smi >/dev/null && nvidia-smi -q
} >"$out/machine.txt" 2>&1

step version "$trtbench" --version || exit 2
step devices "$trtbench" devices
step devices-json "$trtbench" devices --json
if ! grep -q '"cuda": {' "$out/devices-json.txt"; then
  note "no card that CUDA can use: see devices.txt and devices.err"
fi
step doctor "$trtbench" doctor --sources || note "doctor: not everything fits, see doctor.txt"

# The demo model is small: a minute per engine at most.
cat >"$out/selftest.toml" <<TOML
schema = 1
name = "gpu-selftest"

[[model]]
name = "shapes"
path = "$root/scenarios/models/shapes.onnx"
family = "yolov8"

[matrix]
engine = ["null"]
device = ["gpu:all"]
batch = [1, 8]

[input]
images = "$root/scenarios/images/shapes/*.jpg"

[measure]
launches = 3
max_seconds = 5
layers = true

[engine.ort]
tf32 = false

[engine.tensorrt]
tf32 = false
TOML

# measure NAME OVERRIDE…: one run of the scenario.
measure() {
  local name=$1
  shift
  local set=() override
  for override in "${overrides[@]}" "$@"; do set+=(--set "$override"); done
  if step "$name" "$trtbench" run "$out/selftest.toml" "${set[@]}" --quiet --out "$out/runs/$name"; then
    # Skipped cells are complete runs: said once, by doctor.
    grep -h '^skipped' "$out/$name.err" "$out/$name.txt" | sort -u
  elif grep -q ': no cell can run here:$' "$out/$name.err"; then
    sed -n 's/^  /skipped: /p' "$out/$name.err" | sort -u
  else
    note "$name: exit code $(cat "$out/$name.exit"), see $name.txt and $name.err"
  fi
}

all='matrix.precision=["fp32","fp16","int8"]'
measure null 'matrix.engine="null"'
measure null-spin 'matrix.engine="null"' engine.null.spin_us=500
measure null-pageable 'matrix.engine="null"' 'engine.null.transfers="pageable"'
measure ort-cuda 'matrix.engine="ort"' 'engine.ort.provider="cuda"'
measure ort-cuda-graph 'matrix.engine="ort"' 'engine.ort.provider="cuda"' engine.ort.cuda_graph=true
measure ort-tensorrt 'matrix.engine="ort"' 'engine.ort.provider="tensorrt"' 'matrix.precision=["fp32","fp16"]'
measure tensorrt 'matrix.engine="tensorrt"' "$all"
measure tensorrt-graph 'matrix.engine="tensorrt"' engine.tensorrt.cuda_graph=true
measure tensorrt-streams 'matrix.engine="tensorrt"' engine.tensorrt.streams=3
measure tensorrt-contexts 'matrix.engine="tensorrt"' engine.tensorrt.contexts=2 'matrix.batch=[8]'
measure tensorrt-range 'matrix.engine="tensorrt"' 'engine.tensorrt.profile="range"'
measure tensorrt-preprocess 'matrix.engine="tensorrt"' 'engine.tensorrt.preprocess="gpu"'

# Our median of inference against trtexec's on the very engine that we measured: the records name its file.
compare() {
  local trtexec=${TRTEXEC:-}
  [ -n "$trtexec" ] || trtexec=$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)
  if [ ! -x "$trtexec" ]; then
    echo "trtexec is not installed: medians are not cross-checked" | tee "$out/trtexec.txt"
    return
  fi
  if ! command -v python3 >/dev/null; then
    echo "python3 is not installed: medians are not cross-checked" | tee "$out/trtexec.txt"
    return
  fi
  python3 "$root/scripts/gpu_selftest_trtexec.py" "$trtexec" "$tolerance" images:BATCHx3x256x256 \
    "$out/runs/tensorrt" >"$out/trtexec.txt" 2>"$out/trtexec.err"
  local code=$?
  cat "$out/trtexec.txt"
  [ "$code" = 0 ] || note "trtexec: exit code $code, see trtexec.txt and trtexec.err"
}
[ -d "$out/runs/tensorrt" ] && compare

printf '%s\n' "${findings[@]:-none}" >"$out/findings.txt"
archive=$out.tar.gz
tar -C "$(dirname "$out")" -czf "$archive" "$(basename "$out")" || exit 2
echo
echo "findings: ${#findings[@]}"
[ "${#findings[@]}" = 0 ] || printf '  %s\n' "${findings[@]}"
echo "Attach $archive to a bug report. It holds what nvidia-smi -q tells of this machine, serial numbers included."
[ "${#findings[@]}" = 0 ]
