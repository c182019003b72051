#!/usr/bin/env bash
# Installs the Debian packages that hone needs and that are missing. `setup.sh lint`, `setup.sh fuzz` and so on
# add what those targets need. Does nothing (and needs no rights) when all are there.
# `setup.sh --libraries` prints those that hone is linked with on every machine.
set -euo pipefail

libraries=(
  libhwy-dev nlohmann-json3-dev libtomlplusplus-dev libcli11-dev libfmt-dev
  libarchive-dev libcurl4-openssl-dev libssl-dev zlib1g-dev libutf8proc-dev
  libsqlite3-dev libpq-dev libjpeg62-turbo-dev libpng-dev libonnx-dev libprotobuf-dev
  libgtest-dev libgmock-dev librapidcheck-dev
)
[ "${1:-}" != --libraries ] || { echo "${libraries[*]}"; exit 0; }
packages=(
  g++ cmake ninja-build pkg-config make git ca-certificates
  "${libraries[@]}"
  python3-plotly esbuild gzip
)
case "$(dpkg --print-architecture)" in
  amd64) packages+=(libxsmm-dev) ;;
esac
for extra in "$@"; do
  case "$extra" in
    lint) packages+=(clang-format clang-tidy) ;;
    fuzz) packages+=(clang libclang-rt-14-dev) ;;
    arm64) packages+=(g++-aarch64-linux-gnu qemu-user mmdebstrap) ;;
    bench) packages+=(libbenchmark-dev valgrind) ;;
    tests) packages+=(postgresql libonnx-testdata) ;;
    slurm) packages+=(slurm-wlm munge) ;;
    peers) packages+=(python3-venv python3-dev hyperfine time) ;;
    *) echo "setup.sh: unknown part '$extra' (lint, fuzz, arm64, bench, tests, slurm, peers)" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
run=()
[ "$(id -u)" -eq 0 ] || run=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -qq
# On a bare system this takes minutes: say how far it is.
"${run[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" | {
  fetched=0 done=0
  while read -r line; do
    case "$line" in
      Get:*) fetched=$((fetched + 1)); [ $((fetched % 20)) -ne 0 ] || echo "  $fetched packages fetched" ;;
      "Setting up "*) done=$((done + 1)); [ $((done % 20)) -ne 0 ] || echo "  $done packages set up" ;;
    esac
  done
}
echo "Packages are there."
