"""`stockstream audit`: every accepted quote exactly once, values equal, order kept."""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stockstream.cli._target import open_target
from stockstream.settings import Settings, load_settings

if TYPE_CHECKING:
    from stockstream.audit import AuditReport


@click.command()
@click.option("--day", metavar="DAY", help="UTC day of event time, 2026-11-22. Default: every day there is.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option(
    "--ledger",
    "ledger_dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the ledger [default: STOCKSTREAM_LEDGER_DIR, or the local stack's].",
)
def audit(day: str | None, ledger_dir: Path | None, *, as_json: bool) -> None:
    """Reconcile the ledger of accepted quotes with the archive, `quotes` and `candles`.

    Quotes accepted after the start are counted and left out.
    """
    settings = load_settings()
    report = asyncio.run(_audit(settings, day, ledger_dir))
    from stockstream.audit import render  # noqa: PLC0415 - as below

    if as_json:
        click.echo(report.to_json().decode())
    else:
        for line in render(report):
            click.echo(line)
    raise SystemExit(report.exit_code)


async def _audit(settings: Settings, day: str | None, ledger_dir: Path | None) -> "AuditReport":
    # Imported late: every command of ours pays for what this module imports at its top.
    from stockstream.audit import Stores  # noqa: PLC0415
    from stockstream.audit import audit as reconcile  # noqa: PLC0415
    from stockstream.aws import open_client  # noqa: PLC0415
    from stockstream.observability.logs import configure_logging  # noqa: PLC0415
    from stockstream.redrive import waiting_messages  # noqa: PLC0415

    configure_logging("warning", settings.log_format, sys.stderr)
    async with (
        open_target(settings) as (named, aws, _),
        open_client(aws, "s3", max_pool_connections=64) as s3,
        open_client(aws, "dynamodb", max_pool_connections=64) as dynamodb,
        open_client(aws, "sqs") as sqs,
    ):
        stores = Stores(
            s3=s3,
            dynamodb=dynamodb,
            bucket=named.archive_bucket,
            quotes_table=named.quotes_table,
            candles_table=named.candles_table,
            anomaly_threshold_percent=Decimal(str(named.anomaly_threshold_percent)),
        )
        report = await reconcile(stores, _ledger_folder(named, ledger_dir), day=day)
        if named.failed_batches_queue_url is not None:
            report.failed_batches = await waiting_messages(sqs, named.failed_batches_queue_url)
    return report


def _ledger_folder(settings: Settings, named_dir: Path | None) -> Path | None:
    """A folder that somebody named must be there; the default one may well be on another machine."""
    folder = named_dir or settings.ledger_folder
    is_named = named_dir is not None or settings.ledger_dir is not None
    return folder if is_named or folder.is_dir() else None
