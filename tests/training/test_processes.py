"""Two processes train as one does: the same losses, the same weights, one writer."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")
pytest.importorskip("lightning_fabric", reason="needs the extra deep")

from sfumato.errors import InputError  # noqa: E402
from sfumato.readers._training import Rows, train_reader  # noqa: E402
from sfumato.readers.recipes import ReaderRecipe  # noqa: E402
from sfumato.readers.tasks import MISSING, ClassTask  # noqa: E402
from sfumato.training._checkpoints import load_state  # noqa: E402
from sfumato.training.loop import make_fabric  # noqa: E402
from sfumato.training.processes import _reopened, of_batch, own_part  # noqa: E402

# 13 rows in batches of 3 and, the last, of 1: none can be halved.
N, BATCH = 13, 3


class Trunk(torch.nn.Module):
    dimension = 8

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 8)

    def forward(self, x):
        return torch.tanh(self.layer(x))


calls = []


def read(x, log, numbers, train):
    assert x.filename is not None  # Opened in each process, not sent.
    if train:
        calls.append(numbers)
        if log.name.startswith("cut at") and len(calls) == int(log.name.split()[-1]):
            raise InputError("the disk is full.")
        with open(log, "a") as file:
            file.write(f"{len(numbers)}\n")
    return torch.from_numpy(np.array(x[numbers]))


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Return a function that trains on rows in a file, in so many processes."""
    # The processes import this module by its name below the project's folder.
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(N, 4)).astype(np.float32))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    codes = {"a": rng.integers(3, size=N), "b": rng.integers(2, size=N)}
    codes["b"][::2] = MISSING
    codes["b"][:6] = MISSING  # Some batches have no row of it at all.
    guide = rng.normal(size=(N, 2)).astype(np.float32)
    guide[3:7] = np.nan

    def go(devices, folder=None, log="log", progress=None):
        rows = Rows(partial(read, x, tmp_path / log), codes, guide)
        tasks = [ClassTask("a", ("x", "y", "z")), ClassTask("b", ("x", "y"))]
        torch.manual_seed(1)
        recipe = ReaderRecipe(3, BATCH, learning_rate=0.05, accelerator="cpu", devices=devices)
        net, _, history = train_reader(
            Trunk(), tasks, rows, rows, recipe, folder=folder, progress=progress
        )
        return net, history

    return go


@pytest.mark.unshifted(reason="the other process draws from the written seed")
def test_two_processes_train_as_one_does_even_cut_off_in_between(train, tmp_path):
    alone, expected = train(1, folder=tmp_path / "1", log="one")
    assert (tmp_path / "one").read_text().split() == (["3"] * 4 + ["1"]) * 3
    with pytest.raises(InputError, match=r"^the disk is full\.$"):
        train(2, folder=tmp_path / "2", log="cut at 8")
    told = []
    both, history = train(
        2, folder=tmp_path / "2", log="two", progress=lambda *news: told.append(news)
    )
    assert [epoch["loss"] for epoch in history] == pytest.approx(
        [epoch["loss"] for epoch in expected], abs=1e-5
    )
    assert history[-1]["loss"] < history[0]["loss"]
    for name, value in alone.state_dict().items():
        np.testing.assert_allclose(both.state_dict()[name], value, atol=1e-5)
    # Adam forgives gradients that are all too large or too small; what it remembers tells.
    seen, wanted = (load_state(tmp_path / n / "last.safetensors")["parts"] for n in "21")
    for number, state in wanted["optimizer"]["state"].items():
        found = seen["optimizer"]["state"][number]["exp_avg"]
        np.testing.assert_allclose(found, state["exp_avg"], atol=1e-5)
    # The first of three epochs of 5 batches was done; its checkpoint was gone on with.
    assert [news[:2] for news in told] == [(n, 15) for n in range(6, 16)]
    # Of a batch of 3 one process read 2 rows and the other 1; of the last one both its one.
    read = (tmp_path / "two").read_text().split()
    assert sorted(read) == sorted(["2", "1"] * 8 + ["1", "1"] * 2)
    files = [{file.name for file in (tmp_path / name).iterdir()} for name in "12"]
    assert files[0] == files[1]


def test_every_row_is_in_one_part():
    for n_rows, n in ((13, 2), (4, 4), (7, 3), (2, 3)):
        rows = np.arange(100, 100 + n_rows)
        parts = [own_part(rows, SimpleNamespace(world_size=n, global_rank=r)) for r in range(n)]
        assert np.array_equal(np.concatenate(parts)[:n_rows], rows)
        assert {len(part) for part in parts} <= {max(n_rows // n, 1), -(-n_rows // n)}
    assert own_part(rows, None) is rows


def test_the_parts_make_the_batch(monkeypatch):
    def gather(parts, values):
        """Stand in for the other process, which has two of three rows."""
        for part, found in zip(parts, (torch.tensor([[1.0], [2.0]]), values), strict=True):
            part.copy_(found)

    monkeypatch.setattr(torch.distributed, "all_gather", gather)
    own = torch.tensor([[3.0]], requires_grad=True)
    found = of_batch(own, 3, SimpleNamespace(world_size=2, global_rank=1))
    assert found.tolist() == [[1.0], [2.0], [3.0]]
    found.square().sum().backward()
    assert own.grad.tolist() == [[6.0]]


def test_arrays_on_disk_are_opened_and_not_sent(tmp_path):
    x = np.arange(6000, dtype=np.int16).reshape(1000, 3, 2)
    np.save(tmp_path / "x.npy", x)
    opened = np.load(tmp_path / "x.npy", mmap_mode="r")
    for part in (opened, opened[700:], opened[5:6, 1], opened[:0]):
        make, args = _reopened(part)
        assert sum(a.nbytes for a in args if isinstance(a, np.ndarray)) == 0
        assert isinstance(make(*args), np.memmap) or not part.size
        np.testing.assert_array_equal(make(*args), part)
    for part in (opened[:, ::2], opened[[3, 1]], opened[::7]):
        make, args = _reopened(part)
        np.testing.assert_array_equal(make(*args), part)


def test_devices_are_counted_from_one():
    with pytest.raises(InputError, match="devices must be an integer >= 1, got 0"):
        make_fabric("cpu", devices=0)
    assert "devices" not in ReaderRecipe(1, 1, 0.1).settings()
    assert ReaderRecipe(1, 1, 0.1, devices=2).settings()["devices"] == 2
