"""The demonstration: simulate people, attack, erase, attack again, and look at matching."""

from pathlib import Path
from typing import Any

from sfumato.audit.attackers import QUICK
from sfumato.audit.report import write_report
from sfumato.audit.tables import audit_tables
from sfumato.data.simulate import write_simulated
from sfumato.errors import MissingExtraError
from sfumato.jobs.protect_templates import protect_table
from sfumato.models.tables import fit_table
from sfumato.outcomes import Progress

N_IDENTITIES, IMAGES_PER_IDENTITY = 2400, 4
# SensitiveNets short of the paper's 100,000 triplets and 150 detector epochs, to end soon.
METHODS = {
    "leace": {},
    "sensitivenets": {"n_triplets": 60_000, "n_epochs": 8, "detector_epochs": 30},
    "barycentre": {},
}


def run_demo(
    folder: str | Path, *, seed: int = 0, progress: Progress | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
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
    audits : dict of str to Audit
        By method; each holds the raw embeddings' figures too.
    skipped : dict of str to str
        Methods that could not be fitted and why (a missing extra).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "people.parquet"
    write_simulated(table, N_IDENTITIES, IMAGES_PER_IDENTITY, seed=seed)
    audits, skipped = {}, {}
    for number, (method, parameters) in enumerate(METHODS.items()):
        step = _step(progress, method, number)
        model, protected = folder / f"{method}.safetensors", folder / f"{method}.parquet"
        try:
            fit_table(method, table, ["gender"], model, parameters=parameters)
        except MissingExtraError as error:
            skipped[method] = str(error)
            continue
        protect_table(model, table, protected, overwrite=True)
        (result,) = audit_tables(
            table,
            ["gender"],
            protected=protected,
            attackers=list(QUICK),
            curve=False,
            max_train_rows=2000,
            seed=seed,
            progress=step,
        )
        write_report([result], folder / f"{method}.html")
        audits[method] = result
    return audits, skipped


def _step(progress, method, number):
    if progress is None:
        return None
    return lambda done, total, what: progress(
        number * total + done, len(METHODS) * total, f"{method}: {what}"
    )
