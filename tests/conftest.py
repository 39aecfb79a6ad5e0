"""Shared fixtures: where the real faces and models lie, and small planted data sets."""

import os
from pathlib import Path

import numpy as np
import pytest

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


@pytest.fixture
def rng():
    return np.random.default_rng(0)
