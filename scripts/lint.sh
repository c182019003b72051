#!/usr/bin/env bash
# Formatting of all sources, and clang-tidy over the library. Fails on the first kind of finding.
set -euo pipefail
scripts/setup.sh
scripts/setup.sh lint
git ls-files '*.cpp' '*.hpp' | xargs clang-format --dry-run -Werror
echo "formatting: good"
cmake --preset release >/dev/null
# Vector kernels are compiled through Highway's own re-inclusion, which clang-tidy 14 cannot follow.
git ls-files 'src/hone/*.cpp' | xargs grep -L 'foreach_target' |
  xargs -P "$(nproc)" -n 8 clang-tidy -p build/release --quiet --warnings-as-errors='*' 2>/dev/null
echo "clang-tidy: good"
