"""The group of all commands, and what an error of theirs says to a person. Add a command by registering it here."""

import os
import sys

import click

from stockstream.cli._help import WholeHelp, say_exit_codes
from stockstream.cli._interrupt import say_interrupted
from stockstream.cli._outside import is_interrupt, outside_cause
from stockstream.cli.alerts import alerts
from stockstream.cli.audit import audit
from stockstream.cli.backfill import backfill
from stockstream.cli.completion import completion
from stockstream.cli.config import config
from stockstream.cli.consume import consume
from stockstream.cli.cost import cost
from stockstream.cli.dashboard import dashboard
from stockstream.cli.doctor import doctor
from stockstream.cli.export import export
from stockstream.cli.latest import candles, latest, tail
from stockstream.cli.local import local
from stockstream.cli.outbox import outbox
from stockstream.cli.provision import provision
from stockstream.cli.query import query
from stockstream.cli.rebuild import rebuild
from stockstream.cli.redrive import redrive
from stockstream.cli.run import run
from stockstream.cli.tidy import tidy
from stockstream.cli.watch import watch
from stockstream.errors import StockstreamError
from stockstream.exit_codes import ExitCode
from stockstream.redaction import redact


@click.group(cls=WholeHelp, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="stockstream")
def stockstream() -> None:
    """Stream stock quotes through Kinesis, Lambda, DynamoDB, S3 and SNS; on AWS, or all of it on this machine.

    Settings come from STOCKSTREAM_* variables (docs/settings.md); AWS_* variables keep their standard meaning.
    docs/commands.md lists the exit codes.
    """


for command in (
    run,
    local,
    dashboard,
    latest,
    candles,
    tail,
    export,
    alerts,
    watch,
    provision,
    consume,
    query,
    backfill,
    audit,
    redrive,
    outbox,
    tidy,
    rebuild,
    doctor,
    completion,
    cost,
    config,
):
    stockstream.add_command(command)
say_exit_codes(stockstream)


def run_command_line() -> int:
    """Run the command that the arguments name; an error of ours is one clear line on standard error.

    Returns:
        The exit code.
    """
    try:
        code = stockstream.main(standalone_mode=False)
        sys.stdout.flush()
    except StockstreamError as exc:
        for line in str(exc).splitlines():
            print(f"stockstream: {redact(line)}", file=sys.stderr)  # noqa: T201 - the last words to a person
        return exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        return say_interrupted()
    except BaseException as exc:
        if is_interrupt(exc):
            return say_interrupted()
        cause = outside_cause(exc)
        if cause is None:
            raise
        _drop_unwritten()
        print(f"stockstream: {redact(cause)}", file=sys.stderr)  # noqa: T201
        return ExitCode.FAILED
    return code if isinstance(code, int) else 0


def _drop_unwritten() -> None:
    """Let go of what standard output cannot take: Python would try once more at the end, and complain of that."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
