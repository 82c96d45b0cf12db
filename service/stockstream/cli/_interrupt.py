"""The end by Ctrl-C."""

import sys
from typing import Final

from stockstream.exit_codes import ExitCode

# The commands that take quotes in.
_ACCEPTING: Final = frozenset({"run", "local", "backfill"})


def say_interrupted() -> int:
    """Say that Ctrl-C ended it; returns the exit code."""
    kept = "; what was accepted stays in the outbox" if _ACCEPTING.intersection(sys.argv) else ""
    print(f"stockstream: interrupted{kept}", file=sys.stderr, flush=True)  # noqa: T201
    return ExitCode.INTERRUPTED
