#!/usr/bin/env bash
# Formatting of all sources, and clang-tidy over the engine (the whole library with `lint.sh all`, which
# takes ten minutes). Fails on the first kind of finding.
set -euo pipefail
scripts/setup.sh
scripts/setup.sh lint
git ls-files '*.cpp' '*.hpp' | xargs clang-format --dry-run -Werror
echo "formatting: good"
# clang-tidy cannot read GCC's precompiled headers.
cmake --preset release -B build/lint -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
# Vector kernels are compiled through Highway's own re-inclusion, which clang-tidy 14 cannot follow.
folders='src/hone/(core|graph|passes|plan|run|train)/'
[ "${1:-}" = all ] && folders='src/hone/'
# (grep -L reports its success the other way round, hence the `|| true`.)
git ls-files 'src/hone/*.cpp' | grep -E "$folders" | { xargs grep -L 'foreach_target' || true; } |
  xargs -P "$(nproc)" -n 4 clang-tidy -p build/lint --quiet --warnings-as-errors='*' 2>/dev/null
echo "clang-tidy: good"
