"""`stockstream local`: the whole pipeline on this machine."""

import asyncio
from pathlib import Path
from typing import Any, Final

import click

from stockstream.errors import InputError
from stockstream.settings import Settings, load_settings
from stockstream.source_kinds import SOURCE_CHOICES


@click.command()
@click.option(
    "--source",
    type=click.Choice(SOURCE_CHOICES),
    help="Where quotes come from [default: auto, or replay where --replay is given].",
)
@click.option(
    "--replay",
    "replay_files",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="File to replay; repeatable.",
)
@click.option("--speed", "replay_speed", metavar="N|max", help="Speed of the replay [default: max].")
@click.option(
    "--timezone",
    "replay_timezone",
    metavar="ZONE",
    help="Clock of a file's times without offset, e.g. America/New_York.",
)
@click.option(
    "--columns",
    "replay_columns",
    metavar="NAME=COLUMN,…",
    help="Columns of a file under other names: price=Last,volume=Vol.",
)
@click.option("--symbols", metavar="A,B", help="Symbols to follow, or @FILE [default: a demonstration watchlist].")
@click.option("--interval", "poll_interval_seconds", metavar="SECONDS", help="Pause between two polls of the source.")
@click.option(
    "--for", "for_seconds", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after this long."
)
@click.option(
    "--state",
    "local_state_dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder that keeps the state between runs [default: STOCKSTREAM_LOCAL_STATE_DIR, in the user's state folder].",
)
@click.option(
    "--keep-days",
    type=click.IntRange(0, 3650),
    default=7,
    show_default=True,
    metavar="N",
    help="Days for which what was stored is kept at the least; 0 keeps everything.",
)
@click.option("--fresh", is_flag=True, help="Discard the state of earlier runs first.")
@click.option("--plain", is_flag=True, help="Log lines in place of the live view [default without a terminal].")
@click.option(
    "--endpoint-port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="Port of the AWS emulator [default: 4566, or any free one].",
)
@click.option("--keep-running", is_flag=True, help="After the source has ended, keep the emulator up until Ctrl-C.")
@click.option(
    "--summary",
    "summary_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the summary as JSON.",
)
def local(**options: Any) -> None:
    """Run source, Kinesis, Lambda handler, DynamoDB, S3 and SNS on this machine, on an embedded AWS emulator.

    No account and no Docker. Ctrl-C ends it and prints a summary.
    """
    settings = _settings(options)
    from stockstream.local.app import run_local  # noqa: PLC0415 - a wrong setting is told at once
    from stockstream.local.options import LocalOptions  # noqa: PLC0415

    chosen = LocalOptions(
        state_dir=settings.local_state_dir,
        keep_days=options["keep_days"],
        fresh=options["fresh"],
        plain=options["plain"],
        endpoint_port=options["endpoint_port"],
        keep_running=options["keep_running"],
        for_seconds=options["for_seconds"],
        summary_path=options["summary_path"],
    )
    raise SystemExit(asyncio.run(run_local(settings, chosen)))


# Settings that an option here stands for.
_OPTIONS: Final = {
    "replay_speed": "--speed",
    "replay_timezone": "--timezone",
    "replay_columns": "--columns",
    "local_state_dir": "--state",
    "poll_interval_seconds": "--interval",
}


def _settings(options: dict[str, Any]) -> Settings:
    given: dict[str, Any] = {name: options[name] for name in ("source", "symbols", *_OPTIONS)}
    if options["replay_files"]:
        given["replay_files"] = tuple(options["replay_files"])
        # A file named here and now wins over STOCKSTREAM_SOURCE; beside another --source one of the two is a mistake.
        given["source"] = options["source"] or "replay"
        if given["source"] != "replay":
            raise InputError(f"--replay goes with --source replay, not {given['source']}. Remedy: leave one out")
    settings = load_settings(given, {**_OPTIONS, "replay_files": "--replay"})
    asked = settings.model_fields_set
    changes: dict[str, Any] = {}
    if "source" not in asked:
        changes["source"] = "replay" if settings.replay_files else "auto"
    if "replay_speed" not in asked:
        changes["replay_speed"] = float("inf")
    return settings.model_copy(update=changes)
