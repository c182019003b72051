#!/usr/bin/env bash
# Makes the virtual environment of the peers and runs the comparison; arguments go to run.py.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
environment=$here/.venv
stamp=$environment/installed

export HONE_SHARED=${HONE_SHARED:-$root/../shared}

if ! cmp -s "$here/requirements.txt" "$stamp"; then
  echo "bench/peers: installing PyTorch and the other peers into bench/peers/.venv (up to 3 GB)"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --upgrade -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
fi

exec "$environment/bin/python" "$here/run.py" "$@"
