"""The command line: parse, call the library, print. No mathematics here.

Exit codes: 0 done; 1 done with rejects, or nothing hidden; 2 bad input; 3 anything else;
130 interrupted (Ctrl-C).
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from sfumato.cli.output import BAD_INPUT, FAILED, say_error
from sfumato.errors import InputError, MissingExtraError, SfumatoError
from sfumato.files import fault_text

app = typer.Typer(
    name="sfumato",
    epilog="--debug, anywhere, prints the traceback of an error. Exit codes: 0 done, 1 done with "
    "rejects or nothing hidden, 2 bad input, 3 anything else, 130 interrupted (Ctrl-C).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEBUG = "--debug"
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error becomes one line and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    debug = DEBUG in given[:end]
    given = [text for text in given[:end] if text != DEBUG] + given[end:]
    try:
        from sfumato.cli import commands  # noqa: F401  (registers every command)

        app(given)
    except SystemExit as end:
        # Of a closed pipe Typer says 1, which here means rejects.
        if isinstance(end.__context__, BrokenPipeError):
            sys.exit(_end(end.__context__))
        raise
    # The last resort: whatever it is, one line and a code that says so.
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        sys.exit(_end(error))


def _end(error: BaseException) -> int:
    """Print an error's line; return the exit code."""
    if isinstance(error, BrokenPipeError):  # The reader of our output has gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if isinstance(error, KeyboardInterrupt):
        say_error("interrupted.")
        return INTERRUPTED
    if isinstance(error, SfumatoError):
        say_error(error)
        return BAD_INPUT if isinstance(error, InputError | MissingExtraError) else FAILED
    if isinstance(error, OSError) and error.errno is not None:
        say_error(fault_text(error))
        return BAD_INPUT if error.errno == errno.ENAMETOOLONG else FAILED
    else:
        text = " ".join(str(error).split())
        say_error(f"{type(error).__name__}: {text or 'no message'} ({DEBUG} prints where).")
    return FAILED
