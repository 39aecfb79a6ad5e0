"""Run every experiment's quick preset on real data, one after the other: does all of it work?

    SFUMATO_DATA=... python scripts/reproduce_quick.py OUTPUT [CACHE]

Prints how long each took and all together, and ends with an error if one fails or if they take
ten minutes or more on this machine. Embedding the photos, once, is not counted.
"""

import sys

from sfumato.errors import SfumatoError
from sfumato.reproduce.registry import EXPERIMENTS
from sfumato.reproduce.run import reproduce
from sfumato.reproduce.templates import FaceTemplates
from sfumato.reproduce.writing import write_result

LIMIT_SECONDS = 600


def main(output, cache=None):
    """Run all; return the error's text, or None."""
    seconds, failed = {}, []
    for name in EXPERIMENTS:
        try:
            result = reproduce(name, FaceTemplates(cache=cache), preset="quick", n_seeds=1)
        except SfumatoError as error:
            failed.append(name)
            print(f"{name}: {error}", flush=True)
            continue
        write_result(result, output)
        seconds[name] = result.seconds
        print(f"{name}: {result.seconds:.0f} s", flush=True)
    total = sum(seconds.values())
    print(f"{len(seconds)} experiments: {total:.0f} s")
    if failed:
        return f"failed: {', '.join(failed)}"
    return f"more than {LIMIT_SECONDS} s" if total >= LIMIT_SECONDS else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
