"""The unfinished half of a run belongs to one process at a time."""

import subprocess
import sys
from subprocess import PIPE

import pytest

from sfumato.errors import InputError
from sfumato.faces.parts import MANIFEST, Parts


def test_one_at_a_time_and_what_is_there_stays(tmp_path):
    output = tmp_path / "t.parquet"
    with Parts(output, {"encoder": "a"}, restart=False) as parts:
        (parts.folder / "00000000.templates.parquet").touch()
        with (
            pytest.raises(InputError, match=r"t\.parquet\.parts: another process is at work"),
            Parts(output, {"encoder": "b"}, restart=True),
        ):
            pass
        assert parts.has(0)
    with Parts(output, {"encoder": "a"}, restart=False) as parts:
        assert parts.has(0)
        parts.remove()
    assert not parts.folder.exists()


def test_other_settings_are_refused_and_let_go(tmp_path):
    output = tmp_path / "t.parquet"
    with Parts(output, {"encoder": "a"}, restart=False) as parts:
        (parts.folder / "00000000.templates.parquet").touch()
    with (
        pytest.raises(InputError, match="encoder 'a' instead of 'b'"),
        Parts(output, {"encoder": "b"}, restart=False),
    ):
        pass
    with Parts(output, {"encoder": "b"}, restart=True) as parts:
        assert [path.name for path in parts.folder.iterdir()] == [MANIFEST]


HOLD = """
import sys
from sfumato.faces.parts import Parts

with Parts(sys.argv[1], {}, restart=False):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_nothing(tmp_path):
    output = tmp_path / "t.parquet"
    command = [sys.executable, "-c", HOLD, str(output)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process"), Parts(output, {}, restart=False):
            pass
        process.kill()
    with Parts(output, {}, restart=False) as parts:
        assert parts.folder.is_dir()
