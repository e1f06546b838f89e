#!/bin/bash
# SPDX-License-Identifier: MIT
# Shows how a fuzz target's run ended; fails unless it ran its time and tried something.
set -euo pipefail

grep -E 'SUMMARY|ERROR|Test unit written|^Done|runtime error' "$1" || true
grep -Eq '^Done [1-9][0-9]{2,} runs' "$1" && ! grep -q 'SUMMARY' "$1"
