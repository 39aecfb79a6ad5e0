"""The demonstration: simulate people, attack, erase, attack again; then a picture likewise."""

import base64
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from sfumato.audit.attackers import QUICK
from sfumato.audit.protocol import MAX_IMPOSTOR
from sfumato.audit.report import write_report
from sfumato.audit.tables import audit_tables
from sfumato.data.simulate import write_simulated
from sfumato.errors import MissingExtraError
from sfumato.files import atomic_path
from sfumato.jobs.protect_templates import protect_table
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.metrics.verification import eer
from sfumato.models.registry import RECOMMENDED
from sfumato.models.tables import fit_table
from sfumato.outcomes import Progress
from sfumato.reproduce.demo_photo import DemoPhoto, show_photo

N_IDENTITIES, IMAGES_PER_IDENTITY = 2400, 4
# SensitiveNets with half as many units as features, as published, and fewer triplets and detector
# epochs than the paper's 100,000 and 150, to end soon.
METHODS = {
    "leace": {},
    "sensitivenets": {"n_units": 64, "n_triplets": 20_000, "n_epochs": 6, "detector_epochs": 15},
    "barycentre": {},
}
N_RESAMPLES = 200
#: What the simulated people show of each method, as their figures say beside it.
COLUMNS = (
    "eraser",
    "linear attacker",
    "strongest attacker",
    "EER",
    "of the leak gone, linear / any",
)
NEXT = "sfumato audit mine.parquet -a gender -o report.html"


@dataclass
class Demo:
    """What the demonstration found.

    Parameters
    ----------
    audits : dict of str to Audit
        By method; each holds the raw embeddings' figures too, that of the recommended eraser
        matching with its intervals as well.
    eers : dict of str to tuple of float
        By method, the equal error rate of raw and of protected templates.
    photo : DemoPhoto or None
    skipped : dict of str to str
        Methods, or the photo, that could not be shown and why (a missing extra).
    """

    audits: dict[str, Any] = field(default_factory=dict)
    eers: dict[str, tuple[float, float]] = field(default_factory=dict)
    photo: DemoPhoto | None = None
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row a method, of :data:`COLUMNS`."""
        return [_row(method, result, self.eers[method]) for method, result in self.audits.items()]

    @property
    def sentence(self) -> str:
        """What the table says of the recommended eraser."""
        result = self.audits[RECOMMENDED]
        before, after = result.before.headline, result.after.headline
        return (
            f"{RECOMMENDED}, recommended: the strongest of {len(result.before.attacks)} attackers "
            f"reads {before.balanced_accuracy:.2f} of raw and {after.balanced_accuracy:.2f} of "
            f"protected templates, where guessing gives {result.chance:.2f}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "methods": {method: result.to_dict() for method, result in self.audits.items()},
            "eers": self.eers,
            "photo": None if self.photo is None else self.photo.to_dict(),
            "skipped": self.skipped,
        }


def run_demo(folder: str | Path, *, seed: int = 0, progress: Progress | None = None) -> Demo:
    """Do the main job on simulated people, in a folder of its own.

    Parameters
    ----------
    folder : str or Path
        Made if missing; files of an earlier demonstration are replaced.
    seed : int, default=0
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.

    Returns
    -------
    Demo
        Its reports lie in the folder, ``index.html`` leads to them.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "people.parquet"
    write_simulated(table, N_IDENTITIES, IMAGES_PER_IDENTITY, seed=seed)
    found = Demo()
    for number, (method, parameters) in enumerate(METHODS.items()):
        model, protected = folder / f"{method}.safetensors", folder / f"{method}.parquet"
        try:
            fit_table(method, table, ["gender"], model, parameters=parameters)
        except MissingExtraError as error:
            found.skipped[method] = str(error)
            continue
        protect_table(model, table, protected, overwrite=True)
        (result,) = audit_tables(
            table,
            ["gender"],
            protected=protected,
            attackers=list(QUICK),
            curve=False,
            match=method == RECOMMENDED,
            max_train_rows=2000,
            n_resamples=N_RESAMPLES,
            seed=seed,
            progress=_step(progress, method, number),
        )
        found.audits[method] = result
        found.eers[method] = tuple(_eer(result.rows, side, seed) for side in ("X", "protected"))
    write_report([found.audits[RECOMMENDED]], folder / f"{RECOMMENDED}.html")
    try:
        found.photo = show_photo()
        found.photo.save(folder)
    except MissingExtraError as error:
        found.skipped["photo"] = str(error)
    _write_page(found, folder / "index.html")
    return found


def _eer(rows, side, seed):
    """Return the EER of all test rows against all, as the audit's matching has it."""
    pairs = all_pairs(rows["identity"], max_impostor=MAX_IMPOSTOR, seed=seed)
    scores = all_vs_all(rows[side], None, "cosine", pairs=pairs)
    return eer(scores.genuine, scores.impostor).value


def _row(method, result, eers):
    accuracies = [
        [leakage.attacks[name].balanced_accuracy for leakage in (result.before, result.after)]
        for name in ("logistic regression", result.after.strongest)
    ]
    gone = [f"{(raw - left) / (raw - result.chance):.0%}" for raw, left in accuracies]
    return (
        method,
        *(" -> ".join(f"{a:.2f}" for a in pair) for pair in accuracies),
        " -> ".join(f"{value:.4f}" for value in eers),
        " / ".join(gone),
    )


def _write_page(found, path):
    pages = Environment(
        loader=PackageLoader("sfumato.reproduce", "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = resources.files("sfumato.audit").joinpath("templates", "report.css").read_text()
    pictures = {}
    if found.photo is not None:
        for name in found.photo.pictures:
            content = (path.parent / f"face-{name}.png").read_bytes()
            pictures[name] = base64.b64encode(content).decode()
    page = pages.get_template("demo.html.j2").render(
        columns=COLUMNS,
        n_attackers=len(QUICK),
        next=NEXT,
        photo=found.photo,
        pictures=pictures,
        recommended=RECOMMENDED,
        rows=found.rows,
        sentence=found.sentence,
        style=Markup(style),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _step(progress, method, number):
    if progress is None:
        return None
    return lambda done, total, what: progress(
        number * total + done, len(METHODS) * total, f"{method}: {what}"
    )
