"""What a shell sees: one line an error, exit codes, and text that stays text."""

import ast
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sfumato.cli
from sfumato.cli import output
from sfumato.cli.output import printable
from sfumato.data.info import TableInfo
from sfumato.data.tables import table_batch, write_table

ODD = ["[/i]", "[bold]x", "a\x1b[31mred", "two\nlines", "\u202eright to left", "[link=x]y[/link]"]


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments, code=0):
    """Run the entry point in this process: a new one takes seconds to import everything."""
    stdout, stderr = io.StringIO(), io.StringIO()
    captured = contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr)
    with captured[0], captured[1], pytest.raises(SystemExit) as ended:
        sfumato.cli.main([*map(str, arguments)])
    done = Done(ended.value.code or 0, stdout.getvalue(), stderr.getvalue())
    assert done.returncode == code, done
    return done


def run_alone(*arguments, code, file_bytes):
    """Run the command in a process that may write no larger file."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    done = subprocess.run(
        [sys.executable, "-m", "sfumato", *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


@pytest.fixture(autouse=True, scope="module")
def wide():
    with pytest.MonkeyPatch.context() as patch:
        for console in (output.results, output.errors):
            patch.setattr(console, "width", 200)
        yield


def write_people(path, *, labels=("f", "m"), column="gender", n_people=60):
    rng = np.random.default_rng(0)
    who = np.repeat([f"p{n}" for n in range(n_people)], 2)
    y = np.where(np.arange(len(who)) // 2 % 2, labels[1], labels[0])
    X = rng.standard_normal((len(who), 8)) + 2 * (y == labels[1])[:, None] * np.eye(8)[0]
    ids = [f"i{n}" for n in range(len(who))]
    batch = table_batch({"image_id": ids, "identity": who, column: y, "embedding": X})
    info = TableInfo(source="drawn", encoder="e", dimension=8)
    write_table(path, [batch], batch.schema, info)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, wide):
    folder = tmp_path_factory.mktemp("entry")
    write_people(folder / "people.parquet")
    run("fit", "leace", folder / "people.parquet", "-a", "gender", "-o", folder / "model")
    return folder


def one_line(done):
    lines = done.stderr.strip().splitlines()
    assert len([line for line in lines if line.startswith("Error")]) == 1
    assert "Traceback" not in done.stderr
    return lines[-1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("data describe none.parquet", 2, "Error: none.parquet: no such file."),
        ("nonsense", 2, "No such command"),
        ("fit leace people.parquet -a gender -o people.parquet --force", 2, "is an input of this"),
        ("fit leace people.parquet -a gender -o model", 2, "exists already"),
        ("fit leace people.parquet -a gender -o no/model", 2, "the folder no does not exist"),
        ("fit leace people.parquet -a gender -o .", 2, "is a folder"),
    ],
)
def test_bad_input_is_one_line_and_two(folder, arguments, code, message, monkeypatch):
    monkeypatch.chdir(folder)
    done = run(*arguments.split(), code=code)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_one_line_and_three(folder):
    arguments = (
        "protect",
        folder / "model",
        folder / "people.parquet",
        "-o",
        folder / "full.parquet",
    )
    done = run_alone(*arguments, code=3, file_bytes=1000)
    assert "full.parquet: files may not grow so large here (EFBIG); raise" in one_line(done)
    assert not (folder / "full.parquet").exists()
    assert "Traceback" in run_alone(*arguments, "--debug", code=3, file_bytes=1000).stderr


def test_a_bug_is_one_line_and_three(capsys, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("a\nb")

    monkeypatch.setattr(sfumato.cli, "app", broken)
    with pytest.raises(SystemExit) as ended:
        sfumato.cli.main(["data"])
    assert ended.value.code == 3
    assert "RuntimeError: a b (--debug prints where)." in capsys.readouterr().err


@pytest.mark.parametrize("odd", ODD)
def test_text_of_the_users_stays_text(tmp_path, odd):
    name = odd.replace("/", "|").replace("\0", "")
    people = write_people(tmp_path / f"{name}.parquet", labels=("f", odd), column=f"sex {name}")
    done = run("data", "describe", people)
    shown = done.stdout + done.stderr
    assert "\x1b" not in shown and "\u202e" not in shown
    assert printable(people) in shown and f"{printable(odd)} 60" in shown.replace("\n", "")
    model, protected = tmp_path / f"model {name}", tmp_path / f"out {name}.parquet"
    run("fit", "leace", people, "-a", f"sex {name}", "-o", model)
    run("protect", model, people, "-o", protected)
    done = run("audit", people, "-a", f"sex {name}", "--attacker", "similarity")
    assert printable(f"sex {name}") in done.stdout
    missing = f"nothing {name}"
    assert printable(missing) in run("data", "describe", missing, code=2).stderr


@given(st.text(st.characters(exclude_categories=[])))
@settings(max_examples=200)
def test_nothing_printed_steers_the_terminal(text):
    shown = printable(text)
    assert shown.isprintable() or not text.isprintable() and "\x1b" not in shown
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)


def test_only_one_module_prints():
    # A Rich console or table elsewhere would take the user's text for markup.
    for path in Path(sfumato.cli.__file__).parent.glob("*.py"):
        if path.name in ("output.py", "pictures.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("results.print", "errors.print", "Table"), path.name


def test_json_is_alone_on_stdout(folder):
    done = run("data", "describe", folder / "people.parquet", "--json")
    assert done.stdout.startswith("{")


@pytest.mark.parametrize("seed", ["-1", "three", "1.5", 2**32, 2**70])
@pytest.mark.parametrize(
    "command",
    [
        ("fit", "leace", "t.parquet", "-a", "gender", "-o", "m"),
        ("audit", "t.parquet", "-a", "gender"),
        ("sweep", "ldp-noise", "t.parquet", "-a", "gender"),
        ("verify", "t.parquet"),
        ("demo", "-o", "demo"),
        ("data", "simulate", "-o", "s.parquet"),
        ("gallery", "calibrate", "g", "t.parquet"),
    ],
    ids=lambda command: command[0],
)
def test_a_seed_that_not_all_take_is_bad_input(command, seed):
    assert "Invalid value for '--seed'" in run(*command, "--seed", seed, code=2).stderr


def test_a_name_too_long_for_the_disk_is_bad_input(tmp_path):
    output = tmp_path / ("n" * 300)
    done = run("data", "simulate", "--identities", 3, "-o", output, code=2)
    assert "File name too long (give a shorter name)." in done.stderr


def test_a_parameter_of_thousands_of_digits_is_bad_input(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(f"rtol = {'9' * 5000}")
    table = tmp_path / "t.parquet"
    run("data", "simulate", "--identities", 30, "-o", table)
    for option in (["--set", f"rtol={'9' * 5000}"], ["--config", config]):
        run("fit", "leace", table, "-a", "gender", "-o", tmp_path / "m", *option, code=2)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (["embedding"], "embedding is no label"),
        (["identity"], "identity is no label"),
        (["gender", "gender"], "attribute gender is given twice"),
    ],
)
def test_what_is_no_attribute_is_bad_input(tmp_path, attributes, message):
    table = tmp_path / "t.parquet"
    run("data", "simulate", "--identities", 30, "-o", table)
    options = [text for name in attributes for text in ("-a", name)]
    assert message in run("fit", "leace", table, *options, "-o", tmp_path / "m", code=2).stderr
    assert message in run("audit", table, *options, code=2).stderr


def test_an_infinite_number_is_described_and_told(tmp_path):
    n = 20
    columns = {"image_id": [f"i{k}" for k in range(n)], "age": [*np.arange(n - 1.0), np.inf]}
    batch = table_batch(columns)
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo())
    found = json.loads(run("data", "describe", tmp_path / "t.parquet", "--json", code=1).stdout)
    assert found["labels"]["age"]["max"] == n - 2
    assert not found["sound"]
    assert found["hints"] == ["age: 1 infinite values; no method takes them, correct them."]


def test_a_reader_that_has_gone_is_no_reject(folder):
    # A pipe without a reader: print fails with EPIPE.
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sfumato", "data", "describe", folder / "people.parquet"],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("method", ["leace", "ldp-noise"])
def test_an_infinite_age_is_bad_input(tmp_path, method):
    n = 60
    ages = np.arange(n) + 18.5
    ages[7] = np.inf
    X = np.random.default_rng(0).normal(size=(n, 16))
    batch = table_batch({"image_id": [f"i{k}" for k in range(n)], "age": ages, "embedding": X})
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(dimension=16))
    done = run("fit", method, tmp_path / "t.parquet", "-a", "age", "-o", tmp_path / "m", code=2)
    assert "age holds inf; correct it or leave it empty." in one_line(done)


def test_ages_that_stand_as_text_are_hinted_at_by_audit_and_fit(tmp_path):
    n = 300
    ages = [f"{18 + k % 50}.0" for k in range(n)]
    X = np.random.default_rng(0).normal(size=(n, 16))
    batch = table_batch({"image_id": [f"i{k}" for k in range(n)], "age": ages, "embedding": X})
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(dimension=16))
    done = run("audit", tmp_path / "t.parquet", "-a", "age", "-o", tmp_path / "r.html", code=2)
    refused = one_line(done)
    assert "age: class '18.0' has" in refused and " y" not in refused.partition("people")[0]
    assert "50 classes that look like numbers, such as '18.0', stand as text" in refused
    # So many classes in 16 dimensions leave nothing of the rows; cosine-noise takes them.
    for method, code in (("leace", 2), ("cosine-noise", 0)):
        done = run(
            "fit", method, tmp_path / "t.parquet", "-a", "age", "-o", tmp_path / "m", code=code
        )
        assert "store them as numbers, or write groups" in " ".join(done.stderr.split()), method


def test_help_tells_every_exit_code():
    shown = " ".join(run("--help").stdout.replace("│", " ").split())
    assert "130 interrupted (Ctrl-C)" in shown and "2 bad input" in shown


# Sends the process an interrupt as soon as it imports a library.
INTERRUPTED = """
import os, runpy, signal, sys
class Finder:
    def find_spec(name, *_):
        if name == {name!r}:
            sys.meta_path.remove(Finder)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
sys.argv = ["sfumato", "--help"]
{more}
runpy.run_module("sfumato", run_name="__main__")
"""


@pytest.mark.parametrize("name", ["typer", "rich.console", "numpy", "sfumato.cli.verify"])
def test_an_interrupt_while_libraries_are_imported_is_one_line(name):
    script = INTERRUPTED.format(name=name, more="")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "Error: interrupted.\n"


def test_an_interrupt_that_is_ignored_stays_so():
    script = INTERRUPTED.format(name="typer", more="signal.signal(signal.SIGINT, signal.SIG_IGN)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode != 130 and "Traceback" not in done.stderr
