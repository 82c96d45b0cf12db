"""Every exit code of the command line and what it means: `--help` and docs/commands.md are made from these tables."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """What a command ends with."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNPROVEN = 3
    INTERRUPTED = 130
    TERMINATED = 143


# Of every command.
MEANINGS: Final[Mapping[ExitCode, str]] = {
    ExitCode.DONE: "it did what was asked",
    ExitCode.FAILED: "it could not, or found something wrong: standard error says what and the remedy",
    ExitCode.USAGE: "an argument, a setting or a file cannot be used: one line names it and what it may be",
    ExitCode.INTERRUPTED: "ended by Ctrl-C; what was accepted is on disk. Those that finish first at SIGTERM do here",
    ExitCode.TERMINATED: "ended by SIGTERM; `run`, `local`, `consume`, `dashboard` finish first, and end by their own",
}

# Where a command says more by one; nested commands by their whole name.
OF_COMMANDS: Final[Mapping[str, Mapping[ExitCode, str]]] = {
    "run": {
        ExitCode.DONE: "stopped, or the source came to its end; what Kinesis has not yet is in the outbox",
        ExitCode.FAILED: "quotes were lost, the source gave up, or the drain did not end in its time",
    },
    "local": {
        ExitCode.DONE: "nothing was lost or stored twice, and the source gave what was asked of it",
        ExitCode.FAILED: "something was lost or stored twice, a live source never gave a quote, or a part broke",
    },
    "latest": {ExitCode.FAILED: "one of SYMBOLS has no quote"},
    "alerts remove": {ExitCode.FAILED: "there is no such level"},
    "watch remove": {ExitCode.FAILED: "one of SYMBOLS is not on the list"},
    "backfill": {
        ExitCode.DONE: "everything is in Kinesis",
        ExitCode.FAILED: "a symbol failed, or Kinesis did not take all in time",
    },
    "audit": {
        ExitCode.DONE: "every quote accepted before the start is there exactly once, values equal, order kept",
        ExitCode.FAILED: "what is missing, double or different is printed",
        ExitCode.USAGE: "it cannot be made: no such day or ledger, or a table or the bucket cannot be read",
        ExitCode.UNPROVEN: "what is stored agrees with itself, but no ledger says what was accepted",
    },
    "redrive": {
        ExitCode.DONE: "all that was selected went",
        ExitCode.FAILED: "some stayed where it was, and why is printed",
    },
    "tidy": {ExitCode.FAILED: "a partition failed, and why is printed"},
    "rebuild": {ExitCode.FAILED: "somebody consumes the stream, or it could not be folded"},
    "doctor": {ExitCode.FAILED: "a check found a problem"},
}
