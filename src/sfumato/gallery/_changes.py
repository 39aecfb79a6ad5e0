"""Changes to a gallery, each behind its lock, with what a fault of the disk leaves of them."""

from typing import Any

from sfumato.errors import InputError
from sfumato.gallery import _index, _states
from sfumato.gallery._calibration import Calibration
from sfumato.gallery._enrolment import Enrolment, enrol_batch
from sfumato.gallery._folder import Folder
from sfumato.gallery._states import saying
from sfumato.outcomes import Progress

LISTED = 8  # Batches whose checksums are written at once.


def enrol(folder: Folder, templates: Any, metric: str, progress: Progress | None) -> Enrolment:
    """Do the work of :meth:`sfumato.gallery._gallery.Gallery.enrol`."""
    done = Enrolment()
    for number, batch in enumerate(templates.batches(), 1):
        last = done.n_rows + batch.n_rows >= templates.n_rows
        with (
            saying(folder.path, lambda: _states.enrolled(folder, done, templates.n_rows)),
            folder.writing(record=last or number % LISTED == 0) as store,
        ):
            enrol_batch(store, batch, metric, folder.log, done)
        if progress is not None:
            progress(done.n_rows, templates.n_rows, "templates")
    return done


def delete_person(folder: Folder, person: str) -> dict[str, Any]:
    """Do the work of :meth:`sfumato.gallery._gallery.Gallery.delete`."""
    with (
        saying(folder.path, lambda: _states.deleted(folder, person)),
        folder.writing(index=False) as store,
    ):
        person = store.numbers_meant([person]).get(person, person)
        folder.log.append("delete", [person])
        had_index, n_templates = store.has_index, store.delete(person)
        folder.log.append("deleted", [person], n_templates=n_templates)
        if not n_templates:
            done = " A deletion that had been cut off is finished now." * folder.finished
            raise InputError(f"{folder.path}: {person!r} is not enrolled; see list.{done}")
        folder.forget_index()
        unknown = [*folder.strangers(), *folder.sweep_exports()]
    found = {"person": person, "n_templates": n_templates, "index_removed": had_index}
    return found | {"unknown_files": unknown}


def build_index(folder: Folder, metric: str, n_queries: int, seed: int) -> dict[str, Any]:
    """Do the work of :meth:`sfumato.gallery._gallery.Gallery.build_index`."""
    with (
        saying(folder.path, lambda: _states.indexed(folder)),
        folder.writing(index=False) as store,
    ):
        folder.forget_index()
        folder.log.append("index", n_templates=store.n_rows)
        return _index.build(store, metric, folder.index, n_queries=n_queries, seed=seed)


def keep_calibration(folder: Folder, found: Calibration) -> None:
    """Put a calibration in the place of an earlier one, if there is one."""
    with (
        saying(folder.path, lambda: _states.calibrated(folder, found)),
        folder.writing(index=False),
    ):
        folder.log.append("calibrate", **found.counts)
        folder.checksums.drop(folder.calibration.name)
        found.save(folder.calibration)
