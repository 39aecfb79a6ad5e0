"""Run one benchmark: ``python -m benchmarks NAME`` prints its figures as JSON.

Every module here has ``run() -> dict``, one with a size; every figure of ours stands beside
the bare work measured in the same run, and their ratio.
"""

import importlib
import json
import os
import pkgutil
import platform
import sys

import benchmarks


def main():
    """Print the named benchmark's figures, or list the names."""
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[0] != "_")
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in names:
        sys.exit(f"usage: python -m benchmarks NAME [SIZE], with NAME one of: {', '.join(names)}")
    result = importlib.import_module(f"benchmarks.{sys.argv[1]}").run(*sys.argv[2:])
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps({"benchmark": sys.argv[1], "machine": machine, **result}, indent=2))


if __name__ == "__main__":
    main()
