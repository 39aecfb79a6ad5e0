"""``sfumato gallery``: protected templates on disk, to verify and identify people by."""

from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.output import (
    DONE_WITH_REJECTS,
    MAX_SEED,
    SHOWN,
    print_json,
    say,
    show,
    text_table,
    track,
    wait,
    warn,
    warn_some,
)

gallery = typer.Typer(
    help="Keep protected templates on disk: enrol, verify, identify, delete.",
    no_args_is_help=True,
)
app.add_typer(gallery, name="gallery")

GALLERY = typer.Argument(help="The gallery's folder.")
TABLE = typer.Argument(help="Face table of protected templates.")
FMR = typer.Option(None, help="False match rate of the threshold, a fraction; or --threshold.")
THRESHOLD = typer.Option(None, help="The score from which two templates match, instead of --fmr.")
AS_JSON = typer.Option(False, "--json", help="Print JSON.")


def _open(path):
    from sfumato.gallery import Gallery

    return Gallery(path)


@gallery.command()
def create(
    path: Path = typer.Argument(help="The folder to make."),
    table: Path = typer.Argument(help="Protected face table like those to enrol."),
    as_json: bool = AS_JSON,
) -> None:
    """Make an empty gallery for one encoder and one chain of erasers; enrols nothing."""
    from sfumato.gallery import Gallery

    made = Gallery.create(path, table)
    if as_json:
        print_json(made.summary())
    else:
        say(f"{path}: an empty gallery of [{made.info.space}], compared by {made.info.metric}.")


@gallery.command()
def enrol(path: Path = GALLERY, table: Path = TABLE, as_json: bool = AS_JSON) -> None:
    """Add the templates of a table: image_id names each, identity the person.

    Exit code 1 says that some were rejected; the others are in.
    """
    opened = _open(path)
    with track("enrol") as progress:
        done = opened.enrol(table, progress=progress)
    if as_json:
        print_json(done.to_dict())
    else:
        say(f"{path}: {done.n_enrolled:,} of {done.n_rows:,} templates enrolled.")
    rejects = [f"{reject['template']}: {reject['reason']}" for reject in done.rejects]
    _end(rejects)


@gallery.command()
def calibrate(
    path: Path = GALLERY,
    table: Path = typer.Argument(help="Protected templates of known people, several each."),
    seed: int = typer.Option(
        0, min=0, max=MAX_SEED, help="Of the sample of impostor pairs, where there are many."
    ),
    force: bool = typer.Option(False, "--force", help="Replace an earlier calibration."),
    as_json: bool = AS_JSON,
) -> None:
    """Measure the scores of people and of strangers, so that --fmr has a threshold."""
    opened = _open(path)
    with wait("calibrate"):
        counts = opened.calibrate(table, overwrite=force, seed=seed)
    if as_json:
        print_json(counts)
    else:
        say(
            f"{path}: calibrated on {counts['n_genuine']:,} genuine and "
            f"{counts['n_impostor']:,} impostor pairs of {counts['n_identities']:,} people."
        )


@gallery.command()
def verify(
    path: Path = GALLERY,
    table: Path = TABLE,
    person: str = typer.Option(None, help="Identity claimed by every probe; default: each row's."),
    fmr: float = FMR,
    threshold: float = THRESHOLD,
    as_json: bool = AS_JSON,
) -> None:
    """Compare each template with the person it claims to be (1:1)."""
    found = _open(path).verify(table, person, fmr=fmr, threshold=threshold)
    if as_json:
        print_json(found)
    else:
        rows = [
            (
                probe["probe"],
                probe["person"],
                f"{probe['score']:.4f}",
                "accepted" if probe["accepted"] else "refused",
            )
            for probe in found["probes"][:SHOWN]
        ]
        show(text_table(("probe", "claims to be", "score", ""), rows))
        say(
            f"{found['n_accepted']:,} of {found['n_probes']:,} accepted, "
            f"{_limit(found['threshold'])}."
        )
    _end([f"{reject['probe']}: {reject['reason']}" for reject in found["rejects"]])


@gallery.command()
def identify(
    path: Path = GALLERY,
    table: Path = TABLE,
    top: int = typer.Option(5, "--top", "-k", help="At most so many people a probe."),
    fmr: float = FMR,
    threshold: float = THRESHOLD,
    exact: bool = typer.Option(False, "--exact", help="Do not use the index."),
    as_json: bool = AS_JSON,
) -> None:
    """Say who each template is, of the enrolled people or nobody (1:N, open set)."""
    found = _open(path).identify(table, k=top, fmr=fmr, threshold=threshold, exact=exact)
    if as_json:
        print_json(found)
    else:
        _print_identified(found)
    _end([f"{reject['probe']}: {reject['reason']}" for reject in found["rejects"]])


