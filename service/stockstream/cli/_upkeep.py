"""What the commands that run the consumer's own code share: where they find AWS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stockstream.errors import InputError
from stockstream.settings import Settings

if TYPE_CHECKING:
    from stockstream.aws import AwsConfig

state_option = click.option(
    "--state",
    "state_dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="State folder of a `stockstream local` that has ended: its emulator is started for this "
    "[default: AWS, or the emulator that AWS_ENDPOINT_URL names].",
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
async def aws_for(settings: Settings, state_dir: Path | None) -> AsyncIterator["AwsConfig"]:
    """AWS as the environment names it, or the emulator of a state folder."""
    # Imported late: every command of ours pays for what this module imports at its top.
    from stockstream.aws import resolve_aws  # noqa: PLC0415
    from stockstream.observability.logs import configure_logging  # noqa: PLC0415

    configure_logging("error", settings.log_format)
    if state_dir is None:
        yield resolve_aws(settings.region)
        return
    from stockstream.local.upkeep import aws_of_state  # noqa: PLC0415

    async with aws_of_state(state_dir, settings) as aws:
        yield aws
