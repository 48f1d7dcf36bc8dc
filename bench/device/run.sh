#!/usr/bin/env bash
# The device check: one call on a machine that has a GPU, no compiler and no network, in under eight minutes.
# Usage: bench/device/run.sh [options of run.py]; results go to $OUT (results.jsonl as they come, log, table.txt).
# Before, where there is a compiler: bench/device/pack.sh, and carry build/device-bundle along.
# Tried on a CPU: bench/device/run.sh --tiny --plugin PATH --budget 300
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export OUT=${OUT:-$here/../../build/device-results}
mkdir -p "$OUT"
exec "${PYTHON:-python3}" "$here/run.py" "$@"
