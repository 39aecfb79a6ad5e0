#!/usr/bin/env bash
# Build the wheel, install it into a fresh environment and run the demo there; print size, seconds
# and import time. usage: scripts/try_wheel.sh [EXTRA]    (default: deep, for the whole demo)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
extra=${1-deep}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check build
env/bin/python -m build --outdir dist "$root" >build.log || { tail -5 build.log; exit 1; }
ls -l dist | awk 'NR > 1 { printf "%s: %.1f MB\n", $NF, $5 / 1e6 }'
python3 -m venv fresh
started=$SECONDS
if [ "$extra" = deep ] || [ "$extra" = all ] || [ "$extra" = serve ]; then
  fresh/bin/pip install --quiet --disable-pip-version-check "torch==2.13.0" -c "$root/constraints.txt"
fi
wheel=$(ls "$work"/dist/*.whl)
fresh/bin/pip install --quiet --disable-pip-version-check "$wheel${extra:+[$extra]}" -c "$root/constraints.txt"
echo "installed [$extra] in $((SECONDS - started)) s, $(du -sm fresh | cut -f1) MB"
fresh/bin/python -X importtime -c 'import sfumato' 2>&1 | tail -1
fresh/bin/sfumato --version
started=$SECONDS
fresh/bin/sfumato demo --output demo
echo "demo in $((SECONDS - started)) s"
