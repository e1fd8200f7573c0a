#!/usr/bin/env bash
# The one test command: every test of the project. What it cannot run for want of a system package
# it names on a line `SKIPPED: …`; as root on Debian it installs the package itself. With CI=true a
# skip is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

skipped=0
skip() {
  echo "SKIPPED: $1"
  skipped=1
}

# installs PACKAGE COMMAND: makes COMMAND available, or fails.
installed() {
  command -v "$2" >/dev/null && return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  echo "installing $1"
  { apt-get update -qq && apt-get install -y -qq "$1"; } >/dev/null 2>&1
}

command -v cc >/dev/null || installed gcc cc || {
  echo "error: a C compiler is needed to link: install gcc or clang" >&2
  exit 2
}

# libjpeg-turbo is built from source. One set of features for all, so that nothing is built twice.
features=()
if installed cmake cmake && installed make make && installed nasm nasm; then
  features=(--features turbojpeg)
else
  skip "decoder turbojpeg: cmake, make or nasm is missing (apt-get install cmake make nasm)"
fi

# Not a skip: no package brings instructions that the processor lacks.
for flag in avx2 avx512vbmi; do
  grep -qsw "$flag" /proc/cpuinfo ||
    echo "NOT COVERED: kernels in ${flag%vbmi}, which this processor lacks"
done

# Engine `ort` is tested with a real ONNX Runtime, which `trtbench fetch runtime` brings through
# pip; the tests of a full disk mount a small file system of their own.
cargo build --locked "${features[@]}"
if installed python3-pip pip3 || python3 -m pip --version >/dev/null 2>&1; then
  target/debug/trtbench fetch runtime || skip "engine ort: trtbench fetch runtime failed"
  target/debug/trtbench fetch runtime --gpu || skip "providers for cards: fetch runtime --gpu failed"
  target/debug/trtbench fetch models || skip "picodet: trtbench fetch models failed"
else
  skip "engine ort and the trained picodet: pip is missing (apt-get install python3-pip)"
fi

# Libraries of NVIDIA's that need no card, kept beside what cargo builds: the compiler of kernels, TensorRT
# for RTX, which parses and builds, and the lean runtime, which is to be refused.

# brought FOLDER PACKAGE FILE WHAT: makes FILE of a PyPI package be there.
brought() {
  [ -e "$1/$3" ] ||
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$1" "$2" \
      >/dev/null 2>&1 || skip "$4 cannot be had through pip"
}

nvrtc=$PWD/target/nvrtc-12.9.86
nvrtc11=$PWD/target/nvrtc-11.8.89
rtx=$PWD/target/tensorrt-rtx-1.7.1.116
lean=$PWD/target/tensorrt-lean-11.4.0.106
brought "$nvrtc" nvidia-cuda-nvrtc-cu12==12.9.86 nvidia/cuda_nvrtc/lib/libnvrtc.so.12 "kernels: NVRTC"
brought "$nvrtc11" nvidia-cuda-nvrtc-cu11==11.8.89 nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2 \
  "kernels: NVRTC 11"
brought "$rtx" tensorrt-rtx-cu12-libs==1.7.1.116 tensorrt_rtx_libs/libtensorrt_rtx.so.1 \
  "engine tensorrt: TensorRT for RTX"
brought "$lean" tensorrt-lean-cu12-libs==11.4.0.106 tensorrt_lean_libs/libnvinfer_lean.so.11 \
  "engine tensorrt: the lean runtime"
export TRTBENCH_NVRTC=$nvrtc/nvidia/cuda_nvrtc/lib
export TRTBENCH_NVRTC11=$nvrtc11/nvidia/cuda_nvrtc/lib
export TRTBENCH_TENSORRT_RTX=$rtx/tensorrt_rtx_libs
export TRTBENCH_TENSORRT_LEAN=$lean/tensorrt_lean_libs

# NVIDIA's compiled clients of TensorRT need neither TensorRT nor a card: they drive the stand-in.
bindings=$PWD/target/tensorrt-bindings
client() {
  brought "$bindings/$2" "$1==$2" tensorrt_bindings "NVIDIA's client of TensorRT $2 for this Python"
}
client tensorrt-bindings 8.6.1
for release in 10.0.1 10.16.1.11 11.1.0.106 11.4.0.106; do
  client tensorrt-cu12-bindings "$release"
done
export TRTBENCH_TENSORRT_BINDINGS=$bindings
# The kernels are compiled for the host, too, where they are held to the host's own.
installed g++ g++ || skip "kernels on the host: g++ is missing (apt-get install g++)"

if command -v cargo-nextest >/dev/null; then
  cargo nextest run --workspace --locked "${features[@]}" --no-fail-fast
else
  cargo test --workspace --locked "${features[@]}" --no-fail-fast
fi
cargo test --locked "${features[@]}" --doc

if [ "$skipped" = 1 ] && [ "${CI:-}" = true ]; then
  echo "error: with CI=true nothing may be skipped" >&2
  exit 1
fi
