"""What all tests of batch jobs need."""

import gc
import warnings
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def found_by_workers(monkeypatch):
    """Let worker processes import the jobs that tests define; pytest imports them otherwise."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def close_pipes():
    """Daft leaves the pipes of its worker processes to the garbage collector."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
