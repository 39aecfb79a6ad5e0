"""Run a registered experiment: the library function behind ``sfumato reproduce``."""

import time
from collections.abc import Mapping
from typing import Any

from sfumato.errors import InputError
from sfumato.outcomes import Progress
from sfumato.reproduce._result import ExperimentResult
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.registry import EXPERIMENTS, load_experiment
from sfumato.reproduce.templates import SOURCES
from sfumato.validation import check_choice


def reproduce(
    name: str,
    templates: Any,
    *,
    preset: str = "quick",
    n_seeds: int | None = None,
    own: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> ExperimentResult:
    """Measure one published table or figure again.

    Parameters
    ----------
    name : str
        Of :data:`sfumato.reproduce.registry.EXPERIMENTS`.
    templates : FaceTemplates
        The data folder.
    preset : {"quick", "full", "gpu"}, default="quick"
        Quick takes a sample of the people and trains briefly: it shows that everything works,
        its figures are not to be quoted. Full is for two cores; some experiments have the
        published networks as "gpu".
    n_seeds : int, optional
        How many seeds, from 0; splits and training vary together. Default: the experiment's.
    own : dict of str to object, optional
        Erasers or perturbers of your own, by the names to show, measured beside the registered
        ones by the experiments that take them.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.

    Returns
    -------
    ExperimentResult

    Raises
    ------
    InputError
        For an unknown name, a preset that it has not, fewer than one seed, or missing data.
    """
    experiment = load_experiment(name)
    if n_seeds is not None and n_seeds < 1:
        raise InputError(f"seeds must be at least 1, got {n_seeds}.")
    check_choice(preset, tuple(experiment.n_seeds), f"preset of {name}")
    if own and experiment.takes is None:
        raise InputError(f"{name} takes no methods of your own; the leaderboards do.")
    context = Context(templates, preset, (), progress, name, dict(own or {}))
    context.seeds = tuple(range(n_seeds or experiment.n_seeds[preset]))
    templates.check(experiment.tables)
    started, embedding = time.perf_counter(), templates.seconds
    findings = experiment.run(context)
    return ExperimentResult(
        name=name,
        title=experiment.title,
        source=experiment.source,
        shows=experiment.shows,
        findings=findings,
        preset=preset,
        seeds=context.seeds,
        spaces=dict(templates.spaces),
        seconds=time.perf_counter() - started - (templates.seconds - embedding),
    )


def listing() -> Any:
    """Return what every experiment shows, needs and costs, as a JSON-ready list."""
    found = []
    for name in EXPERIMENTS:
        experiment = load_experiment(name)
        found.append(
            {
                "name": name,
                "title": experiment.title,
                "shows": experiment.shows,
                "source": experiment.source,
                "seconds": experiment.seconds,
                "n_seeds": experiment.n_seeds,
                "extras": list(experiment.extras),
                "data": {table: SOURCES[table] for table in experiment.tables},
            }
        )
    return found
