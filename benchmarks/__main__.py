"""Run one benchmark: ``python -m benchmarks NAME [SIZE] [--record]`` prints its figures as JSON.

``--record`` also writes them, with date and machine, to ``docs/results/benchmarks/NAME.json``, of
which ``python scripts/docs_pages.py`` makes ``docs/performance.md``.

Every module here has ``run() -> dict``, one with a size; every figure of ours stands beside
the bare work measured in the same run, and their ratio.
"""

import datetime
import importlib
import json
import os
import pkgutil
import platform
import sys
from pathlib import Path

import benchmarks

RECORDS = Path(__file__).parents[1] / "docs" / "results" / "benchmarks"


def main():
    """Print the named benchmark's figures, or list the names."""
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[0] != "_")
    given = [word for word in sys.argv[1:] if word != "--record"]
    if len(given) not in (1, 2) or given[0] not in names:
        usage = "python -m benchmarks NAME [SIZE] [--record]"
        sys.exit(f"usage: {usage}, with NAME one of: {', '.join(names)}")
    name, *size = given
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }
    result = importlib.import_module(f"benchmarks.{name}").run(*size)
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = json.dumps({"benchmark": name, "date": day, "machine": machine, **result}, indent=2)
    print(text)
    if "--record" in sys.argv:
        RECORDS.mkdir(parents=True, exist_ok=True)
        (RECORDS / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
