"""Files appear whole, replace nothing unasked, and leave nothing behind."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from sfumato.errors import InputError
from sfumato.files import STAGING, alone_in, atomic_path, check_free, read_text, sweep

KILLED = """
import sys, time
from sfumato.files import atomic_path
with atomic_path(sys.argv[1]) as path:
    path.write_bytes(b"half a template")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_path(target) as path:
        path.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failure_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyError), atomic_path(target) as path:
        path.write_text("half")
        raise KeyError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_path(tmp_path / "atomic") as path:
        path.write_bytes(b"")
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("plain", "atomic")]
    assert modes[0] == modes[1]


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / "a.txt"], stdout=subprocess.PIPE
    )
    assert writer.stdout.readline() == b"ready\n"
    # While its writer lives nobody takes it away.
    assert sweep(tmp_path) == []
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(os.listdir(tmp_path / STAGING)) == 1
    with atomic_path(tmp_path / "b.txt") as path:
        path.write_text("whole")
    assert os.listdir(tmp_path) == ["b.txt"]
    writer.stdout.close()


def test_writers_side_by_side(tmp_path):
    code = (
        "import sys\nfrom sfumato.files import atomic_path\n"
        "for n in range(50):\n"
        "    with atomic_path(sys.argv[1]) as p: p.write_text(sys.argv[2] * 1000)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "a.txt", letter])
        for letter in "xyz"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(set((tmp_path / "a.txt").read_text())) == 1
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_may_not_be_written(tmp_path):
    there = tmp_path / "there"
    there.touch()
    (tmp_path / "link").symlink_to(there)
    for path, options, rule in [
        (there, {}, "exists already; give another name, or replace it with --force"),
        (there, {"overwrite": True, "inputs": [there]}, "is an input of this command"),
        (tmp_path / "link", {"overwrite": True, "inputs": [there]}, "is an input"),
        (tmp_path, {"overwrite": True}, "is a folder"),
        (tmp_path / "no" / "a", {}, "no does not exist"),
    ]:
        with pytest.raises(InputError, match=rule):
            check_free(path, **options)
    assert check_free(there, overwrite=True, inputs=[tmp_path / "other"]) == there
    assert check_free(tmp_path / "new") == tmp_path / "new"


def test_a_folder_is_one_process_s(tmp_path):
    folder = tmp_path / "job"
    held, refused = alone_in(folder), pytest.raises(InputError, match="another process is at work")
    with held, refused, alone_in(folder):
        pass
    with alone_in(folder):
        pass


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_in_any_usual_encoding(tmp_path, encoding):
    (tmp_path / "a.txt").write_text("é\n", encoding=encoding)
    assert read_text(tmp_path / "a.txt") == "é\n"


def test_text_that_cannot_be_read(tmp_path):
    (tmp_path / "latin").write_bytes("é".encode("latin-1"))
    (tmp_path / "u16").write_bytes("ab".encode("utf-16-le"))
    for name, rule in [("latin", "not UTF-8 text"), ("u16", "NUL"), ("no", "cannot be read")]:
        with pytest.raises(InputError, match=rule):
            read_text(tmp_path / name)
