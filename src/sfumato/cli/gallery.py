"""``sfumato gallery``: protected templates on disk, to verify and identify people by."""

from pathlib import Path

import typer
from rich.table import Table

from sfumato.cli import app
from sfumato.cli.output import DONE_WITH_REJECTS, errors, print_json, results, track

SHOWN = 50
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


def _say(text):
    results.print(text, markup=False, highlight=False, soft_wrap=True)


def _warn(text):
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


@gallery.command()
def create(
    path: Path = typer.Argument(help="The folder to make."),
    table: Path = typer.Argument(help="Protected face table like those to enrol."),
    as_json: bool = AS_JSON,
):
    """Make an empty gallery for one encoder and one chain of erasers; enrols nothing."""
    from sfumato.gallery import Gallery

    made = Gallery.create(path, table)
    if as_json:
        print_json(made.summary())
    else:
        _say(f"{path}: an empty gallery of [{made.info.space}], compared by {made.info.metric}.")


@gallery.command()
def enrol(path: Path = GALLERY, table: Path = TABLE, as_json: bool = AS_JSON):
    """Add the templates of a table: image_id names each, identity the person.

    Exit code 1 says that some were rejected; the others are in.
    """
    opened = _open(path)
    with track("enrol") as progress:
        done = opened.enrol(table, progress=progress)
    if as_json:
        print_json(done.to_dict())
    else:
        _say(f"{path}: {done.n_enrolled:,} of {done.n_rows:,} templates enrolled.")
    rejects = [f"{reject['template']}: {reject['reason']}" for reject in done.rejects]
    _end(rejects)


@gallery.command()
def calibrate(
    path: Path = GALLERY,
    table: Path = typer.Argument(help="Protected templates of known people, several each."),
    seed: int = typer.Option(0, help="Of the sample of impostor pairs, where there are many."),
    force: bool = typer.Option(False, help="Replace an earlier calibration."),
    as_json: bool = AS_JSON,
):
    """Measure the scores of people and of strangers, so that --fmr has a threshold."""
    opened = _open(path)
    with errors.status("calibrate"):
        counts = opened.calibrate(table, overwrite=force, seed=seed)
    if as_json:
        print_json(counts)
    else:
        _say(
            f"{path}: calibrated on {counts['n_genuine']:,} genuine and "
            f"{counts['n_impostor']:,} impostor pairs of {counts['n_identities']:,} people."
        )


@gallery.command()
def verify(
    path: Path = GALLERY,
    table: Path = TABLE,
    person: str = typer.Option(None, help="Whom all claim to be; default: each row's identity."),
    fmr: float = FMR,
    threshold: float = THRESHOLD,
    as_json: bool = AS_JSON,
):
    """Compare each template with the person whom it claims to be (1:1)."""
    found = _open(path).verify(table, person, fmr=fmr, threshold=threshold)
    if as_json:
        print_json(found)
    else:
        view = Table("probe", "claims to be", "score", "")
        for probe in found["probes"][:SHOWN]:
            verdict = "accepted" if probe["accepted"] else "refused"
            view.add_row(probe["probe"], probe["person"], f"{probe['score']:.4f}", verdict)
        results.print(view)
        _say(
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
):
    """Say who each template is, of the enrolled people or nobody (1:N, open set)."""
    found = _open(path).identify(table, k=top, fmr=fmr, threshold=threshold, exact=exact)
    if as_json:
        print_json(found)
    else:
        _print_identified(found)
    _end([f"{reject['probe']}: {reject['reason']}" for reject in found["rejects"]])


def _print_identified(found):
    view = Table("probe", "rank", "person", "score")
    for probe in found["probes"][:SHOWN]:
        if not probe["candidates"]:
            view.add_row(probe["probe"], "", "nobody", "")
        for place, seen in enumerate(probe["candidates"]):
            name = "" if place else probe["probe"]
            view.add_row(name, str(seen["rank"]), seen["person"], f"{seen['score']:.4f}")
    results.print(view)
    how = found["search"]
    if how == "index":
        how += f" (recall@1 {found['recall_at_1']:.3f} when it was built)"
    _say(
        f"{found['n_named']:,} of {found['n_probes']:,} named among {found['n_templates']:,} "
        f"templates, search: {how}, {_limit(found['threshold'])}."
    )
    rate = found["false_matches_of_a_stranger"]
    if rate is not None and rate > 0.1:
        _warn(
            f"Note: at this FMR someone who is not enrolled matches {rate:.2g} templates on "
            "average; ask for a lower one."
        )


