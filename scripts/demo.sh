#!/usr/bin/env bash
# The main job on the embedded data: train, evaluate, predict, quantize at four widths, report.
# Usage: demo.sh [HONE]
set -euo pipefail
hone=${1:-build/release/hone}
out=runs/demo
sweep=runs/demo-ptq-vs-qat
say() { printf '\n$ %s\n' "$*"; }

say hone run demo
# A finished run is not repeated: the demo starts anew.
rm -rf "$out" "$sweep"
"$hone" run demo
# The same words in another order.
first="The plot was dull, but the acting was great."
second="The acting was great, but the plot was dull."
say "hone predict $out/seed-0 \"$first\" \"$second\""
"$hone" predict "$out/seed-0" "$first" "$second"
say hone report "$out/seed-0" -o "$out/report.html"
"$hone" report "$out/seed-0" -o "$out/report.html"
say hone run demo-ptq-vs-qat
"$hone" run demo-ptq-vs-qat
say hone report "$sweep" -o "$sweep/report.html"
"$hone" report "$sweep" -o "$sweep/report.html"
echo
echo "The reports are $out/report.html and $sweep/report.html"
