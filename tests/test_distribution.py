"""What a wheel and a source archive hold: everything that runs, and no face of anybody."""

import re
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import sfumato

ROOT = Path(__file__).parents[1]
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".heic", ".parquet", ".npy", ".npz"}


def needed():
    """Return every file of the package that is no code, as git has them: by folder."""
    package = ROOT / "src" / "sfumato"
    return {
        path.relative_to(ROOT / "src").as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the names in a wheel and in a source archive; nothing is downloaded."""
    pytest.importorskip("hatchling", reason="needs hatchling, which builds sfumato")
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    folder = str(tmp_path_factory.mktemp("dist"))
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=folder, versions=["standard"])
    (archive,) = SdistBuilder(str(ROOT)).build(directory=folder, versions=["standard"])
    with zipfile.ZipFile(wheel) as packed, tarfile.open(archive) as tarred:
        return packed.namelist(), tarred.getnames()


def test_the_wheel_holds_the_package_and_nothing_else(built):
    wheel, _ = built
    assert needed() <= {*wheel}
    parts = {PurePosixPath(name).parts[0] for name in wheel}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert parts == {"sfumato", f"sfumato-{version}.dist-info"}
    for name in ("py.typed", "audit/templates/report.html.j2", "service/page/index.html"):
        assert f"sfumato/{name}" in wheel
    assert sum(name.endswith(".safetensors") for name in wheel) >= 5


def test_no_face_is_shipped(built):
    for names in built:
        assert not [name for name in names if PurePosixPath(name).suffix.lower() in PICTURES]


def test_the_archive_holds_what_a_build_needs(built):
    _, archive = built
    names = {name.partition("/")[2] for name in archive}
    assert {"pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "SECURITY.md"} <= names
    assert {f"src/{name}" for name in needed()} <= names


def test_the_version_is_stated_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"version: {project['version']}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.fullmatch(r"\d+\.\d+\.\d+|0\+unknown", sfumato.__version__)
    stated = [path for path in (ROOT / "src").rglob("*.py") if "__version__ =" in path.read_text()]
    assert stated == []
