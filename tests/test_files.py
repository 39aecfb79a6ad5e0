"""Files appear whole, replace nothing unasked, and leave nothing behind."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sfumato import _disk
from sfumato.errors import InputError, StorageError
from sfumato.files import (
    STAGING,
    alone_in,
    atomic_folder,
    atomic_path,
    check_free,
    make_folder,
    mark,
    read_text,
    scratch_folder,
    sweep,
    write_text,
)

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


def test_without_locks_what_is_old_counts_as_left(tmp_path, monkeypatch):
    monkeypatch.setattr(_disk, "fcntl", None)
    with atomic_path(tmp_path / "a.txt") as path:
        path.write_text("whole")
        left = path.with_name("left")
        left.write_text("half a template")
        assert sweep(tmp_path) == []
        os.utime(left, (0, 0))
        assert sweep(tmp_path) == [left]
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with pytest.raises(KeyError), atomic_folder(tmp_path / "a") as folder:
        (folder / "half").touch()
        raise KeyError
    assert os.listdir(tmp_path) == []
    with atomic_folder(tmp_path / "a") as folder:
        (folder / "b").write_text("whole")
        assert os.listdir(tmp_path) == [STAGING]
    assert os.listdir(tmp_path) == ["a"] and os.listdir(tmp_path / "a") == ["b"]
    with pytest.raises(InputError, match="exists already"), atomic_folder(tmp_path / "a"):
        pass


def test_what_a_killed_writer_of_a_folder_left_goes_with_the_next(tmp_path):
    (tmp_path / STAGING / "left").mkdir(parents=True)
    (tmp_path / STAGING / "left" / "templates").touch()
    os.symlink(tmp_path, tmp_path / STAGING / "link")
    os.mkfifo(tmp_path / STAGING / "pipe")
    with atomic_path(tmp_path / "b.txt") as path:
        path.write_text("whole")
    assert os.listdir(tmp_path) == ["b.txt"]


def test_a_scratch_folder_is_private_and_goes_with_its_process(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "import os, signal, tempfile, sys\ntempfile.tempdir = sys.argv[1]\n"
        "from sfumato.files import scratch_folder\n"
        "with scratch_folder() as folder:\n"
        "    (folder / 'weights').touch()\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path])
    (place,) = tmp_path.iterdir()
    assert len(list(place.rglob("weights"))) == 1 and stat.S_IMODE(place.stat().st_mode) == 0o700
    with scratch_folder() as folder:
        (folder / "own").touch()
        assert not list(place.rglob("weights"))
    assert list(tmp_path.iterdir()) == [place] and not any(place.iterdir())
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(InputError, match="is a symbolic link"), scratch_folder():
        pass


def test_nothing_is_written_or_swept_through_a_link(tmp_path):
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.mkdir()
    out.mkdir()
    (mine / "letter").touch()
    (out / STAGING).symlink_to(mine)
    (out / "_unfinished").symlink_to(tmp_path / "made")
    for act in (lambda: sweep(out), lambda: mark(out / "_unfinished")):
        with pytest.raises(InputError, match="is a symbolic link"):
            act()
    with pytest.raises(InputError, match="is a symbolic link"), atomic_path(out / "a"):
        pass
    assert os.listdir(mine) == ["letter"] and not (tmp_path / "made").exists()
    (out / STAGING).unlink()
    (out / "a").symlink_to(mine / "letter")
    with atomic_path(out / "a") as path:
        path.write_text("whole")
    assert (mine / "letter").read_text() == "" and not (out / "a").is_symlink()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_mark_in_whose_place_something_else_is_is_refused(tmp_path, make):
    make(tmp_path / "_unfinished")
    limit = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("waits for a pipe"))
    signal.alarm(10)
    try:
        with pytest.raises(InputError, match="_unfinished: is no regular file; remove it"):
            mark(tmp_path / "_unfinished")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, limit)


def test_bytes_reach_the_disk_before_the_name_and_then_the_name(tmp_path, monkeypatch):
    seen = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append(os.readlink(f"/proc/self/fd/{fd}")))
    monkeypatch.setattr(os, "replace", lambda *names: seen.append("moved") or replace(*names))
    with atomic_path(tmp_path / "a") as path:
        path.write_text("whole")
    assert seen == [str(path), "moved", str(tmp_path)]
    monkeypatch.setattr(os, "fsync", sync)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EFBIG])
@pytest.mark.parametrize("call", ["open", "mkdir", "fsync", "replace"])
def test_a_full_or_broken_disk_leaves_what_was_there(tmp_path, monkeypatch, call, number):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail(*_, **__):
        raise OSError(number, "library's own words", None)

    said = pytest.raises(StorageError, match=rf"a\.txt: .*\({errno.errorcode[number]}\); ")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with said, atomic_path(target) as path:
            path.write_text("new")
    assert target.read_text() == "old" and sweep(tmp_path) is not None
    assert os.listdir(tmp_path) == ["a.txt"]


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


def test_a_staging_place_that_goes_the_moment_it_is_found(tmp_path, monkeypatch):
    # Another writer ends between the call that finds its place and the one that looks at it.
    made, mkdir = [], Path.mkdir

    def ends(path, *args, **kwargs):
        made.append(path)
        if len(made) == 1:
            raise FileExistsError(17, "File exists", str(path))
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", ends)
    write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole" and made == [tmp_path / STAGING] * 2
    made.clear()
    assert make_folder(tmp_path / "folder").is_dir() and len(made) == 2
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, where a folder is needed"):
        make_folder(tmp_path / "file")


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


def test_a_folder_that_may_not_be_written_is_said_of_the_file(tmp_path, monkeypatch):
    def refuse(self, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    with pytest.raises(OSError, match="Read-only") as error, atomic_path(tmp_path / "table"):
        pass
    assert error.value.filename == str(tmp_path / "table")
