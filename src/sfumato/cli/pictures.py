"""``sfumato protect`` of photo files."""

from pathlib import Path
from typing import Any

import typer

from sfumato.cli.opening import open_model
from sfumato.cli.output import (
    DONE_WITH_REJECTS,
    SHOWN,
    print_json,
    reading_text,
    say,
    show,
    text_table,
    track,
    warn,
    warn_some,
)
from sfumato.errors import InputError
from sfumato.models.registry import RECOMMENDED_PERTURBER


def protect_pictures(
    source: str | Path,
    output: Any,
    *,
    hide: Any,
    keep: Any,
    perturber: Any,
    strength: Any,
    labels: Any,
    at_random: Any,
    check: Any,
    force: Any,
    as_json: Any,
    **others: Any,
) -> None:
    """Change the faces of a photo or a folder, and say what was done and what came of it."""
    from sfumato.jobs.protect_files import protect_photos
    from sfumato.perturbers.base import with_strength
    from sfumato.readers.check import FaceCheck
    from sfumato.readers.describe import LAWFUL

    if hide is None:
        raise InputError(
            "give --hide, such as --hide gender,age, for photos; or MODEL TABLE for templates."
        )
    wanted, kept = read_hide(hide), read_keep(keep)
    method = open_model(perturber or RECOMMENDED_PERTURBER, "perturber")
    if strength is not None:
        method = with_strength(method, strength)
    check = check is None or check
    if check:
        warn(LAWFUL, style="bold")
    with track("protect") as progress:
        done = protect_photos(
            source,
            output,
            method,
            hide=wanted,
            keep=kept,
            labels=read_labels(labels),
            at_random=at_random is not False,
            check=FaceCheck() if check else None,
            overwrite=force,
            progress=progress,
            **others,
        )
    if as_json:
        print_json(done.to_dict())
    else:
        print_done(done, output)
    print_left(done)
    if done.faces:
        warn(*hints(method, check))
    if not done.complete:
        raise typer.Exit(DONE_WITH_REJECTS)


def hints(method: Any, check: Any) -> list[str]:
    """Return what to know of changed pictures before they are used, each in a sentence."""
    said = [
        "Calibrate a matcher's threshold on protected pictures: at the old one it accepts more "
        "pairs of different people."
    ]
    if check and method.opponents:
        said.append(
            f"The readers {' and '.join(method.opponents)} and dlib's matcher took part in the "
            "search for this change: others may read more; ask them by sfumato check --reader."
        )
    return said


def read_hide(text: str, option: str = "--hide") -> Any:
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


def read_labels(text: str) -> Any:
    """Return ``{"gender": "female"}`` of ``gender=female``, or nothing of None."""
    found = {} if text is None else read_hide(text, option="--labels")
    for name, value in found.items():
        if value is None:
            raise InputError(f"--labels must say what {name} is, such as gender=female.")
    return found


def read_keep(text: str) -> Any:
    """Return the attributes of ``race,age``, or none of None."""
    names = [] if text is None else [name.strip() for name in text.split(",")]
    if not all(names):
        raise InputError(f"--keep takes attributes such as race,age, got {text!r}.")
    return names


def print_done(done: Any, output: Any) -> None:
    """Print how many faces were changed, and what a check says of them."""
    from sfumato.perturbers.verdict import describe_verdict

    n_photos = count(len(done.photos), "photo")
    if not done.photos:
        warn(f"{output}: nothing was written.")
    elif not done.faces:
        warn(f"{output}: no face was changed; {n_photos} written as before.")
    else:
        clauses = ["not checked; --check asks readers"]
        if done.verdict is not None:
            clauses = describe_verdict(done.verdict)
        where = "" if len(done.photos) == 1 else f" in {n_photos}"
        say(f"{output}: {count(len(done.faces), 'face')} changed{where}; {'; '.join(clauses)}.")
    if done.checked and done.faces:
        found = [(photo["image_id"], face) for photo in done.photos for face in photo["faces"]]
        print_check(found[:SHOWN])
        if len(found) > SHOWN:
            say(f"{len(found)} faces, the first {SHOWN} shown; --json prints all.")


def print_check(found: Any) -> None:
    """Print what machines say of some faces, each ``(image_id, face)``."""
    rows: list[tuple] = []
    ends = []
    for name, face in found:
        rows += _check_rows(name, face["face"], face["check"])
        ends.append(len(rows) - 1)
    columns = ("photo", "face", "asked", "what", "before", "after")
    show(text_table(columns, rows, sections=ends))


def _check_rows(name, number, check):
    rows = [
        (f"reader {reader}", attribute, reading_text(said["before"]), reading_text(said["after"]))
        for reader, readings in check["readings"].items()
        for attribute, said in readings.items()
    ]
    match, ratio = check["match"], check["psnr_db"]
    verdict = "accepted" if match["accepted"] else "refused"
    rows.append(
        (
            f"matcher {match['encoder']}",
            f"one person? FMR {match['fmr']:g}",
            f"from {match['threshold']:g}",
            f"{verdict}, {match['score']:.3f}",
        )
    )
    alike = "the same" if ratio is None else f"SSIM {check['ssim']:.3f}, {ratio:.1f} dB"
    rows.append(("", "likeness", "", alike))
    return [((name, number) if n == 0 else ("", "")) + row for n, row in enumerate(rows)]


def print_left(done: Any) -> None:
    """Say which photos were not written, which faces left, and what else is not as it was."""
    lines = [f"{reject['image_id']}: {reject['reason']}" for reject in done.rejects]
    for photo in done.photos:
        name = photo["image_id"]
        for face in photo["skipped"]:
            lines.append(f"{name}: face {face['face']} stays as it was: {face['reason']}")
        lines += [f"{name}: {what} is left out" for what in photo["left_out"]]
        lines += [f"{name}: {note}" for note in photo["notes"]]
    warn_some(lines)
    warn(*done.unread.lines())


def count(n: Any, what: Any) -> Any:
    """Return "1 face", "2 faces"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
