"""Every public name, method and command is documented, and the README tells the truth."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
import typer.main

import sfumato
from sfumato.cli import app
from sfumato.models.registry import ERASERS, PERTURBERS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
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


def test_every_command_and_method_is_in_the_readme():
    import sfumato.cli.commands  # noqa: F401

    for name, command in commands(typer.main.get_command(app)):
        if not hasattr(command, "commands"):
            assert name in README, name
    for method in (*ERASERS, *PERTURBERS):
        assert f"`{method}`" in README, method


def test_the_readmes_first_lines_do_the_job(tmp_path, monkeypatch):
    import numpy as np

    monkeypatch.chdir(tmp_path)
    data = sfumato.simulate(80, 4)
    np.save("templates.npy", data["embedding"])
    np.save("gender.npy", data["gender"].astype(str))
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "report.html").exists()
