"""The command ``sfumato``, also as ``python -m sfumato``.

Its libraries take a second to import. A Ctrl-C in that time ends it as one later does: in one
line, with exit code 130.
"""

import os
import signal
from typing import Any

INTERRUPTED = 130


def main() -> None:
    """Run the command line of :mod:`sfumato.cli`."""
    waits = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if waits:  # Otherwise it is ignored, as of jobs in the background.
        signal.signal(signal.SIGINT, _end)
    from sfumato.cli import commands  # noqa: F401  (imports what every command needs)
    from sfumato.cli import main as run

    if waits:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(*_: Any) -> None:
    """End at once: nothing is open yet, and an import would make other errors of ours."""
    os.write(2, b"Error: interrupted.\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
