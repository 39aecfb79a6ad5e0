"""The search for the numbers of a soft change, picture by picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sfumato.perturbers._soft_fields import SHAPES, apply_fields, blur, make_fields
from sfumato.perturbers._soft_readers import draw_views, log_odds, machine, ssim_of

# Of Adam, on numbers that tanh bounds.
LEARNING_RATE = 0.12
N_VIEWS = 3
# Of the log-odds of a reader of pixels, and of templates, whose matcher resists.
READER_WEIGHT = {False: 1.5, True: 4.0}
# Weights of a template's distance and of a likeness beyond their bounds, and of the numbers'
# squares.
MATCH_WEIGHT, LIKENESS_WEIGHT, DECAY = 120.0, 400.0, 0.02


@dataclass(frozen=True)
class Goal:
    """What readers should say of a picture, and how far it may move.

    Parameters
    ----------
    show, keep : mapping of str to str
        Classes by attribute: to show, and to leave readable.
    margin : float
        Log-odds that readers should reach for the class to show; 0 is undecided.
    distance : float
        Of a matcher's template to the original's, at most.
    likeness : float
        SSIM to the original, at least.
    """

    show: Mapping[str, str]
    keep: Mapping[str, str]
    margin: float
    distance: float
    likeness: float


def search_fields(
    x: Tensor, goal: Goal, readers: Sequence[str], amount: float, n_steps: int, seed: int
) -> Tensor:
    """Return the fields that bring a picture to its goal, shape (6, size, size).

    Parameters
    ----------
    x : Tensor of shape (1, 3, size, size)
    goal : Goal
    readers : sequence of str
        Names of :func:`~sfumato.perturbers._soft_readers.machine`.
    amount : float > 0
        Times the bounds of the fields.
    n_steps : int
    seed : int
        Of the views.
    """
    rng = torch.Generator().manual_seed(seed)
    blurred = blur(x)
    seen = [_Seen(name, x, goal) for name in readers]
    numbers = {name: torch.zeros(shape, requires_grad=True) for name, shape in SHAPES.items()}
    adam = torch.optim.Adam(numbers.values(), lr=LEARNING_RATE, betas=(0.9, 0.95))
    for step in range(n_steps):
        for group in adam.param_groups:
            group["lr"] = LEARNING_RATE * (1 - 0.8 * step / n_steps)
        changed = apply_fields(x, make_fields(numbers, amount, blurred))
        loss = sum(one.loss(changed, goal, rng, step) for one in seen) / len(seen)
        loss = loss + LIKENESS_WEIGHT * functional.relu(goal.likeness - ssim_of(x, changed))
        loss = loss + DECAY * sum((values**2).sum() for values in numbers.values()) / 10
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        return make_fields(numbers, amount, blurred)


class _Seen:
    """One machine and what it says of the original."""

    def __init__(self, name: str, x: Tensor, goal: Goal) -> None:
        self.machine = machine(name)
        image = (255 * x[0]).round().byte().permute(1, 2, 0).numpy()
        self.place = self.machine.place(image)
        with torch.no_grad():
            logits, self.template = self.machine.see(x, self.place)
            self.before = {
                name: log_odds(self.machine.tasks, logits, name, shown)
                for name, shown in goal.keep.items()
            }

    def loss(self, changed: Tensor, goal: Goal, rng: torch.Generator, step: int) -> Any:
        """Return what a changed picture lacks.

        Machines that match are slow: they see the picture itself and a view of it in turn, the
        one says how far its template went, either what is read.
        """
        itself = self.machine.matches and step % 2 == 0
        views = changed
        if not itself:
            views = draw_views(changed, N_VIEWS - 2 * self.machine.matches, rng)
        logits, template = self.machine.see(views, self.place)
        found: Any = 0.0
        for name, shown in goal.show.items():
            odds = log_odds(self.machine.tasks, logits, name, shown)
            if odds is None:
                continue
            miss = goal.margin - odds
            lack = functional.relu(miss) if goal.margin else miss.abs()
            found = found + READER_WEIGHT[self.machine.matches] * lack.mean()
        for name, shown in goal.keep.items():
            odds = log_odds(self.machine.tasks, logits, name, shown)
            if odds is not None:
                found = found + functional.relu(self.before[name].clamp(max=1) - odds).mean()
        if itself:
            distance = (template - self.template).norm(dim=1)
            found = found + MATCH_WEIGHT * functional.relu(distance - goal.distance).mean()
        return found


def read_odds(x: Tensor, readers: Sequence[str], attribute: str, classes: Any) -> Any:
    """Return each reader's log-odds of each class, by reader, shape (n_images, n_classes)."""
    found = {}
    for name in readers:
        seen = machine(name)
        rows = []
        for picture in x:
            image = (255 * picture).round().byte().permute(1, 2, 0).numpy()
            with torch.no_grad():
                logits, _ = seen.see(picture[None], seen.place(np.ascontiguousarray(image)))
                odds = [log_odds(seen.tasks, logits, attribute, shown) for shown in classes]
            if odds[0] is None:
                break
            rows.append([float(value) for value in odds])
        if rows:
            found[name] = np.array(rows)
    return found
