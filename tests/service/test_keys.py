"""The file of keys: no key is lost or comes back, and damage opens nothing."""

import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest

import sfumato.cli
import sfumato.files
from sfumato.errors import InputError
from sfumato.service.keys import SCOPES, Key, KeyFile, digest_of, find_key

WRITER = """
import sys
from sfumato.service.keys import KeyFile
path, act, *names = sys.argv[1:]
for name in names:
    if act == "create":
        KeyFile(path).create(name, ["audit"])
    else:
        KeyFile(path).delete(name)
"""


def start(path, act, names):
    return subprocess.Popen([sys.executable, "-c", WRITER, path, act, *names])


@pytest.fixture
def keys(tmp_path):
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def filled(keys):
    """Return a file with three keys."""
    for name, scopes in {"camera": ["photos"], "door": SCOPES, "watch": ["metrics"]}.items():
        keys.create(name, scopes)
    return keys


def test_parallel_writers_lose_no_key_and_bring_none_back(keys):
    old = [f"old-{number}" for number in range(30)]
    for name in old:
        keys.create(name, ["photos"])
    new = [f"new-{number}" for number in range(60)]
    started = [start(keys.path, "create", new[first::6]) for first in range(6)]
    started += [start(keys.path, "delete", old[first::3]) for first in range(3)]
    assert [writer.wait() for writer in started] == [0] * 9
    assert sorted(key.name for key in keys.read()) == sorted(new)


def test_only_its_owner_ever_has_rights(keys, monkeypatch):
    seen = []
    real_open, real_replace = os.open, os.replace

    def spy_open(path, flags, *args, **options):
        handle = real_open(path, flags, *args, **options)
        if flags & os.O_CREAT:
            seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    def spy_replace(source, target):
        seen.append(stat.S_IMODE(os.stat(source).st_mode))
        real_replace(source, target)
        seen.append(stat.S_IMODE(os.stat(target).st_mode))

    monkeypatch.setattr(sfumato.files.os, "open", spy_open)
    monkeypatch.setattr(sfumato.files.os, "replace", spy_replace)
    before = os.umask(0)
    try:
        keys.create("a", ["audit"])
        keys.delete("a")
    finally:
        os.umask(before)
    # Twice the lock, the new file, it before it gets its name, and after.
    assert [oct(mode) for mode in seen] == ["0o600"] * 8


def test_what_is_written_reaches_the_disk_before_it_counts(keys, monkeypatch):
    done = []
    real_sync, real_replace = os.fsync, os.replace

    def spy_sync(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        real_sync(handle)

    def spy_replace(source, target):
        done.append("name")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_sync)
    monkeypatch.setattr(os, "replace", spy_replace)
    keys.create("a", ["audit"])
    assert done == ["file", "name", "folder"]


def edited(**changes):
    """Return what makes a damaged file's bytes: one key with these fields, of version 1."""
    sound = {"name": "a", "digest": "0" * 64, "scopes": ["audit"], "created": "2026-01-02"}
    return lambda content: json.dumps([sound | changes]).encode()


TWO = [
    {"name": "a", "digest": str(n) * 64, "scopes": ["audit"], "created": "2026-01-02"}
    for n in (1, 2)
]
DAMAGED = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "not JSON": lambda content: b"keys",
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "NUL": lambda content: content.replace(b"camera", b"cam\0ra"),
    "deep": lambda content: b"[" * 100_000,
    "null": lambda content: b"null",
    "a number": lambda content: b"7",
    "no keys": lambda content: b"{}",
    "texts": lambda content: b'["a"]',
    "empty key": lambda content: b"[{}]",
    "another field": edited(admin=True),
    "a name that is a number": edited(name=7),
    "no scopes": edited(scopes=[]),
    "scopes in a text": edited(scopes="audit"),
    "an unknown scope": edited(scopes=["audit", "root"]),
    "a scope that is a list": edited(scopes=[["audit"]]),
    "a short digest": edited(digest="0" * 63),
    "a digest of capitals": edited(digest="A" * 64),
    "a digest of null": edited(digest=None),
    "no date": edited(created="yesterday"),
    "a name twice": lambda content: json.dumps(TWO).encode(),
    "a digest twice": lambda content: json.dumps(
        [TWO[0] | {"name": name} for name in "ab"]
    ).encode(),
    "a field twice": lambda content: content.replace(
        b'"name": "door"', b'"name": "a", "name": "b"'
    ),
    "another name": lambda content: content.replace(b"camera", b"camerb"),
    "another scope": lambda content: content.replace(b'"photos"\n', b'"audit"\n'),
    "another version": lambda content: content.replace(b'"version": 2', b'"version": 3'),
    "no checksum": lambda content: json.dumps(
        {k: v for k, v in json.loads(content).items() if k != "sha256"}
    ).encode(),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_line_and_stays_as_it_is(name, filled, capsys):
    filled.path.write_bytes(DAMAGED[name](filled.path.read_bytes()))
    content = filled.path.read_bytes()
    refused(filled, capsys)
    assert filled.path.read_bytes() == content


