#!/usr/bin/env bash
# Fills build/arm64-sysroot with Debian's arm64 libraries that hone is built with. They are downloaded and unpacked:
# nothing of them is installed on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."

sysroot=build/arm64-sysroot
read -ra packages <<<"libc6-dev libstdc++-12-dev $(scripts/setup.sh --libraries)"
# A folder made of another list is made again.
list="$(. /etc/os-release && echo "$VERSION_CODENAME") ${packages[*]}"
[ "$(cat "$sysroot/packages" 2>/dev/null)" != "$list" ] || exit 0

# From where this machine has its own packages.
mirror=()
[ ! -e /etc/apt/sources.list.d/debian.sources ] || mirror=(/etc/apt/sources.list.d/debian.sources)
echo "Unpacking ${#packages[@]} arm64 packages and what they need into $sysroot"
mkdir -p build
rm -rf "$sysroot" "$sysroot.partial"
mmdebstrap --quiet --variant=extract --architectures=arm64 \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --include="$(IFS=,; echo "${packages[*]}")" "${list%% *}" "$sysroot.partial" "${mirror[@]}"
# Links to /lib/... mean the folder's own, not this machine's.
find "$sysroot.partial/usr" "$sysroot.partial/etc" -type l -lname '/*' | while read -r link; do
  ln -sfn --relative "$sysroot.partial$(readlink "$link")" "$link"
done
echo "$list" > "$sysroot.partial/packages"
mv "$sysroot.partial" "$sysroot"
