"""Every public name, method and command is documented, and the README tells the truth."""

import ast
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
import typer.main

import sfumato
from sfumato.cli import app
from sfumato.models.registry import ERASERS, PERTURBERS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCE = Path(sfumato.__file__).parent
#: Public modules: what they offer says its types.
SOURCES = sorted(
    path
    for path in SOURCE.rglob("*.py")
    if not any(part[0] == "_" for part in path.relative_to(SOURCE).with_suffix("").parts)
)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sfumato.__path__, "sfumato.")
    if not module.name.startswith("sfumato.cli.commands")
)


@pytest.mark.parametrize("name", MODULES)
def test_public_names_have_docstrings(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(str(error))
    for label, value in vars(module).items():
        if label.startswith("_") or getattr(value, "__module__", None) != name:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{name}.{label}"
        if inspect.isclass(value):
            for method, function in vars(value).items():
                if not method.startswith("_") and inspect.isfunction(function):
                    assert inspect.getdoc(function), f"{name}.{label}.{method}"


def test_top_level_names_exist():
    for name in sfumato.__all__:
        assert getattr(sfumato, name) is not None
    assert {*sfumato._PUBLIC, "audit", "__version__"} == set(sfumato.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sfumato.nothing


def test_the_package_tells_type_checkers_its_types():
    assert (Path(sfumato.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_public_functions_are_annotated(path):
    tree = ast.parse(path.read_text())
    scopes = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_")]
    for scope in scopes:
        for node in scope.body:
            if isinstance(node, ast.FunctionDef) and node.name[0] != "_":
                given = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                missing = [a.arg for a in given if a.annotation is None]
                assert set(missing) <= {"self", "cls"}, f"{node.name}({', '.join(missing)})"
                assert node.returns is not None, f"{node.name} -> ?"


def commands(group, prefix="sfumato"):
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")


def test_every_command_and_option_has_help():
    import sfumato.cli.commands  # noqa: F401

    found = dict(commands(typer.main.get_command(app)))
    assert {"sfumato audit", "sfumato embed", "sfumato data simulate"} <= set(found)
    for name, command in found.items():
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name} {parameter.name}"


def test_every_method_is_in_the_docs():
    for method in ERASERS:
        assert f"| `{method}` |" in (DOCS / "methods.md").read_text(), method
    for method in PERTURBERS:
        assert f"| `{method}` |" in (DOCS / "photos.md").read_text(), method


@pytest.fixture(scope="module")
def docs_pages():
    spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "scripts/docs_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_read_off_the_program_are_current(docs_pages):
    for name, text in docs_pages.pages().items():
        assert (DOCS / name).read_text() == text, f"{name}: run scripts/docs_pages.py"


def test_a_recorded_benchmark_replaces_what_was_written_of_it(docs_pages, tmp_path, monkeypatch):
    monkeypatch.setattr(docs_pages, "BENCHMARKS", tmp_path)
    old = (
        "Old\n\n| what |\n|---|\n| `leace` fit |\n| `verify` |\n\n(`python -m benchmarks gallery`)"
    )
    (tmp_path / "unrecorded.md").write_text(old)
    assert docs_pages.performance().endswith(old)
    record = '{"benchmark": "%s", "date": "2026-01-02", "machine": {"cores": 2, "python": "3.11", '
    record += (
        '"load_before": 0.1}, "fit": {"seconds": 2.78123, "shape": [3, 4]}, "rows": [{"n": 1}]}'
    )
    for name in ("leace", "gallery"):
        (tmp_path / f"{name}.json").write_text(record % name)
    page = docs_pages.performance()
    assert "| `fit.seconds` | 2.781 |\n| `fit.shape` | 3, 4 |\n| `rows.0.n` | 1 |" in page
    assert "on 2026-01-02: 2 cores, Python 3.11, load before 0.1." in page
    assert page.endswith("Old\n\n| what |\n|---|\n| `verify` |")


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            # The site has the changelog as a page; its text is the project's.
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_site_leads_to_every_page():
    nav = (ROOT / "zensical.toml").read_text()
    named = set(re.findall(r'"([a-z-]+\.md)"', nav))
    assert named == {page.name for page in DOCS.glob("*.md")}


def numbers(value):
    """Yield all numbers of a record."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield float(value)


def rows_without_a_record(pages, records):
    """Return table rows whose figures of three or four places are not all in one record."""
    known = [np.unique(np.abs(list(numbers(json.loads(p.read_text()))))) for p in records]
    lost = []
    for line in (line for page in pages for line in page.read_text().splitlines()):
        texts = re.findall(r"(?<![\d.])\d\.\d{3,4}(?![\d.])", line)
        if line.startswith("|") and texts:
            # The last place is rounded, halves either way.
            told = [(float(text), 0.5001 * 10.0 ** (2 - len(text))) for text in texts]
            if not any(
                all((abs(values - number) <= slack).any() for number, slack in told)
                for values in known
            ):
                lost.append(line)
    return lost


def test_figures_in_tables_come_from_a_record(tmp_path):
    records = [DOCS / "figures.json", *DOCS.glob("results/**/*.json")]
    # These are written from records; one has published figures in its rows.
    written = ("published.md", "performance.md")
    pages = [page for page in DOCS.glob("*.md") if page.name not in written]
    assert not rows_without_a_record([ROOT / "README.md", *pages], records)
    stale = tmp_path / "stale.md"
    stale.write_text("| `leace` | 0.9661 | 0.1234 | 0.5678 |\n")
    assert len(rows_without_a_record([stale], records)) == 1


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial-audit.md", "docs/add-a-method.md"])
def test_the_code_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people = sfumato.simulate(80, 4)
    np.save("templates.npy", people["embedding"])
    np.save("gender.npy", people["gender"].astype(str))
    names = {}
    codes = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    for code in codes:
        exec(compile(code, name, "exec"), names)
    assert codes and (list(tmp_path.glob("*.html")) or "found" in names)


def test_every_command_line_in_the_docs_exists():
    import sfumato.cli.commands  # noqa: F401

    known = dict(commands(typer.main.get_command(app)))
    n_lines = 0
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        if page.name == "commands.md":
            continue
        for line in command_lines(page.read_text()):
            n_lines += 1
            check_line(line, known, page.name)
    assert n_lines > 60


def command_lines(text):
    """Return the lines in blocks, and the code in sentences, that call ``sfumato``."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    return [line for line in lines + spans if line.startswith("sfumato ")]


def check_line(line, known, page):
    words = line.split("#")[0].split()
    name = max((n for n in known if words[: n.count(" ") + 1] == n.split()), key=len, default="")
    options = {"--debug", "--version", "--help", "--install-completion"}
    if name:
        options |= {opt for p in known[name].params for opt in (*p.opts, *p.secondary_opts)}
    given = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    assert name or given, f"{page}: {line}"
    assert set(given) <= options, f"{page}: {line}: {set(given) - options}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
