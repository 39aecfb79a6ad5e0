"""The command line: parse, call the library, print. No mathematics here."""

import sys

import typer

from sfumato.cli.output import errors
from sfumato.errors import SfumatoError

app = typer.Typer(
    name="sfumato",
    help="Take gender, age, ethnicity and mood out of face templates, and prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main():
    """Run the command line; our own errors become one line and exit code 2."""
    from sfumato.cli import commands  # noqa: F401  (registers every command)

    try:
        app()
    except SfumatoError as error:
        errors.print(f"[bold red]Error:[/] {_escape(str(error))}", soft_wrap=True)
        sys.exit(2)


def _escape(text):
    from rich.markup import escape

    return escape(text)
