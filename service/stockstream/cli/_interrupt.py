"""The end by Ctrl-C."""

import sys

from stockstream.exit_codes import ExitCode


def say_interrupted() -> int:
    """Say that Ctrl-C ended it; returns the exit code."""
    print("stockstream: interrupted; what was accepted stays in the outbox", file=sys.stderr, flush=True)  # noqa: T201
    return ExitCode.INTERRUPTED
