#!/usr/bin/env bash
# How often a comparison is wrong on this machine: 40 comparisons of a cell with
# itself, 40 with itself made 3 % slower. Takes about ten minutes; the machine should be idle.
# usage: scripts/aa.sh [COMPARISONS] [LAUNCHES]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --bin trtbench --example aa
target/release/examples/aa target/release/trtbench "${1:-40}" "${2:-10}"
