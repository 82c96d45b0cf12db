"""`stockstream redrive`: quarantined records and failed batches through the stream again."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from stockstream.cli._target import open_target
from stockstream.exit_codes import ExitCode
from stockstream.settings import Settings, load_settings

if TYPE_CHECKING:
    from stockstream.aws import AwsConfig
    from stockstream.redrive import Item, Places, RedriveResult, Selection

_ORIGINS = ("quarantine", "queue", "bucket")


@click.command()
@click.option(
    "--from",
    "origins",
    type=click.Choice(_ORIGINS),
    multiple=True,
    help="Where to look: the quarantine, the on-failure queue (STOCKSTREAM_FAILED_BATCHES_QUEUE_URL), or "
    "failed-batches/ in the archive's bucket. May be given more than once [default: all].",
)
@click.option("--day", metavar="DAY", help="Quarantine only: UTC day of arrival, 2026-11-22.")
@click.option("--reason", metavar="REASON", help="Only this reason, such as bad_tick or RetryAttemptsExhausted.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Look at no more than N of each place.")
@click.option("--list", "listing", is_flag=True, help="List what is set aside, with a preview, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --list: one JSON object a line.")
@click.option("--dry-run", is_flag=True, help="Read everything again, send and remove nothing.")
@click.option(
    "--force", is_flag=True, help="Send also what would only be refused again, and what is left of an expired batch."
)
def redrive(
    origins: Sequence[str],
    day: str | None,
    reason: str | None,
    limit: int | None,
    *,
    listing: bool,
    as_json: bool,
    dry_run: bool,
    force: bool,
) -> None:
    """Send quarantined records and failed batches through the stream again.

    First sent, then removed, so nothing can be lost between; a quote that is stored already stays as it is.
    """
    settings = load_settings()
    from stockstream.observability.logs import configure_logging  # noqa: PLC0415 - a wrong setting is told at once
    from stockstream.redrive import Origin, Selection  # noqa: PLC0415

    configure_logging("error", settings.log_format, sys.stderr)
    chosen = frozenset(Origin(origin) for origin in origins) or frozenset(Origin)
    selection = Selection(chosen, day, reason, limit)
    if listing:
        items = asyncio.run(_list(settings, selection))
        for line in _lines(items, as_json=as_json):
            click.echo(line)
        return
    result = asyncio.run(_redrive(settings, selection, dry_run=dry_run, force=force))
    _say(result)
    raise SystemExit(ExitCode.FAILED if result.left else ExitCode.DONE)


async def _list(settings: Settings, selection: "Selection") -> "list[Item]":
    from stockstream.redrive import listing  # noqa: PLC0415

    async with _places(settings) as (_, places):
        return await listing(places, selection)


async def _redrive(settings: Settings, selection: "Selection", *, dry_run: bool, force: bool) -> "RedriveResult":
    from stockstream.redrive import SenderResend  # noqa: PLC0415
    from stockstream.redrive import redrive as send_again  # noqa: PLC0415
    from stockstream.sender import Sender, SenderConfig  # noqa: PLC0415

    # In memory: what the sender holds is still set aside until Kinesis has it.
    async with (
        _places(settings) as (aws, places),
        Sender(SenderConfig(stream=places.stream), aws=aws) as sender,
    ):
        total = await places.count(selection)
        label = "Looking at" if dry_run else "Redriving"
        with click.progressbar(length=total, label=label, file=sys.stderr) as bar:

            def advance(result: "RedriveResult") -> None:
                bar.update(result.looked_at - bar.pos)

            return await send_again(
                places, selection, SenderResend(sender), dry_run=dry_run, force=force, on_progress=advance
            )


@asynccontextmanager
async def _places(settings: Settings) -> AsyncIterator["tuple[AwsConfig, Places]"]:
    from stockstream.aws import open_client  # noqa: PLC0415
    from stockstream.redrive import Places  # noqa: PLC0415

    async with (
        open_target(settings) as (named, aws, _),
        open_client(aws, "s3", max_pool_connections=32) as s3,
        open_client(aws, "sqs") as sqs,
        open_client(aws, "kinesis") as kinesis,
    ):
        queue_url = named.failed_batches_queue_url
        yield aws, Places(s3, sqs, kinesis, named.archive_bucket, named.stream, queue_url)


def _lines(items: "Sequence[Item]", *, as_json: bool) -> list[str]:
    if as_json:
        return [json.dumps(item.as_json()) for item in items]
    if not items:
        return ["Nothing is set aside."]
    lines = []
    for item in items:
        count = f"{len(item.records)} records"
        lines.append(f"{item.origin.value:10}  {item.standing.value:10}  {item.reason:22}  {count:12}  {item.label}")
        lines += [f"    {text}" for text in (item.detail, item.preview) if text]
    return lines


def _say(result: "RedriveResult") -> None:
    verb = "would be sent" if result.dry_run else "sent"
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(result.reasons.items()))
    click.echo(f"{result.items} items with {result.records} records {verb}{f' ({reasons})' if reasons else ''}")
    for standing, count in sorted(result.left.items()):
        click.echo(f"{count} left where they are: {standing.value} (see --list)")