def _print_identified(found):
    rows: list[tuple] = []
    for probe in found["probes"][:SHOWN]:
        if not probe["candidates"]:
            rows.append((probe["probe"], "", "nobody", ""))
        for place, seen in enumerate(probe["candidates"]):
            name = "" if place else probe["probe"]
            rows.append((name, seen["rank"], seen["person"], f"{seen['score']:.4f}"))
    show(text_table(("probe", "rank", "person", "score"), rows))
    how = found["search"]
    if how == "index":
        how += f" (recall@1 {found['recall_at_1']:.3f} when it was built)"
    say(
        f"{found['n_named']:,} of {found['n_probes']:,} named among {found['n_templates']:,} "
        f"templates, search: {how}, {_limit(found['threshold'])}."
    )
    rate = found["false_matches_of_a_stranger"]
    if rate is not None and rate > 0.1:
        warn(
            f"Note: at this FMR someone who is not enrolled matches {rate:.2g} templates on "
            "average; ask for a lower one."
        )


def _limit(threshold):
    text = f"threshold {threshold['score']:.4f}"
    if threshold["fmr"] is not None:
        text += f" (FMR {threshold['fmr']:g}, FNMR {threshold['fnmr']:.4f})"
    if threshold["note"]:
        warn(f"Note: the threshold {threshold['note']}.")
    return text


@gallery.command("list")
def list_command(path: Path = GALLERY, as_json: bool = AS_JSON) -> None:
    """List the enrolled people, with how many templates each has and since when."""
    people = _open(path).list()
    if as_json:
        print_json(people)
        return
    rows = []
    for person in people[:SHOWN]:
        when = (person[name][:19] for name in ("first_enrolled", "last_enrolled"))
        rows.append((person["person"], person["n_templates"], *when))
    show(text_table(("person", "templates", "first enrolled", "last enrolled"), rows))
    if len(people) > SHOWN:
        warn(f"{len(people):,} people, the first {SHOWN} shown; --json prints all.")


@gallery.command()
def delete(
    path: Path = GALLERY,
    person: str = typer.Argument(help="The person's name as it was enrolled."),
    as_json: bool = AS_JSON,
) -> None:
    """Delete a person: their templates leave the gallery's files, and so does any index."""
    opened = _open(path)
    with wait("delete"):
        done = opened.delete(person)
    person = done["person"]
    if as_json:
        print_json(done)
    else:
        say(f"{path}: {done['n_templates']:,} templates of {person} deleted from the files.")
    if done["unknown_files"]:
        names = ", ".join(done["unknown_files"][:SHOWN])
        warn(f"Not files of the gallery, so they may still hold {person}; look at them: {names}.")
    if done["index_removed"]:
        warn(f"The index went with them: sfumato gallery index {path} builds it anew.")


@gallery.command()
def index(path: Path = GALLERY, as_json: bool = AS_JSON) -> None:
    """Index a large gallery, and measure how often that finds what exact search finds."""
    opened = _open(path)
    with wait("index"):
        record = opened.build_index()
    if as_json:
        print_json(record)
    else:
        say(
            f"{path}: {record['n_rows']:,} templates indexed in {record['seconds']:.1f} s, "
            f"recall@1 {record['recall_at_1']:.3f} on {record['n_queries']} templates."
        )


@gallery.command()
def check(path: Path = GALLERY, as_json: bool = AS_JSON) -> None:
    """Read every file and compare it with its checksum; exit code 2 says that some are damaged."""
    from sfumato.errors import InputError

    found = _open(path).check()
    if as_json:
        print_json(found)
    if damaged := found["damaged"]:
        some = "; ".join(f"{entry['file']} {entry['fault']}" for entry in damaged[:SHOWN])
        raise InputError(f"{path}: {len(damaged):,} of {found['n_files']:,} files: {some}.")
    if not as_json:
        say(f"{path}: {found['n_files']:,} files are as they were written.")
    if found["unlisted"]:
        warn(f"{len(found['unlisted']):,} files have no checksums yet; the next change adds them.")


@gallery.command()
def export(
    path: Path = GALLERY,
    output: Path = typer.Option(..., "--output", "-o", help="Face table to write."),
    as_json: bool = AS_JSON,
) -> None:
    """Write all templates as a face table, which the other commands read."""
    done = _open(path).export(output)
    if as_json:
        print_json(done)
    else:
        say(f"{output}: {done['n_rows']:,} protected templates.")


@gallery.command()
def info(path: Path = GALLERY, as_json: bool = AS_JSON) -> None:
    """Print what a gallery holds, how it searches and what its thresholds rest on."""
    found = _open(path).summary()
    if as_json:
        print_json(found)
        return
    say(
        f"{path}: {found['n_templates']:,} templates of {found['n_people']:,} people, "
        f"{found['bytes']:,} bytes"
    )
    say(f"templates: {found['space']}, compared by {found['metric']}")
    warn(*found["doubts"])
    record, pairs = found["index"], found["calibration"]
    if record is None:
        say("search: exact")
    else:
        say(f"search: index, recall@1 {record['recall_at_1']:.3f} when it was built")
    if pairs is None:
        say("calibration: none; --fmr needs one")
    else:
        say(
            f"calibration: {pairs['n_genuine']:,} genuine and {pairs['n_impostor']:,} impostor "
            f"pairs of {pairs['n_identities']:,} people"
        )


def _end(lines):
    """Print what was left out, if anything, and exit with 1."""
    warn_some(lines)
    if lines:
        raise typer.Exit(DONE_WITH_REJECTS)
