"""The main job through the command line, as a user types it."""

import contextlib
import io
import json
from types import SimpleNamespace

import pytest

from sfumato.cli import main, output


def sfumato(*arguments, code=0):
    """Run the entry point in this process: a new one takes seconds to import everything."""
    stdout, stderr = io.StringIO(), io.StringIO()
    captured = contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr)
    with captured[0], captured[1], pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    done = SimpleNamespace(stdout=stdout.getvalue(), stderr=stderr.getvalue())
    assert (ended.value.code or 0) == code, done
    return done


@pytest.fixture(autouse=True, scope="module")
def wide():
    with pytest.MonkeyPatch.context() as patch:
        for console in (output.results, output.errors):
            patch.setattr(console, "width", 200)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    people = folder / "people.parquet"
    sfumato("data", "simulate", "-o", people, "--identities", 240, "--images-per-identity", 4)
    sfumato("fit", "leace", people, "--attribute", "gender", "-o", folder / "leace")
    sfumato("protect", folder / "leace", people, "-o", folder / "protected.parquet")
    return folder


def test_audit_writes_json_alone_on_stdout_and_a_report(folder):
    done = sfumato(
        *("audit", folder / "people.parquet", "--attribute", "gender", "--json"),
        *("--protected", folder / "protected.parquet", "-o", folder / "report.html"),
        *("--attacker", "logistic regression", "--attacker", "quadratic discriminant"),
    )
    gender = json.loads(done.stdout)["attributes"]["gender"]
    assert gender["chance"] == 0.5 and gender["strongest"] in gender["attackers"]
    for attack in gender["attackers"].values():
        assert attack["ci95"][0] <= attack["balanced_accuracy"] <= attack["ci95"][1]
    assert gender["attackers"] == gender["after"]["attackers"]
    assert {"alarms", "before", "reduction", "verification"} <= set(gender)
    assert "original-protected" in gender["verification"]
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert "Report:" in done.stderr


def test_audit_prints_a_table(folder):
    done = sfumato(
        *("audit", folder / "people.parquet", "-a", "gender", "--attacker", "similarity")
    )
    assert "balanced accuracy" in done.stdout and "similarity" in done.stdout


def one_line(text):
    """Return a text without line breaks: a table's caption breaks where its columns end."""
    return " ".join(text.split())


def test_audit_prints_a_row_for_each_of_several_tables(folder, tmp_path):
    raw, protected = folder / "people.parquet", folder / "protected.parquet"
    twin = tmp_path / "twin.parquet"
    twin.write_bytes(protected.read_bytes())
    quick = ("-a", "gender", "--attacker", "similarity", "--no-curve", "--purpose", "a [b]test")
    done = sfumato("audit", raw, protected, "--protected", twin, *quick)
    assert "(raw)" in done.stdout and done.stdout.count("similarity") == 3
    done = sfumato("audit", raw, protected, twin, *quick, "--json")
    found = json.loads(done.stdout)
    assert list(found) == ["schema_version", "protected"]
    assert list(found["protected"]) == [str(protected), str(twin)]
    for audits in found["protected"].values():
        assert audits["attributes"]["gender"]["basis"] == {"purpose": "a [b]test"}
    done = sfumato("audit", raw, protected, twin, *quick, "-o", tmp_path / "many.html", code=2)
    assert "--output goes with one protected table" in done.stderr


def test_audit_and_verify_print_floors_and_groups(folder):
    tables = folder / "people.parquet", "--protected", folder / "protected.parquet"
    done = sfumato(
        *("audit", *tables, "-a", "gender", "--by", "race,gender", "--given", "race"),
        *("--attacker", "quadratic discriminant"),
    )
    for text in (
        "perfect eraser",
        "FNMR@1e-2",
        "by race x gender",
        "no leakage",
        "goes with race",
    ):
        assert text in one_line(done.stdout), done.stdout
    done = sfumato("verify", *tables, "-a", "gender", "-a", "race", "--resamples", 20)
    assert "the cost of a perfect eraser" in one_line(done.stdout)


def test_fit_and_protect_print_json(folder, tmp_path):
    people = folder / "people.parquet"
    fitted = json.loads(
        sfumato(
            *("fit", "leace", people, "-a", "gender", "-a", "race", "-o", tmp_path / "m"),
            *("--json", "--set", "rtol=0.001", "--rows", "all"),
        ).stdout
    )
    assert fitted["attributes"] == ["gender", "race"]
    assert fitted["fitted_on"]["n_rows"] == 960
    done = sfumato("protect", tmp_path / "m", people, "-o", tmp_path / "p.parquet", "--json")
    assert json.loads(done.stdout)["fingerprint"] == fitted["fingerprint"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("audit none.parquet -a gender", "none.parquet: no such file."),
        ("audit people.parquet -a mood", "unknown label column 'mood'; it has: gender, race."),
        ("fit leech people.parquet -a gender -o m", "method must be one of "),
        ("fit leace people.parquet -a gender -o leace", "leace exists already"),
        ("fit leace people.parquet -a gender -o m --set a", "--set takes name=value, got 'a'."),
        ("protect leace protected.parquet -o p", "cannot go through leace, which was fitted on"),
        ("protect people.parquet people.parquet -o p", "not a readable safetensors file"),
        ("verify none.parquet", "none.parquet: no such file."),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder, arguments, message, monkeypatch):
    monkeypatch.chdir(folder)
    done = sfumato(*arguments.split(), code=2)
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1 and message in lines[0]
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_sweep_picks_within_the_budget(folder):
    done = sfumato(
        *(
            "sweep",
            "cosine-noise",
            folder / "people.parquet",
            "-a",
            "gender",
            "--values",
            "0.9,0.5",
        ),
        *("--attacker", "quadratic discriminant", "--max-fnmr", 1.0, "--json"),
        *("--plot", folder / "curve.png"),
    )
    found = json.loads(done.stdout)
    assert [point["value"] for point in found["points"]] == [None, 0.9, 0.5]
    assert found["picked"]["leakage"] == min(point["leakage"] for point in found["points"])
    assert (folder / "curve.png").read_bytes()[:4] == b"\x89PNG"
    done = sfumato("sweep", "leace", folder / "people.parquet", "-a", "gender", code=2)
    assert "LeaceEraser has no strength to sweep over" in done.stderr
