"""What the commands that run the consumer's own code share: where they find AWS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import click

from stockstream.cli._target import Target, open_target
from stockstream.errors import InputError
from stockstream.settings import Settings

state_option = click.option(
    "--state",
    "state_dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="State folder of a `stockstream local` that has ended: its emulator is started for this "
    "[default: AWS as the environment names it, else the local stack].",
)


def checked_day(text: str | None, option: str) -> str:
    """A UTC day as it is written in keys; empty where none was given.

    Raises:
        InputError: it is no day.
    """
    if text is None:
        return ""
    try:
        is_day = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_day = False
    if not is_day:
        raise InputError(f"{option} {text} is not a day; write it as 2026-11-22 (UTC)")
    return text


@asynccontextmanager
async def target_of(settings: Settings, state_dir: Path | None) -> AsyncIterator[Target]:
    """AWS as the environment names it, the local stack where it names none, or the emulator of a state folder."""
    # Imported late: every command of ours pays for what this module imports at its top.
    from stockstream.observability.logs import configure_logging  # noqa: PLC0415

    configure_logging("error", settings.log_format)
    if state_dir is None:
        async with open_target(settings) as target:
            yield target
        return
    from stockstream.local.upkeep import aws_of_state  # noqa: PLC0415

    async with aws_of_state(state_dir, settings) as (aws, resources):
        named = settings.model_copy(update={"alerts_topic_arn": resources.alerts_topic_arn})
        yield Target(named, aws, state_dir)
