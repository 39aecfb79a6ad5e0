"""``sfumato serve`` and ``sfumato keys``."""

from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.completing import PERTURBER_HELP
from sfumato.cli.opening import open_model
from sfumato.cli.output import print_json, say, warn
from sfumato.errors import InputError

keys = typer.Typer(name="keys", help="API keys of the service.", no_args_is_help=True)
app.add_typer(keys)

KEYS = typer.Option(..., "--keys", help="The file of keys.")


@app.command()
def serve(
    host: str = typer.Option("127.0.0.1", help="Address to listen on; others need --keys."),
    port: int = typer.Option(8000, min=0, max=65535, help="0 takes a free one."),
    key_file: Path | None = typer.Option(None, "--keys", help="A file of API keys."),
    name: list[str] = typer.Option([], help="A host name by which the service is called."),
    workers: int | None = typer.Option(None, min=1, help="Processes; by default one a core."),
    eraser: Path | None = typer.Option(None, help="A saved or exported eraser, for templates."),
    perturber: str | None = typer.Option(
        None,
        help=f"For photos: {PERTURBER_HELP}",
    ),
    gallery: list[Path] = typer.Option(
        [], help="A gallery's folder; people.gallery is served as people. Again for more."
    ),
    detector: str = typer.Option("dlib", help="dlib, dlib-68, mtcnn, centerface or yunet:PATH."),
    encoder: str = typer.Option("dlib", help="dlib or arcface-onnx:PATH."),
    seconds: float = typer.Option(60, min=1, help="Time limit of a request's work."),
    a_minute: int = typer.Option(600, min=1, help="Requests a minute of one key."),
    connections: int = typer.Option(
        100, min=1, help="Connections of one address, but for those of a --proxy."
    ),
    open_page: bool = typer.Option(
        False, "--open", help="Open the page in the browser once it is served."
    ),
    proxy: list[str] = typer.Option(
        [], help="Address of a proxy before the service, whose X-Forwarded-For names the callers."
    ),
) -> None:
    """Serve the web page and the HTTP interface (described in /openapi.json).

    Photos and tables are worked on in memory and never written to the disk.
    """
    from sfumato.jobs.local import n_cores
    from sfumato.service.run import run
    from sfumato.validation import need

    need("fastapi", "serve")
    need("uvicorn", "serve")
    from sfumato.service.app import LOOPBACK, Settings
    from sfumato.service.limits import Limits, check_addresses
    from sfumato.service.work import Models

    if host not in LOOPBACK and key_file is None:
        raise InputError(
            f"{host} can be reached from other machines: give --keys FILE (sfumato keys create)."
        )
    if key_file is not None:
        _check_keys(key_file)
    if gallery:
        _check_galleries(gallery)
    _check_faces(detector, encoder)
    check_addresses(proxy)
    for model, kind in ((eraser, "eraser"), (perturber, "perturber")):
        if model is not None:
            open_model(model, kind)
    settings = Settings(
        models=Models(
            detector=detector,
            encoder=encoder,
            eraser=None if eraser is None else str(eraser),
            perturber=perturber,
            galleries=tuple(map(str, gallery)),
        ),
        limits=Limits(work_seconds=seconds, a_minute=a_minute, connections_an_address=connections),
        keys=None if key_file is None else str(key_file),
        workers=workers or n_cores(),
        hosts=(*LOOPBACK, *([] if host == "0.0.0.0" else [host]), *name),
        proxies=tuple(proxy),
    )
    run(settings, host, port, say=warn, open_page=open_page)


def _check_faces(detector, encoder):
    """Refuse what cannot be loaded, at which worker after worker would end."""
    from sfumato.faces.detectors import make_detector
    from sfumato.faces.encoders import make_encoder

    if detector != "dlib":  # Bundled; the workers load it.
        make_detector(detector)
    if encoder != "dlib":
        make_encoder(encoder)


def _check_keys(path):
    """Refuse a damaged file of keys before anything is served."""
    from sfumato.service.keys import KeyFile

    if not KeyFile(path).read():
        warn(f"{path}: holds no keys; all who ask are refused until sfumato keys create adds one.")


def _check_galleries(folders):
    """Refuse what is no gallery before anything is served."""
    from sfumato.gallery import Gallery
    from sfumato.service.galleries import names_of

    for folder in names_of(folders).values():
        Gallery(folder)


@keys.command("create")
def create_key(
    name: str = typer.Argument(help="Who it is for."),
    key_file: Path = KEYS,
    scope: list[str] = typer.Option(
        ...,
        help="photos, templates, gallery-compare, gallery-read, gallery-write, audit or metrics; "
        "give it again for more.",
    ),
) -> None:
    """Draw a key and print it, the only time that it can be seen."""
    from sfumato.service.keys import KeyFile

    print(KeyFile(key_file).create(name, scope))
    warn("Keep it: only its hash is stored.")


@keys.command("list")
def list_keys(
    key_file: Path = KEYS, json: bool = typer.Option(False, "--json", help="Print JSON.")
) -> None:
    """Names, scopes and dates."""
    from sfumato.service.keys import KeyFile

    found = [
        {"name": key.name, "scopes": list(key.scopes), "created": key.created}
        for key in KeyFile(key_file).read()
    ]
    if json:
        print_json(found)
        return
    for key in found:
        say(f"{key['name']}  {', '.join(key['scopes'])}  {key['created']}")


@keys.command("delete")
def delete_key(
    name: str = typer.Argument(help="Of the key, as it was created."), key_file: Path = KEYS
) -> None:
    """Take a key's rights away, at once.

    What it began runs to its end; its audits can be read by nobody, a new key of this name
    included.
    """
    from sfumato.service.keys import KeyFile

    KeyFile(key_file).delete(name)
