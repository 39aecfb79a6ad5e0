"""requirements.lock: the versions of constraints.txt, each with the hashes of its files."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
ENTRIES = re.findall(r"^([\w.-]+)==([^ ;]+)[^\n]*\\\n((?:    --hash=.*\n?)+)", LOCK, re.MULTILINE)


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


LOCKED = {plain(name): version for name, version, _ in ENTRIES}


def test_every_entry_has_hashes_and_nothing_names_a_host():
    starts = [line for line in LOCK.splitlines() if line[:1] not in (" ", "#")]
    assert len(starts) == len(ENTRIES) == len(LOCKED) > 100
    for name, _, hashes in ENTRIES:
        assert re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n?)+", hashes), name
    assert "://" not in LOCK and "@" not in LOCK


def test_versions_are_those_of_the_constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    for line in (line for line in lines if not line.startswith("#")):
        name, version = line.split("==")
        assert LOCKED.get(plain(name), version) == version, name


def test_all_that_the_project_needs_is_locked_but_torch():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needs = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for names in project["project"]["optional-dependencies"].values():
        needs += names
    wanted = {plain(re.match(r"[\w.-]+", need)[0]) for need in needs}
    assert wanted - LOCKED.keys() == {"sfumato", "torch"}
