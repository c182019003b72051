#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS_EACH (default 60) seconds on its corpus. What a run
# finds is left in build/fuzz/found/; put it into tests/fuzz/corpus/ when the defect is mended.
set -euo pipefail
seconds=${SECONDS_EACH:-60}
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
mkdir -p build/fuzz/found
failed=0
for target in build/fuzz/tests/fuzz/*_fuzz; do
  name=$(basename "$target")
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  seeds=tests/fuzz/corpus/${name%_fuzz}
  echo "== $name, $seconds s"
  "$target" -max_total_time="$seconds" -print_final_stats=0 -verbosity=0 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="build/fuzz/found/$name-" "$corpus" $([ -d "$seeds" ] && echo "$seeds") || failed=1
done
exit $failed
