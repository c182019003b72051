#!/usr/bin/env bash
# Formatting of all sources, and clang-tidy over what of the engine changed within the four hours before
# the last commit. `lint.sh engine` takes all of the engine (five minutes), `lint.sh all` the whole library (a quarter
# of an hour). Fails on the first kind of finding.
set -euo pipefail
scripts/setup.sh
scripts/setup.sh lint
git ls-files '*.cpp' '*.hpp' | xargs clang-format --dry-run -Werror
echo "formatting: good"
# clang-tidy cannot read GCC's precompiled headers, and looks at each file by itself.
cmake --preset release -B build/lint -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DCMAKE_UNITY_BUILD=OFF >/dev/null
# Vector kernels are compiled through Highway's own re-inclusion, which clang-tidy 14 cannot follow.
folders='src/hone/(core|graph|passes|plan|run|train)/'
[ "${1:-}" = all ] && folders='src/hone/'
sources() {
  local before=""
  if [ -z "${1:-}" ]; then
    before=$(git rev-list -1 --before=$(($(git log -1 --format=%ct) - 4 * 3600)) HEAD)
  fi
  # (A history that does not go back so far: all.)
  if [ -n "$before" ]; then
    git diff --name-only --diff-filter=d "$before" HEAD -- 'src/hone/*.cpp'
  else
    git ls-files 'src/hone/*.cpp'
  fi
}
# (grep -L reports its success the other way round, hence the `|| true`.)
sources "$@" | { grep -E "$folders" || true; } | { xargs -r grep -L 'foreach_target' || true; } |
  xargs -r -P "$(nproc)" -n 2 clang-tidy -p build/lint --quiet --warnings-as-errors='*' 2>/dev/null
echo "clang-tidy: good"
