"""The two forms of ``sfumato protect``: templates and photos."""

import typer
from rich.table import Table

from sfumato.cli.output import (
    DONE_WITH_REJECTS,
    errors,
    print_json,
    progress_bar,
    reading_text,
    results,
    track,
)
from sfumato.errors import InputError

SHOWN = 50


def protect_templates(model, table, output, photo_options, *, force, as_json):
    """Take the attributes out of every embedding of a face table."""
    from sfumato.models.tables import protect_table

    refuse_photo_options(photo_options, table)
    with track("protect") as progress:
        summary = protect_table(model, table, output, overwrite=force, progress=progress)
    if as_json:
        print_json(summary)
    else:
        results.print(
            f"{output}: {summary['n_rows']:,} protected embeddings; photos and "
            "the erased labels are left out."
        )


def refuse_photo_options(options, table):
    """Refuse options that only photos have, where templates are to be protected."""
    given = [name for name, v in options.items() if v is not None and v is not False]
    if given:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"{named}: for photos only; leave it out, or the table {table}.")


def protect_pictures(
    source,
    output,
    *,
    hide,
    keep,
    perturber,
    strength,
    labels,
    check,
    force,
    as_json,
    **others,
):
    """Perturb the faces of a photo or a folder, and say what was done."""
    from sfumato.models.opening import open_model
    from sfumato.models.photos import protect_photos
    from sfumato.models.pictures import shipped_perturber
    from sfumato.perturbers.base import with_strength
    from sfumato.readers.check import FaceCheck
    from sfumato.readers.describe import LAWFUL

    if hide is None:
        raise InputError(
            "give --hide, such as --hide gender,age, for photos; or MODEL TABLE for templates."
        )
    wanted, kept = read_hide(hide), read_keep(keep)
    method = shipped_perturber()[0] if perturber is None else open_model(perturber, "perturber")
    if strength is not None:
        method = with_strength(method, strength)
    if check:
        errors.print(LAWFUL, style="bold", soft_wrap=True)
    with progress_bar() as bar:
        task = bar.add_task("Protecting")
        done = protect_photos(
            source,
            output,
            method,
            hide=wanted,
            keep=kept,
            labels=read_labels(labels),
            check=FaceCheck() if check else None,
            overwrite=force,
            progress=lambda n_done, n: bar.update(task, completed=n_done, total=n),
            **others,
        )
    if as_json:
        print_json(done.to_dict())
    else:
        print_done(done, output)
    print_left(done)
    if not done.complete:
        raise typer.Exit(DONE_WITH_REJECTS)


def read_hide(text, option="--hide"):
    """Return ``{"gender": None, "age": "old"}`` of ``gender,age=old``."""
    wanted: dict[str, str | None] = {}
    for part in text.split(","):
        name, named, shown = (piece.strip() for piece in part.partition("="))
        if not name or (named and not shown):
            raise InputError(f"{option} takes attributes such as gender,age=old, got {text!r}.")
        if name in wanted:
            raise InputError(f"{option} names {name} twice; name it once.")
        wanted[name] = shown or None
    return wanted


def read_labels(text):
    """Return ``{"gender": "female"}`` of ``gender=female``, or nothing of None."""
    found = {} if text is None else read_hide(text, option="--labels")
    for name, value in found.items():
        if value is None:
            raise InputError(f"--labels must say what {name} is, such as gender=female.")
    return found


def read_keep(text):
    """Return the attributes of ``race,age``, or none of None."""
    names = [] if text is None else [name.strip() for name in text.split(",")]
    if not all(names):
        raise InputError(f"--keep takes attributes such as race,age, got {text!r}.")
    return names


def print_done(done, output):
    """Print how many faces were perturbed, and what a check found."""
    n_faces = sum(len(photo["faces"]) for photo in done.photos)
    hidden = ", ".join(name if v is None else f"{name}={v}" for name, v in done.hide.items())
    results.print(
        f"{output}: {hidden} hidden in {_count(n_faces, 'face')} of "
        f"{_count(len(done.photos), 'photo')}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    found = [
        (photo["image_id"], face)
        for photo in done.photos
        for face in photo["faces"]
        if "check" in face
    ]
    if found:
        print_check(found[:SHOWN])
    if len(found) > SHOWN:
        results.print(f"{len(found)} faces, the first {SHOWN} shown; --json prints all.")


def print_check(found):
    """Print what unseen machines say of some faces, each ``(image_id, face)``."""
    view = Table("photo", "face", "unseen", "what", "before", "after")
    for name, face in found:
        start = (name, str(face["face"]))
        for reader, readings in face["check"]["readings"].items():
            for attribute, said in readings.items():
                view.add_row(
                    *start,
                    f"reader {reader}",
                    attribute,
                    reading_text(said["before"]),
                    reading_text(said["after"]),
                )
                start = ("", "")
        match = face["check"]["match"]
        verdict = "accepted" if match["accepted"] else "refused"
        view.add_row(
            *start,
            f"matcher {match['encoder']}",
            f"one person? FMR {match['fmr']:g}",
            f"from {match['threshold']:g}",
            f"{verdict}, {match['score']:.3f}",
        )
        ratio = face["check"]["psnr_db"]
        view.add_row(
            *("", "", "", "likeness"),
            "",
            "the same" if ratio is None else f"SSIM {face['check']['ssim']:.3f}, {ratio:.1f} dB",
            end_section=True,
        )
    results.print(view)


def print_left(done):
    """Say which photos were not written, which faces left, and which metadata."""
    lines = [f"{reject['image_id']}: {reject['reason']}" for reject in done.rejects]
    for photo in done.photos:
        for face in photo["skipped"]:
            lines.append(
                f"{photo['image_id']}: face {face['face']} stays as it was: {face['reason']}"
            )
        for what in photo["left_out"]:
            lines.append(f"{photo['image_id']}: {what} is left out")
    for line in lines[:SHOWN]:
        errors.print(line, markup=False, soft_wrap=True)
    if len(lines) > SHOWN:
        errors.print(f"and {len(lines) - SHOWN} more lines; --json prints all")


def _count(n, what):
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
