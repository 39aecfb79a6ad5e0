"""The suite's seed; shared fixtures: where the real faces and models lie, small data sets."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# Beside the tests, which are no package: so it is loaded by its file.
_spec = importlib.util.spec_from_file_location("seeds", Path(__file__).with_name("seeds.py"))
seeds = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(seeds)
if seeds.shift:
    seeds.install()
    seeds.active = True  # Also for what test modules draw when they are imported.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Shift the draws of a test, but not of a doctest, whose printed numbers are pinned."""
    pinned = isinstance(item, pytest.DoctestItem) or item.get_closest_marker("unshifted")
    seeds.active = bool(seeds.shift) and not pinned
    return (yield)


# A busy machine is no fault of what is tested.
hypothesis.settings.register_profile("sfumato", deadline=None)
hypothesis.settings.load_profile("sfumato")


# Imported by what it stands in for, as brighten is; what is loaded above, and only once.
collect_ignore = ["stand_ins.py", "seeds.py"]
DATA = Path(__file__).parents[1] / os.environ.get("SFUMATO_DATA", "../shared")


@pytest.fixture(scope="session")
def shared():
    """Return a function that gives a real data file's path, or skips with a reason."""

    def find(relative):
        path = DATA / relative
        if not path.exists():
            pytest.skip(f"needs the development data file {relative}")
        return path

    return find


@pytest.fixture(autouse=True)
def no_memory_of_audits():
    """Let no test see what the attackers of another found."""
    if known := sys.modules.get("sfumato.audit._raw_cache"):
        known.forget()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def brighten(monkeypatch):
    """Return the module of a fake perturber and detector, which worker processes find too."""
    for module in ("torch", "cv2", "PIL"):
        pytest.importorskip(module, reason="needs the extras deep and faces")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("brighten")


@pytest.fixture
def photo_of():
    """Return a function that gives a grey photo with red squares at (left, top, side)."""

    def make(*squares, height=240, width=320):
        image = np.full((height, width, 3), 100, np.uint8)
        for left, top, side in squares:
            image[top : top + side, left : left + side] = (200, 20, 20)
        return image

    return make
