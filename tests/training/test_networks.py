"""The loop for networks: resuming is exact, the best weights are kept, figures are right."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.training._checkpoints import load_state  # noqa: E402
from sfumato.training.networks import Schedule, draw_history, train_networks  # noqa: E402

N = 50


def task(seed=0):
    """Return a step, a validation and the parts of a small network with dropout and Adam."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(N, 4))).float()
    y = (x[:, :1] > 0).float()
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(), torch.nn.Linear(8, 1)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)

    def step(rows, at):
        net.train()
        rows = torch.from_numpy(rows)
        loss = (net(x[rows] + 0.1 * torch.randn(len(rows), 4)) - y[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss.item(), "at": at}

    def validate():
        net.eval()
        with torch.no_grad():
            return {"score": -(net(x) - y).square().mean().item()}

    return step, validate, {"net": net, "optimizer": optimizer}


def weights(parts):
    return {name: value.clone() for name, value in parts["net"].state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns_and_leaves_the_global_generator_alone():
    step, validate, parts = task()
    state = torch.random.get_rng_state()
    history = train_networks(step, validate, parts, N, Schedule(20, 16))
    assert torch.equal(state, torch.random.get_rng_state())
    assert history[-1]["score"] > history[0]["score"] + 0.05
    assert [epoch["epoch"] for epoch in history] == list(range(20))


def test_interrupted_anywhere_it_ends_the_same(tmp_path):
    step, validate, parts = task()
    whole = train_networks(step, validate, parts, N, Schedule(4, 16))
    expected = weights(parts)
    for cut in (1, 5, 9):  # in the first, second and third epoch
        step, validate, parts = task()
        left = [cut]

        def cut_off(rows, at, step=step, left=left):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return step(rows, at)

        schedule = Schedule(4, 16, seconds_a_checkpoint=0)
        folder = tmp_path / str(cut)
        with pytest.raises(KeyboardInterrupt):
            train_networks(cut_off, validate, parts, N, schedule, folder=folder)
        step, validate, parts = task()
        again = train_networks(step, validate, parts, N, schedule, folder=folder)
        assert same(weights(parts), expected)
        assert again == whole


SCRIPT = """
import sys, time
sys.path.insert(0, {here!r})
from test_networks import N, Schedule, task, train_networks
step, validate, parts = task()
def slow(rows, at):
    # Who kills it comes before the end, however late.
    time.sleep(0.02 if at < 0.5 else 1)
    return step(rows, at)
schedule = Schedule(12, 8, seconds_a_checkpoint=0)
train_networks(slow, validate, parts, N, schedule, folder={folder!r})
"""


@pytest.mark.unshifted(reason="the process that is killed draws from the written seed")
def test_killed_and_resumed_it_has_the_weights_of_an_uninterrupted_run(tmp_path):
    schedule = Schedule(12, 8, seconds_a_checkpoint=0)
    step, validate, parts = task()
    train_networks(step, validate, parts, N, schedule)
    expected, folder = weights(parts), tmp_path / "run"
    script = SCRIPT.format(here=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if (folder / "last.safetensors").is_file():
            # The file may be replaced while it is read.
            with suppress(InputError, RuntimeError):
                if load_state(folder / "last.safetensors")["progress"]["epoch"] >= 2:
                    break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    step, validate, parts = task()
    train_networks(step, validate, parts, N, schedule, folder=folder)
    assert same(weights(parts), expected)


@pytest.mark.parametrize("on_disk", [False, True])
def test_best_weights_are_kept_and_a_stale_run_stops(tmp_path, on_disk):
    step, _, parts = task()
    scores, seen = iter([0.1, 0.9, 0.5, 0.5, 0.7, 0.95]), []

    def validate():
        seen.append(weights(parts))
        return {"score": next(scores)}

    folder = tmp_path if on_disk else None
    history = train_networks(step, validate, parts, N, Schedule(9, 16, patience=3), folder=folder)
    assert len(history) == 5
    assert same(weights(parts), seen[1]) and not same(seen[1], seen[-1])


def test_figures_are_means_over_rows(tmp_path):
    def step(rows, at):
        return {"rows": float(np.mean(rows)), "at": at}

    history = train_networks(
        step, lambda: {"score": 1.0}, {"net": torch.nn.Linear(1, 1)}, N, Schedule(2, 16)
    )
    assert history[0]["rows"] == pytest.approx((N - 1) / 2)
    assert history[0]["at"] < 0.5 <= history[1]["at"] < 1


def test_log_and_curves(tmp_path):
    step, validate, parts = task()
    schedule = Schedule(2, 16)
    history = train_networks(
        step, validate, parts, N, schedule, folder=tmp_path, settings={"lr": 0.02}
    )
    log = json.loads((tmp_path / "log.json").read_text())
    assert log["history"] == history and log["settings"]["lr"] == 0.02
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    titles = [axes.get_title() for axes in draw_history(history).axes]
    assert titles == ["loss", "at", "score"]
    step, validate, parts = task()
    with pytest.raises(InputError, match=r"other settings \(lr\)"):
        train_networks(step, validate, parts, N, schedule, folder=tmp_path, settings={"lr": 1})


def test_divergence_is_said():
    _, validate, parts = task()
    with pytest.raises(InputError, match="diverged .loss is nan."):
        train_networks(lambda rows, at: {"loss": np.nan}, validate, parts, N, Schedule(1, 16))
