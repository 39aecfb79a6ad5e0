"""``sfumato methods`` and ``sfumato --version``."""

import json

from typer.testing import CliRunner

import sfumato
from sfumato.cli import app
from sfumato.cli import commands as _  # noqa: F401
from sfumato.models.registry import ERASERS, PERTURBERS


def run(*arguments):
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    return found.stdout


def test_every_method_says_what_it_does():
    found = json.loads(run("methods", "--json"))
    assert [method["name"] for method in found] == [*ERASERS, *PERTURBERS]
    assert all(len(method["summary"]) > 20 and "[" not in method["summary"] for method in found)
    assert "barycentre" in run("methods")


def test_the_version_is_told():
    assert run("--version").split() == ["sfumato", sfumato.__version__]
