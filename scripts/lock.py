"""Write requirements.lock: the pinned installation with the hashes of its files, for pip.

    make lock

Versions are those of constraints.txt, and for what it does not name those that stand in the old
lock file, or the newest. Left out are torch and what only its builds for graphics cards need:
each index builds its own torch, so no list of hashes fits all of them.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What installs sfumato itself.
BUILD = "hatchling>=1.27\neditables\n"
LEFT_OUT = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)==")
HEADER = (
    "# Written by `make lock`: the versions of constraints.txt with the hashes of their files.\n"
    "# torch is not among them, since its builds differ from index to index.\n"
)


def resolve(uv: str, output: Path, python: str) -> None:
    """Write all packages, of every platform, with hashes."""
    with tempfile.TemporaryDirectory() as folder:
        build = Path(folder) / "build.in"
        build.write_text(BUILD)
        command = [uv, "pip", "compile", "pyproject.toml", str(build), "--extra", "dev"]
        command += ["--extra", "docs"]
        command += ["--constraints", "constraints.txt", "--output-file", str(output)]
        command += ["--universal", "--python-version", python, "--generate-hashes", "--quiet"]
        subprocess.run([*command, "--no-header", "--no-annotate"], cwd=ROOT, check=True)


def without_torch(text: str) -> str:
    """Return a lock file's text without torch and its builds' own needs."""
    kept, keep = [], True
    for line in text.splitlines(keepends=True):
        if not line[0].isspace():
            keep = not LEFT_OUT.match(line)
        if keep:
            kept.append(line)
    return "".join(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uv", default=str(Path(sys.executable).with_name("uv")))
    parser.add_argument("--output", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--python", default="3.11", help="The oldest Python to lock for.")
    chosen = parser.parse_args()
    resolve(chosen.uv, chosen.output, chosen.python)
    chosen.output.write_text(HEADER + without_torch(chosen.output.read_text()))


if __name__ == "__main__":
    main()
