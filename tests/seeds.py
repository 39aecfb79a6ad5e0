"""The seed of the whole suite: ``SFUMATO_TEST_SEED`` shifts every seeded draw of a test.

A test that holds for one seed alone says little about the method. With ``SFUMATO_TEST_SEED=3``
every whole number that seeds NumPy, scikit-learn or torch in the test's process gives another
stream; at 0, the default, nothing is replaced. Hypothesis keeps its own draws. Doctests and
tests marked ``unshifted`` keep theirs.
"""

import importlib.util
import os

import numpy as np

shift = int(os.environ.get("SFUMATO_TEST_SEED", "0"))
active = False


def entropy(seed):
    """Return the seed to use in place of ``seed``: numbers are shifted, all else is not."""
    if not active or seed is None:
        return seed
    numbers = np.asarray(seed)
    if numbers.dtype.kind not in "iub":
        return seed
    return [*np.atleast_1d(numbers).tolist(), shift]


def number(seed):
    """Return a whole number below 2**32 in place of the whole number ``seed``."""
    mixed = entropy(seed)
    if mixed is seed:
        return seed
    return int(_SeedSequence(mixed).generate_state(1)[0])


_SeedSequence = np.random.SeedSequence
_default_rng = np.random.default_rng


class _LikeItsBase(type):
    """Take every instance of the class that it stands in for as its own."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, cls.__mro__[1])


class _RandomState(np.random.RandomState, metaclass=_LikeItsBase):
    def __init__(self, seed=None):
        super().__init__(entropy(seed))


class _ShiftedSequence(np.random.SeedSequence, metaclass=_LikeItsBase):
    def __init__(self, entropy_=None, **more):
        super().__init__(entropy(entropy_), **more)


def install():
    """Replace what makes generators from whole numbers, where the shift is not 0."""
    np.random.default_rng = lambda seed=None: _default_rng(entropy(seed))
    np.random.RandomState, np.random.SeedSequence = _RandomState, _ShiftedSequence
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    manual_seed = torch.manual_seed

    class Kind(_LikeItsBase, type(torch.Generator)):
        pass

    class Generator(torch.Generator, metaclass=Kind):
        def manual_seed(self, seed):
            return super().manual_seed(number(seed))

    torch.manual_seed = torch.random.manual_seed = lambda seed: manual_seed(number(seed))
    torch.Generator = Generator
