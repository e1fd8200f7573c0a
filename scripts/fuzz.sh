#!/usr/bin/env bash
# Fuzzes for SECONDS each (default 600) the named targets, or all: inputs that reach new code are kept
# and changed further (libFuzzer). Works with the stable toolchain. Corpus, logs and findings are in
# target/fuzz. To repeat a finding: target/fuzz/build/HOST/release/TARGET FILE.
# Exit code: 1 there are findings, 2 wrong usage or no C++ compiler (apt-get install g++).
# usage: scripts/fuzz.sh [SECONDS] [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
shift || true
targets=("$@")
[ $# -gt 0 ] || targets=(decode_preprocess preprocess postprocess model_onnx model_paddle model_checkpoint model_pickle
  model_safetensors model_engine)

fail() {
  echo "error: $1" >&2
  exit 2
}

[[ "$seconds" =~ ^[1-9][0-9]*$ ]] || fail "\`$seconds\` is no number of seconds"
for target in "${targets[@]}"; do
  [ -f "fuzz/fuzz_targets/$target.rs" ] || fail "there is no fuzz/fuzz_targets/$target.rs"
done
command -v "${CXX:-c++}" >/dev/null ||
  fail "libFuzzer is built from C++, and there is no ${CXX:-c++}: install g++ or clang"

features=()
if command -v cmake >/dev/null && command -v make >/dev/null && command -v nasm >/dev/null; then
  features=(--features turbojpeg)
else
  echo "SKIPPED: decoder turbojpeg: cmake, make or nasm is missing (apt-get install cmake make nasm)"
fi

# Passes that cargo-fuzz asks a nightly compiler for; the stable one has them, only no sanitizers.
# `--target` keeps them away from build scripts and macros, which could not be linked.
root=target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="-Cpasses=sancov-module -Ccodegen-units=1 --cfg fuzzing"
for pass in level=4 inline-8bit-counters pc-table trace-compares; do
  RUSTFLAGS+=" -Cllvm-args=-sanitizer-coverage-$pass"
done
export RUSTFLAGS
cargo build --release --locked --manifest-path fuzz/Cargo.toml --target-dir "$root/build" \
  --target "$host" "${features[@]}"

# What mutation starts from: every golden file after bytes that choose two ways to pre-process it;
# any sizes; every model with its usual shapes; small model files.
seed() {
  local file name number=0
  case $1 in
    model_paddle)
      cp tests/paddle_files/* "$2"
      return
      ;;
    model_checkpoint)
      cp tests/checkpoints/*.{pt,pth,ckpt,torchscript,pdparams,pdopt} "$2"
      return
      ;;
    model_pickle)
      for file in tests/checkpoints/*.pt; do
        unzip -p "$file" '*/data.pkl' >"$2/$(basename "$file").pkl" 2>/dev/null || true
      done
      cp tests/checkpoints/*.pdparams "$2"
      return
      ;;
    model_safetensors)
      cp tests/checkpoints/*.safetensors "$2"
      return
      ;;
    model_engine)
      printf 'ftrt%20s\10\6\1\6' '' >"$2/engine"
      return
      ;;
    model_*)
      cp fuzz/seeds/"${1#model_}"/* "$2"
      return
      ;;
  esac
  for file in tests/golden/files/*; do
    name=$(basename "$file") number=$((number + 1))
    [[ "$name" = *.expected.png ]] && continue
    case $1 in
      decode_preprocess)
        { printf '\37\0\30\0\0\0\0\0' && cat "$file"; } >"$2/$name.1"
        { printf '\100\0\141\0\1\1\4\0' && cat "$file"; } >"$2/$name.2"
        ;;
      preprocess) cp "$file" "$2/$name" ;;
      postprocess) { printf '%b\0\0\1\1' "\\0$(printf %o $number)" && cat "$file"; } >"$2/$name" ;;
    esac
  done
}

found=0
for target in "${targets[@]}"; do
  corpus=$root/corpus/$target log=$root/$target.log artifacts=$root/artifacts/$target/
  mkdir -p "$corpus" "$artifacts"
  seed "$target" "$corpus"
  echo "$target: $seconds seconds"
  status=0
  "$root/build/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -max_len=8192 -len_control=0 -print_final_stats=1 -artifact_prefix="$artifacts" "$corpus" \
    >"$log" 2>&1 || status=$?
  stat() { awk -v key="stat::$1:" '$1 == key { print $2 }' "$log"; }
  # Edges covered: by the corpus before the first new input, and in the end.
  edges=$(awk '$3 == "cov:" { if (!first) first = $4; last = $4 } END { print first " → " last }' "$log")
  all=$(sed -n 's/.*Loaded 1 PC tables (\([0-9]*\) PCs).*/\1/p' "$log")
  echo "  $(stat number_of_executed_units) runs, $(stat average_exec_per_sec) a second;" \
    "edges covered: $edges of $all"
  if [ "$status" != 0 ]; then
    found=1
    echo "  FOUND something: $log; inputs in $artifacts"
    grep -m 3 -E 'panicked at|ERROR: libFuzzer|SUMMARY' -A 2 "$log" | sed 's/^/    /' || true
  fi
done
exit $found
