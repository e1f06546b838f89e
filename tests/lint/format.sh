#!/bin/bash
# SPDX-License-Identifier: MIT
# C sources as clang-format would write them.
set -euo pipefail
cd "$(dirname "$0")/../.."

git ls-files --cached --others --exclude-standard -- '*.c' '*.h' |
	xargs clang-format --dry-run --Werror --ferror-limit=3
