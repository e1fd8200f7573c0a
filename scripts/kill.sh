#!/usr/bin/env bash
# Kills parent or worker at 200 random moments (or as many as the first argument says) and checks
# that nothing is lost, nothing is counted twice, and every run completes.
set -euo pipefail
cd "$(dirname "$0")/.."
KILLS=${1:-200} cargo test --release --test kill -- --nocapture
