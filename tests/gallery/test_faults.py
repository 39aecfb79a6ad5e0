import runpy
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not shutil.which("cc"), reason="needs a C compiler"
)
def test_after_a_fault_the_state_is_before_or_after_and_said():
    """A short form of ``python -m benchmarks gallery_faults``."""
    found = runpy.run_path(str(Path(__file__).parent / "faults.py"))["run"](17)
    assert found["wrong"] == []
    assert all(count >= 2 for count in found["faults"].values()) and len(found["faults"]) == 8
