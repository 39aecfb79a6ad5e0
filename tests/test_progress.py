"""Bars that show themselves: to whom, and to whom not."""

import io
import os
import pty
import subprocess
import sys
import threading

import numpy as np
import pytest

from sfumato import progress
from sfumato.audit import audit
from sfumato.data.planted import planted
from sfumato.erasers.inlp import InlpEraser
from sfumato.progress import occupied, told

WORK = """
from sfumato import progress
progress.DELAY = 0
with progress.told({asked}, "audit") as tell:
    for n in range(3):
        if tell: tell(n, 3, "k[b]NN\\x1b[31m")
"""


def shown_on_a_terminal(asked="None"):
    """Return what a process writes to a terminal on stderr."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", WORK.format(asked=asked)]
    subprocess.run(command, stderr=theirs, check=True, env=os.environ | {"TERM": "xterm"})
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        return os.read(ours, 1 << 16).decode()
    except (BlockingIOError, OSError):
        return ""
    finally:
        os.close(ours)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that puts what stands for a terminal on stderr; bars appear at once."""

    def watch():
        monkeypatch.setattr(progress, "DELAY", 0)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return watch


def test_a_terminal_shows_a_bar_whose_text_is_text():
    said = shown_on_a_terminal()
    assert "audit: k[b]NN\\x1b[31m" in said and "2/3" in said


@pytest.mark.parametrize("asked", ["False", "print"])
def test_whoever_asks_for_none_sees_none(asked):
    assert shown_on_a_terminal(asked) == ""


def test_pipes_and_quick_work_show_nothing(terminal, monkeypatch):
    screen = terminal()
    monkeypatch.setattr(progress, "DELAY", 60)
    with told(None, "work") as tell:
        tell(1, 2, "")
    assert screen.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with told(None, "work") as tell:
        assert tell is None


def test_a_notebook_is_a_place_where_somebody_looks(monkeypatch):
    class ZMQInteractiveShell:
        pass

    notebook = type("IPython", (), {"get_ipython": staticmethod(ZMQInteractiveShell)})
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with told(None, "work") as tell:
        assert tell is not None


def test_nothing_is_shown_beneath_another_bar_or_callable(terminal):
    terminal()
    for outer in (None, print, False):
        with told(outer, "outer"), told(None, "inner") as inner:
            assert inner is None
    with occupied(), told(None, "inner") as inner:
        assert inner is None
    with told(None, "next") as tell:
        assert tell is not None


def test_threads_show_nothing(terminal):
    terminal()
    found = []

    def work():
        with told(None, "work") as tell:
            found.append(tell)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None]


def test_audits_and_fits_tell(terminal):
    screen = terminal()
    X, y, identity = planted("linear", 60, 2)
    audit(X, y, identity=identity, attackers=["kNN"], n_resamples=10, curve=False)
    assert "audit: kNN on raw embeddings" in screen.getvalue()
    InlpEraser().fit(X, y)
    assert "fit InlpEraser: balanced accuracy" in screen.getvalue()


def test_false_is_silent_and_a_callable_is_called(terminal):
    screen = terminal()
    X, y, identity = planted("linear", 60, 2, seed=1)
    options = {"identity": identity, "attackers": ["kNN"], "n_resamples": 10, "curve": False}
    audit(X, y, progress=False, **options)
    InlpEraser().fit(X, y, progress=False)
    steps = []
    audit(X + np.float64(1), y, progress=lambda *step: steps.append(step), **options)
    assert steps == [(0, 1, "kNN on raw embeddings")] and screen.getvalue() == ""
