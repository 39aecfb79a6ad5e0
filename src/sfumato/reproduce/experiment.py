"""What an experiment is: one published table or figure, measured again over several seeds."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfumato.files import atomic_path
from sfumato.reproduce._result import Findings
from sfumato.reproduce.templates import FaceTemplates
from sfumato.validation import check_choice

PRESETS = ("quick", "full", "gpu")


@dataclass(frozen=True)
class Experiment:
    """One published table or figure.

    Parameters
    ----------
    title : str
        The work and the number of the table or figure.
    shows : str
        What is measured, one sentence.
    source : str
        The citation.
    tables : tuple of str
        Names of the face tables needed, keys of
        :data:`sfumato.reproduce.templates.SOURCES`.
    run : callable
        ``run(context) -> Findings``.
    n_seeds : dict
        Default number of seeds of each preset it has: "quick", "full", some "gpu".
    seconds : dict
        How long each preset took on two cores with the templates at hand.
    extras : tuple of str, default=("deep",)
        Extras that must be installed.
    takes : {None, "eraser", "perturber"}, default=None
        Which methods of a user's own can be measured beside the registered ones.
    """

    title: str
    shows: str
    source: str
    tables: tuple[str, ...]
    run: "Callable[[Context], Findings]"
    n_seeds: dict[str, int]
    seconds: dict[str, int]
    extras: tuple[str, ...] = ("deep",)
    takes: str | None = None


@dataclass
class Context:
    """What an experiment gets to work with.

    Parameters
    ----------
    templates : FaceTemplates
        Embedded faces of the data folder.
    preset : {"quick", "full", "gpu"}
    seeds : tuple of int
        Splits and training take the same seed.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.
    name : str, default=""
        The experiment's, for what :meth:`once` keeps.
    own : dict of str to object
        Methods of the user's own, by the names to show; they are measured anew each time.
    """

    templates: FaceTemplates
    preset: str
    seeds: tuple[int, ...]
    progress: Callable | None = None
    name: str = ""
    own: dict[str, Any] = field(default_factory=dict)
    _seed: int = field(default=0, init=False)

    def __post_init__(self):
        check_choice(self.preset, PRESETS, "preset")

    def pick(self, quick: Any, full: Any, gpu: Any = None) -> Any:
        """Return the value of this run's preset; without one of ``gpu`` that is ``full``."""
        chosen = {"quick": quick, "full": full, "gpu": full if gpu is None else gpu}
        return chosen[self.preset]

    def over_seeds(self, measure: Callable[..., Any]) -> dict[str, Any]:
        """Measure once a seed and gather the figures.

        Parameters
        ----------
        measure : callable
            ``measure(seed) -> dict``; every seed must give the same keys.

        Returns
        -------
        dict
            To each key a tuple with one figure a seed.
        """
        found = []
        for number, seed in enumerate(self.seeds):
            self._seed = number
            self.say("start")
            found.append(measure(seed))
        self._seed = len(self.seeds)
        self.say("done")
        return {key: tuple(float(figures[key]) for figures in found) for key in found[0]}

    def once(self, what: str, measure: Callable[..., Any]) -> dict[Any, Any]:
        """Return what ``measure()`` found, from the cache if an interrupted run measured it.

        Parameters
        ----------
        what : str
            Which part of the experiment, such as the method and the seed.
        measure : callable
            Returns a dict from tuples of str to float.

        Returns
        -------
        dict

        Notes
        -----
        Kept in the templates' cache folder, by experiment, preset, encoder and a checksum of
        sfumato's own code: a change of either measures again.
        """
        parts = (self.name, self.preset, what, self.templates.encoder, code_checksum())
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        path = self.templates.cache / "measured" / f"{self.name}-{key}.json"
        if path.is_file():
            return {tuple(cell[:-1]): cell[-1] for cell in json.loads(path.read_text())["found"]}
        found = measure()
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [[*name, float(value)] for name, value in found.items()]
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps({"parts": parts, "found": cells}, indent=1))
        return found

    def once_each(
        self, names: Iterable[str], measure: Callable[..., Any], note: str
    ) -> dict[Any, Any]:
        """Return what ``measure(name)`` found of each name, one after the other, by :meth:`once`.

        Parameters
        ----------
        names : iterable of str
        measure : callable
            ``measure(name)`` returns a dict from section and column to float.
        note : str
            What else tells one measurement from another, such as the seed.

        Returns
        -------
        dict of (str, str, str) to float
            By section, name and column.
        """
        figures: dict = {}
        for name in names:
            self.say(name)
            cell = functools.partial(measure, name)
            # Of code that is not ours no checksum tells whether it is still the same.
            found = cell() if name in self.own else self.once(f"{name}, {note}", cell)
            figures |= {(section, name, column): v for (section, column), v in found.items()}
        return figures

    def say(self, what: Any) -> None:
        """Report what the current seed is doing."""
        if self.progress is not None:
            number = min(self._seed + 1, len(self.seeds))
            text = f"seed {number} of {len(self.seeds)}: {what}"
            self.progress(self._seed, len(self.seeds), text)


@functools.cache
def code_checksum() -> str:
    """Return a checksum of sfumato's own code."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
