"""What all tests of batch jobs need."""

import gc
import warnings

import pytest


@pytest.fixture(autouse=True)
def close_pipes():
    """Daft leaves the pipes of its worker processes to the garbage collector."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
