#!/usr/bin/env bash
# Build the wheel, install it with each extra into a fresh environment outside the checkout; print
# sizes, seconds and import times. Where torch is among it, the demo runs there.
# usage: scripts/try_wheel.sh [EXTRA ...]    (core for none; default: deep)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
pip="pip install --quiet --disable-pip-version-check"
python3 -m venv build
build/bin/$pip build
build/bin/python -m build --outdir dist "$root" >build.log || { tail -5 build.log; exit 1; }
ls -l dist | awk 'NR > 1 { printf "%s: %.1f MB\n", $NF, $5 / 1e6 }'
wheel=$(ls "$work"/dist/*.whl)

try() {
  local extra=$1 started=$SECONDS
  rm -rf fresh demo
  python3 -m venv fresh
  case $extra in
    deep | serve | all) fresh/bin/$pip torch==2.13.0 -c "$root/constraints.txt" ;;
    core) extra= ;;
  esac
  fresh/bin/$pip "$wheel${extra:+[$extra]}" -c "$root/constraints.txt"
  echo "$1: installed in $((SECONDS - started)) s, $(du -sm fresh | cut -f1) MB"
  fresh/bin/python -c 'import sfumato'  # Compiles.
  fresh/bin/python - <<'PYTHON'
import time
started = time.perf_counter()
import sfumato
print(f"  {sfumato.__version__} imported in {time.perf_counter() - started:.2f} s")
PYTHON
  started=$SECONDS
  fresh/bin/sfumato methods >methods.log
  echo "  sfumato methods: $((SECONDS - started)) s"
  if fresh/bin/python -c 'import torch' 2>/dev/null; then
    started=$SECONDS
    fresh/bin/sfumato demo --output demo
    echo "  demo in $((SECONDS - started)) s"
  fi
}

for extra in "${@:-deep}"; do try "$extra"; done
