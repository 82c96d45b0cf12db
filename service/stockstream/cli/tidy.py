"""`stockstream tidy`: the night's work of the consumer, now."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from stockstream.cli._upkeep import checked_day, state_option, target_of
from stockstream.exit_codes import ExitCode
from stockstream.settings import Settings, load_settings


@click.command()
@click.option("--day", metavar="DAY", help="The last folder (UTC day) to tidy, 2026-11-22. Default: all that may be.")
@click.option("--dry-run", is_flag=True, help="Only say what would be tidied.")
@state_option
def tidy(day: str | None, state_dir: Path | None, *, dry_run: bool) -> None:
    """Lay past days of the archive out by symbol, and close windows that are over.

    What the function of the same name does every night on AWS, by the same code; the consumer may run meanwhile. Only
    folders that a checkpoint has covered for over a day are tidied: the first call ever notes what it finds.
    """
    settings = load_settings()
    last_day = checked_day(day, "--day")
    event: dict[str, Any] = {**({"day": last_day} if last_day else {}), "dry_run": dry_run}
    tidied, failed = asyncio.run(_tidy(settings, state_dir, event))
    for name, folders in sorted(tidied.items()):
        click.echo(f"{name}: {len(folders)} folders {'may be tidied' if dry_run else 'tidied'}: {', '.join(folders)}")
    if not tidied:
        click.echo("no folder is closed and covered for over a day")
    for name, error in sorted(failed.items()):
        click.echo(f"{name}: {error}", err=True)
    raise SystemExit(ExitCode.FAILED if failed else ExitCode.DONE)


async def _tidy(
    settings: Settings, state_dir: Path | None, event: dict[str, Any]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    from stockstream.aws import open_client  # noqa: PLC0415 - a wrong option is told at once
    from stockstream.local.upkeep import TIDY_HANDLER, UpkeepError, open_upkeep  # noqa: PLC0415
    from stockstream.reading import read_layout  # noqa: PLC0415

    tidied: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    async with target_of(settings, state_dir) as (named, aws, _):
        async with open_client(aws, "s3") as s3:
            partitions = await read_layout(s3, named.archive_bucket)
        if partitions is None:
            raise UpkeepError(f"s3://{named.archive_bucket} holds no log: nothing has been consumed into it yet")
        topic_arn = named.alerts_topic_arn or ""
        if not topic_arn and not event["dry_run"]:
            click.echo(
                "STOCKSTREAM_ALERTS_TOPIC_ARN is not set: alerts of the windows that this closes are recorded, and not "
                "sent. `terraform output alerts_topic_arn` says the topic",
                err=True,
            )
        async with open_upkeep(named, aws, TIDY_HANDLER, alerts_topic_arn=topic_arn) as upkeep:
            with click.progressbar(range(partitions), label="Tidying", file=sys.stderr) as bar:
                for number in bar:
                    more = True
                    while more:
                        answer = await upkeep.call({**event, "partition": number})
                        for name, folders in answer["tidied"].items():
                            tidied.setdefault(name, []).extend(folders)
                        failed |= answer["failed"]
                        more = answer["more"]
    return tidied, failed