def _limit(threshold):
    text = f"threshold {threshold['score']:.4f}"
    if threshold["fmr"] is not None:
        text += f" (FMR {threshold['fmr']:g}, FNMR {threshold['fnmr']:.4f})"
    if threshold["note"]:
        _warn(f"Note: the threshold {threshold['note']}.")
    return text


@gallery.command("list")
def list_command(path: Path = GALLERY, as_json: bool = AS_JSON):
    """List the enrolled people, with how many templates each has and since when."""
    people = _open(path).list()
    if as_json:
        print_json(people)
        return
    view = Table("person", "templates", "first enrolled", "last enrolled")
    for person in people[:SHOWN]:
        when = (person[name][:19] for name in ("first_enrolled", "last_enrolled"))
        view.add_row(person["person"], str(person["n_templates"]), *when)
    results.print(view)
    if len(people) > SHOWN:
        _warn(f"{len(people):,} people, the first {SHOWN} shown; --json prints all.")


@gallery.command()
def delete(
    path: Path = GALLERY,
    person: str = typer.Argument(help="The person's name as it was enrolled."),
    as_json: bool = AS_JSON,
):
    """Delete a person: their templates leave the gallery's files, and so does any index."""
    opened = _open(path)
    with errors.status("delete"):
        done = opened.delete(person)
    if as_json:
        print_json(done)
    else:
        _say(f"{path}: {done['n_templates']:,} templates of {person} deleted from the files.")
    if done["index_removed"]:
        _warn(f"The index went with them: sfumato gallery index {path} builds it anew.")


@gallery.command()
def index(path: Path = GALLERY, as_json: bool = AS_JSON):
    """Index a large gallery, and measure how often that finds what exact search finds."""
    opened = _open(path)
    with errors.status("index"):
        record = opened.build_index()
    if as_json:
        print_json(record)
    else:
        _say(
            f"{path}: {record['n_rows']:,} templates indexed in {record['seconds']:.1f} s, "
            f"recall@1 {record['recall_at_1']:.3f} on {record['n_queries']} templates."
        )


@gallery.command()
def export(
    path: Path = GALLERY,
    output: Path = typer.Option(..., "--output", "-o", help="Face table to write."),
    as_json: bool = AS_JSON,
):
    """Write all templates as a face table, which the other commands read."""
    done = _open(path).export(output)
    if as_json:
        print_json(done)
    else:
        _say(f"{output}: {done['n_rows']:,} protected templates.")


@gallery.command()
def info(path: Path = GALLERY, as_json: bool = AS_JSON):
    """Print what a gallery holds, how it searches and what its thresholds rest on."""
    found = _open(path).summary()
    if as_json:
        print_json(found)
        return
    _say(
        f"{path}: {found['n_templates']:,} templates of {found['n_people']:,} people, "
        f"{found['bytes']:,} bytes"
    )
    _say(f"templates: {found['space']}, compared by {found['metric']}")
    record, pairs = found["index"], found["calibration"]
    if record is None:
        _say("search: exact")
    else:
        _say(f"search: index, recall@1 {record['recall_at_1']:.3f} when it was built")
    if pairs is None:
        _say("calibration: none; --fmr needs one")
    else:
        _say(
            f"calibration: {pairs['n_genuine']:,} genuine and {pairs['n_impostor']:,} impostor "
            f"pairs of {pairs['n_identities']:,} people"
        )


def _end(lines):
    """Print what was left out, if anything, and exit with 1."""
    for line in lines[:SHOWN]:
        _warn(line)
    if len(lines) > SHOWN:
        _warn(f"and {len(lines) - SHOWN:,} more; --json prints all")
    if lines:
        raise typer.Exit(DONE_WITH_REJECTS)
