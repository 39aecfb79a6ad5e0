"""What a task's loss counts, and the training of several tasks at once."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.readers._training import Rows, task_weight, train_reader  # noqa: E402
from sfumato.readers.recipes import ReaderRecipe  # noqa: E402
from sfumato.readers.tasks import ClassTask  # noqa: E402


def test_task_weight_by_hand():
    # 128 rows a batch, a quarter of them labelled: 32, which is enough; a tenth counts 0.1.
    assert task_weight(np.array([0, -1, -1, -1]), 128) == 1
    assert task_weight(np.array([0, *[-1] * 39]), 128) == pytest.approx(0.1)
    assert task_weight(np.array([0, 1]), 512) == 1


class Trunk(torch.nn.Module):
    dimension = 8

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 8)

    def forward(self, x):
        return self.layer(x).relu()


def test_a_rare_task_weighs_little_in_the_loss():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(256, 4)).astype(np.float32))
    codes = {"often": rng.integers(2, size=256), "rare": np.full(256, -1)}
    codes["rare"][:4] = [0, 1, 0, 1]
    rows = Rows(lambda numbers, train: x[numbers], codes)
    tasks = [ClassTask(name, ("a", "b")) for name in codes]
    recipe = ReaderRecipe(1, 64, learning_rate=1e-9, accelerator="cpu")
    _, _, history = train_reader(Trunk(), tasks, rows, rows, recipe)
    # The rare one has one label a batch of 64, of 32 that are enough: its log 2 counts 1/32.
    assert history[0]["loss"] == pytest.approx(0.75, abs=0.2)