def refused(keys, capsys):
    for words in (["list"], ["create", "new", "--scope", "audit"], ["delete", "camera"]):
        with pytest.raises(SystemExit) as ended:
            sfumato.cli.main(["keys", words[0], *words[1:], "--keys", str(keys.path)])
        printed = capsys.readouterr()
        assert ended.value.code == 2 and not printed.out
        assert printed.err.count("\n") == 1 and str(keys.path) in printed.err


def test_a_folder_or_a_pipe_in_its_place_is_refused(tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        refused(KeyFile(tmp_path / name), capsys)


def test_a_file_that_cannot_be_read_is_refused(filled, monkeypatch, capsys):
    def deny(path):
        raise PermissionError(13, "Permission denied")

    # Root may read everything.
    monkeypatch.setattr(type(filled.path), "read_bytes", deny)
    refused(filled, capsys)


def test_a_missing_file_is_no_file_without_keys(keys):
    for ask in (keys.read, lambda: keys.delete("a")):
        with pytest.raises(InputError, match="no such file of keys; sfumato keys create makes"):
            ask()
    with pytest.raises(InputError, match="/nowhere does not exist"):
        KeyFile("/nowhere/keys.json").create("a", ["audit"])
    with pytest.raises(SystemExit) as ended:
        sfumato.cli.main(["serve", "--keys", str(keys.path)])
    assert ended.value.code == 2


def test_random_damage_changes_nothing_or_is_refused(filled):
    sound, content = filled.read(), filled.path.read_bytes()
    rng, accepted = np.random.default_rng(7), 0
    for number in range(500):
        damaged = bytearray(content)
        at, to = sorted(rng.integers(len(content), size=2).tolist())
        if number % 4 == 0:
            del damaged[at:]
        elif number % 4 == 1:
            del damaged[at : to + 1]
        elif number % 4 == 2:
            damaged[at], damaged[to] = damaged[to], damaged[at]
        else:
            damaged[at] ^= 1 << int(rng.integers(8))
        filled.path.write_bytes(damaged)
        try:
            assert filled.read() == sound
            accepted += 1
        except InputError as error:
            assert "\n" not in str(error)
    # Only blanks outside of texts may change.
    assert accepted < 100


def test_every_flip_inside_a_digest_or_a_scope_is_refused(filled):
    content = filled.path.read_bytes()
    for key in filled.read():
        for text in (key.digest, key.scopes[0]):
            first = content.index(f'"{text}"'.encode()) + 1
            for at in range(first, first + len(text)):
                for bit in range(8):
                    damaged = bytearray(content)
                    damaged[at] ^= 1 << bit
                    filled.path.write_bytes(damaged)
                    with pytest.raises(InputError):
                        filled.read()


def test_a_file_without_a_checksum_is_read_and_written_with_one(keys):
    old = [{"name": "a b\n", "digest": digest_of("s"), "scopes": ["audit", "audit"],
            "created": "2026-01-02T03:04:05+00:00"}]  # fmt: skip
    keys.path.write_text(json.dumps(old, indent=1) + "\n")
    before = keys.read()
    assert find_key(before, "s") == before[0] and before[0].name == "a b\n"
    keys.create("b", ["photos"])
    assert keys.read()[0] == before[0] and keys.read()[0].id == before[0].id
    assert json.loads(keys.path.read_text())["version"] == 2


def test_a_file_of_a_later_version_is_not_called_damaged(filled):
    filled.path.write_text(json.dumps({"format": "sfumato keys", "version": 3, "all": {}}))
    for act in (filled.read, lambda: filled.create("b", ["photos"])):
        with pytest.raises(InputError, match="version 3, this sfumato reads up to 2; update"):
            act()


def test_a_new_key_of_an_old_name_has_another_id(keys):
    secrets, ids = [], []
    for _ in range(3):
        secrets.append(keys.create("a", ["audit"]))
        ids.append(find_key(keys.read(), secrets[-1]).id)
        keys.delete("a")
    assert len(set(ids)) == 3 and keys.read() == []


def test_a_link_stays_a_link(keys, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "kept" / "keys.json")
    linked = KeyFile(tmp_path / "link.json")
    linked.create("a", ["audit"])
    linked.create("b", ["audit"])
    assert linked.path.is_symlink()
    assert [key.name for key in KeyFile(tmp_path / "kept" / "keys.json").read()] == ["a", "b"]


def test_names_and_scopes(filled):
    assert find_key([], "x") is None
    assert Key("a", "0" * 64, ("audit",), "").allows("audit")
    with pytest.raises(InputError, match="scopes must be some of photos"):
        filled.create("a", ["everything"])
    with pytest.raises(InputError, match="scopes must be some of"):
        filled.create("a", [])
    with pytest.raises(InputError, match="has a key 'camera' already"):
        filled.create("camera", ["audit"])
    with pytest.raises(InputError, match="has no key 'a'"):
        filled.delete("a")
    for name in ("", " ", "a\nb", "\x1b[31m"):
        with pytest.raises(InputError, match="without control characters"):
            filled.create(name, ["audit"])


@pytest.mark.parametrize(
    ("name", "scopes"), [(7, ["audit"]), ("a", "audit"), ("a", 7), ("a", [7])]
)
def test_names_and_scopes_of_a_wrong_type_are_refused(tmp_path, name, scopes):
    with pytest.raises(InputError, match="name must be of type|scopes must be"):
        KeyFile(tmp_path / "keys.json").create(name, scopes)
