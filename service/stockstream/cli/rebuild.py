"""`stockstream rebuild`: fold the log again into tables and checkpoints."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from stockstream.cli._upkeep import checked_day, state_option, target_of
from stockstream.settings import Settings, load_settings


@click.command()
@click.option("--from", "first_day", metavar="DAY", help="Leave items of event days before this one (UTC) as they are.")
@click.option("--checkpoints", is_flag=True, help="Write the checkpoints only, and no tables.")
@click.option("--dry-run", is_flag=True, help="Fold everything, write nothing.")
@click.option("--function", metavar="NAME", help="Name of the consumer's function: mappings of others do not count.")
@state_option
def rebuild(
    first_day: str | None, function: str | None, state_dir: Path | None, *, checkpoints: bool, dry_run: bool
) -> None:
    """Fold the archive, which is the log, into `quotes`, `candles`, `alerts` and the checkpoints.

    For tables that are empty or damaged. Items come out byte for byte as the consumer wrote them, if its rules and code
    are the same; those that TTL would have dropped are left out, alerts count as sent. Refuses while the consumer runs.
    """
    settings = load_settings()
    day = checked_day(first_day, "--from")
    done = asyncio.run(
        _rebuild(settings, state_dir, function, {"first_day": day, "only_checkpoints": checkpoints, "dry_run": dry_run})
    )
    verb = "would be written" if dry_run else "written"
    counts = ", ".join(f"{done[name]} {name}" for name in ("quotes", "candles", "alerts", "checkpoints"))
    click.echo(f"{counts} {verb}, of {done['total']} objects of the archive")


async def _rebuild(
    settings: Settings, state_dir: Path | None, function: str | None, wanted: dict[str, Any]
) -> dict[str, Any]:
    from stockstream.local.event_source import refuse_while_consumed  # noqa: PLC0415 - a wrong option is told at once
    from stockstream.local.upkeep import REBUILD_HANDLER, open_upkeep  # noqa: PLC0415

    async with target_of(settings, state_dir) as (named, aws, _):
        await refuse_while_consumed(aws, named.stream, function, datetime.now(UTC))
        # Without a topic nothing is sent: what is rebuilt was sent long ago.
        async with open_upkeep(named, aws, REBUILD_HANDLER) as upkeep:
            progress = await upkeep.call({"begin": wanted})
            with click.progressbar(length=progress["total"], label="Rebuilding", file=sys.stderr) as bar:
                bar.update(progress["done"])
                while not progress["is_finished"]:
                    progress = await upkeep.call({})
                    bar.update(progress["done"] - bar.pos)
            return progress
