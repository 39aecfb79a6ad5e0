"""``sfumato protect MODEL TABLE``: templates, or the photos of a table."""

from pathlib import Path
from typing import Any

import typer

from sfumato.cli.jobs import run, warn_redone
from sfumato.cli.opening import open_model
from sfumato.cli.output import DONE_WITH_REJECTS, print_json, say, track, warn, warn_reasons
from sfumato.errors import InputError

#: Options of photo files that a table of photos has not.
FILES_ONLY = ("perturber", "face", "labels", "keep_metadata")


def protect_rows(
    model: Any,
    table: Any,
    output: Any,
    photo_options: Any,
    *,
    detector: Any,
    workers: int | None,
    force: Any,
    as_json: Any,
    part_rows: Any,
    runner: Any,
) -> None:
    """Protect the templates of a table, or its photos, as the kind of model decides."""
    from sfumato.jobs.run import make_runner
    from sfumato.models.saved_model import SavedModel

    opened = open_model(model)
    if isinstance(opened, SavedModel):
        refuse_photo_options(photo_options, table)
        _protect_templates(opened, table, output, part_rows, runner, workers, force, as_json)
        return
    refuse_options({name: photo_options[name] for name in FILES_ONLY}, "photo files")
    asked = {name: v for name, v in photo_options.items() if name not in FILES_ONLY}
    job = protect_job(opened, model, table, detector=detector, max_pixels=100_000_000, **asked)
    runner = runner or make_runner(workers=workers)
    run(job, output, part_rows=part_rows, runner=runner, force=force, json=as_json)


def bundled_eraser(name: str, source: str, table: str | None) -> tuple[str, str]:
    """Return the model's file and the table of ``sfumato protect TABLE --eraser NAME``."""
    from sfumato.models.files import bundled
    from sfumato.validation import check_choice

    if table is not None:
        raise InputError(f"--eraser {name} stands in place of the model {source}; leave one out.")
    known = bundled("eraser")
    check_choice(name, tuple(known), "--eraser")
    return str(known[name]), source


def _protect_templates(model, table, output, part_rows, runner, workers, force, as_json):
    from sfumato.jobs.protect_templates import protect_table

    with track("protect") as progress:
        summary = protect_table(
            model,
            table,
            output,
            overwrite=force,
            progress=progress,
            workers=workers,
            part_rows=part_rows,
            runner=runner,
        )
    warn_redone(summary["damaged"])
    if as_json:
        print_json(summary)
    else:
        say(
            f"{output}: {summary['n_rows']:,} protected embeddings; photos and the erased labels "
            "are left out."
        )
        warn(*summary["hints"])
        if summary["n_rejects"]:
            warn(f"{summary['n_rejects']:,} rejected, see {summary['rejects_path']}:")
            warn_reasons(summary["reasons"])
    if summary["n_rejects"]:
        raise typer.Exit(DONE_WITH_REJECTS)


def refuse_photo_options(options: Any, table: Any) -> None:
    """Refuse options that only photos have, where templates are to be protected."""
    refuse_options(options, "photos", f", or the table {table}")


def refuse_options(options: Any, what: Any, otherwise: str = "") -> None:
    """Refuse the options that are given and belong to something else."""
    given = [name for name, v in options.items() if v is not None and v is not False]
    if given:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"{named}: for {what} only; leave it out{otherwise}.")


def protect_job(
    opened: Any, model: Any, source: str | Path, *, detector: Any, max_pixels: Any, **asked: Any
) -> Any:
    """Return the job that protects templates or photos, as the kind of model decides."""
    from sfumato.models.saved_model import SavedModel
    from sfumato.perturbers.base import Perturber

    if isinstance(opened, SavedModel):
        from sfumato.data.opening import open_table
        from sfumato.jobs.protect_templates import ProtectTemplates

        refuse_photo_options(asked, source)
        return ProtectTemplates(opened, open_table(source))
    if not isinstance(opened, Perturber):
        raise InputError(f"{model}: a reader; give an eraser or a perturber.")
    return _photo_job(opened, source, detector, max_pixels, **asked)


def _photo_job(
    perturber, source, detector, max_pixels, *, hide, keep, at_random, strength, check, **more
):
    from sfumato.cli.pictures import read_hide, read_keep
    from sfumato.faces.sources import open_source
    from sfumato.jobs.protect_files import photo_detector
    from sfumato.jobs.protect_photos import ProtectPhotos
    from sfumato.perturbers.base import with_strength
    from sfumato.perturbers.editing import Wish
    from sfumato.readers.check import FaceCheck

    if hide is None:
        raise InputError("give --hide, such as --hide gender,age, for photos.")
    if strength is not None:
        perturber = with_strength(perturber, strength)
    return ProtectPhotos(
        open_source(source),
        perturber,
        photo_detector(detector),
        Wish.of(
            perturber,
            read_hide(hide),
            keep=read_keep(keep),
            at_random=at_random is not False,
            **more,
        ),
        check=FaceCheck() if check else None,
        max_pixels=max_pixels,
    )
