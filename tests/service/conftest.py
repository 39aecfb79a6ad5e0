"""A service and a browser for the tests of the web page, both started once."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = os.environ.get("SFUMATO_CHROMIUM") or shutil.which("chromium")
ARGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
# One quick attacker, in the workers too: the page shows what it gets.
SERVER = """
import sfumato.audit.attackers
from stand_ins import PageStandIns
from sfumato.service.app import Settings
from sfumato.service.run import run
sfumato.audit.attackers.NAMES = ("logistic regression",)
if __name__ == "__main__":
    settings = Settings(models=PageStandIns(), workers=1)
    run(settings, "127.0.0.1", 0, say=lambda text: print(text, flush=True))
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Return the address of a running service."""
    script = tmp_path_factory.mktemp("server") / "server.py"
    script.write_text(SERVER)
    path = f"{Path(__file__).parents[1]}:{':'.join(sys.path)}"
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    try:
        line = process.stdout.readline()
        assert line, "the service does not start"
        found = re.search(r"http://[\d.:]+/", line)[0]
        deadline = time.monotonic() + 120
        while not _ready(found):
            assert time.monotonic() < deadline, "the service does not get ready"
            time.sleep(0.1)
        yield found
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _ready(address):
    try:
        with urllib.request.urlopen(f"{address}readyz"):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def browser():
    """Return Chromium, started once.

    It ends with its tests: playwright keeps an event loop running, which others cannot share.
    """
    if CHROMIUM is None:
        pytest.skip("needs Chromium; name it in SFUMATO_CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """Return the page, which must ask nobody but the service, and complain of nothing."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#hides input")
    yield page
    context.close()
    # Chromium notes every answer that is an error; those are what some tests are about.
    assert [text for text in said if "the server responded with a status" not in text] == []
    assert {u for u in asked if not u.startswith((address, f"blob:{address}", "data:"))} == set()
