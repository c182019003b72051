#!/usr/bin/env bash
# The main job on the embedded data: train, evaluate, predict; then what bits and sparsity cost, a compression stage by
# stage, a search; a report of each. Usage: demo.sh [HONE]
set -euo pipefail
hone=${1:-build/release/hone}
out=runs/demo
experiments=(demo-ptq-vs-qat demo-pruning demo-compress demo-search)
say() { printf '\n$ %s\n' "$*"; }

say hone run demo
# A finished run is not repeated: the demo starts anew.
rm -rf "$out" "${experiments[@]/#/runs/}"
"$hone" run demo
# The same words in another order.
first="The plot was dull, but the acting was great."
second="The acting was great, but the plot was dull."
say "hone predict $out/seed-0 \"$first\" \"$second\""
"$hone" predict "$out/seed-0" "$first" "$second"
say hone report "$out/seed-0" -o "$out/report.html"
"$hone" report "$out/seed-0" -o "$out/report.html"
for experiment in "${experiments[@]}"; do
  command=run
  [[ $experiment == *search ]] && command=search
  say hone "$command" "$experiment"
  "$hone" "$command" "$experiment"
  say hone report "runs/$experiment" -o "runs/$experiment/report.html"
  "$hone" report "runs/$experiment" -o "runs/$experiment/report.html"
done
echo
echo "The reports are $out/report.html and ${experiments[*]/%//report.html} in runs/"
