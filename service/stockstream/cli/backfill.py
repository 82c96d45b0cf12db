"""`stockstream backfill`: fill what the service missed from history."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from stockstream.cli._target import Target, on_disk, open_target
from stockstream.cli._times import day_or_moment
from stockstream.errors import InputError, only_error
from stockstream.exit_codes import ExitCode
from stockstream.settings import Settings, load_settings
from stockstream.source_kinds import AUTO, AUTO_TRIES, HISTORY_ELSE, at_place, source_kind
from stockstream.symbols import upper_symbols

if TYPE_CHECKING:
    from stockstream.backfill import BackfillReport, SymbolOutcome
    from stockstream.sources.history import HistoryProvider

_DRAIN_SECONDS: Final = 120.0


@click.command()
@click.argument("symbols", nargs=-1)
@click.option("--from", "start", metavar="TIME", help="First moment: 2026-11-20, or 2026-11-20T14:30Z.")
@click.option("--to", "end", metavar="TIME", help="Moment after the last; a date is taken to its end. Default: now.")
@click.option("--gaps", is_flag=True, help="List the gaps that the service noted, and how to fill them.")
def backfill(symbols: tuple[str, ...], start: str | None, end: str | None, gaps: bool) -> None:
    """Fill quotes and candles of SYMBOLS (default: the watchlist) from 1-minute history.

    The quotes go through the stream like live ones, marked source "backfill". Doing it twice is harmless.
    """
    settings = load_settings()
    if gaps:
        _list_gaps(on_disk(settings))
        return
    if start is None:
        raise click.UsageError("--from is missing. `stockstream backfill --gaps` lists what there is to fill.")
    now = datetime.now(UTC)
    provider = _provider(settings)
    chosen = tuple(upper_symbols(symbols))
    first, last = parse_range(start, end, now, provider)
    raise SystemExit(asyncio.run(_backfill(settings, chosen, first, last, provider)))


def _provider(settings: Settings) -> "HistoryProvider":
    """History of the source that the settings name, else Yahoo's."""
    kind = source_kind(AUTO_TRIES if settings.source == AUTO else settings.source)
    provider: HistoryProvider = at_place(kind.history or HISTORY_ELSE)(settings)
    return provider


def parse_range(start: str, end: str | None, now: datetime, provider: "HistoryProvider") -> tuple[datetime, datetime]:
    """Read `--from` and `--to`; the end is cut to the last full minute, for the running one is not history yet.

    Raises:
        InputError: no ISO 8601 time, no offset from UTC, an empty range, or one older than the provider's history.
    """
    # Imported late, here and below: every command of ours pays for what this module imports at its top.
    from stockstream.sources.history import oldest_start  # noqa: PLC0415

    first = day_or_moment("--from", start)
    last = now if end is None else day_or_moment("--to", end, end_of_day=True)
    last = min(last, now.replace(second=0, microsecond=0))
    if first >= last:
        raise InputError(f"--from {start} is not before the end of the range, {last.isoformat()}")
    oldest = oldest_start(now, provider.keeps_days)
    if first < oldest:
        raise InputError(
            f"--from {start} is too old: {provider.label} keeps 1-minute history for {provider.keeps_days} days. "
            f"Remedy: --from {oldest.strftime('%Y-%m-%dT%H:%MZ')} or later"
        )
    return first, last


def _list_gaps(settings: Settings) -> None:
    from stockstream.backfill import noted_gaps  # noqa: PLC0415

    gaps = noted_gaps(settings.outbox_dir.parent)
    if not gaps:
        click.echo("No gaps noted.")
        return
    for noted in gaps:
        gap, outcome = noted.gap, noted.outcome
        span = str(timedelta(seconds=round(gap.seconds)))
        click.echo(f"{gap.start}  {span:>10}  {gap.kind} ({gap.source}){f', {outcome}' if outcome else ''}")
        if outcome != "filled":
            click.echo(f"    stockstream backfill --from {gap.start} --to {gap.end}")


async def _backfill(
    settings: Settings, symbols: Sequence[str], start: datetime, end: datetime, provider: "HistoryProvider"
) -> ExitCode:
    from stockstream.observability.logs import configure_logging  # noqa: PLC0415

    configure_logging("warning", settings.log_format, sys.stderr)
    try:
        async with open_target(settings) as target:
            report = await _fill(target, symbols or target.settings.symbols.symbols, start, end, provider)
    except BaseExceptionGroup as group:
        raise only_error(group) or group from group
    for outcome in report.outcomes:
        _say(outcome)
    if report.unsent:
        click.echo(
            f"{report.unsent} quotes are not in Kinesis yet: it did not answer in {_DRAIN_SECONDS:.0f} s. "
            f"Remedy: the same command again",
            err=True,
        )
    return ExitCode.DONE if report.is_complete else ExitCode.FAILED


async def _fill(
    target: Target, symbols: Sequence[str], start: datetime, end: datetime, provider: "HistoryProvider"
) -> "BackfillReport":
    from stockstream.backfill import backfill as fill  # noqa: PLC0415
    from stockstream.backfill import backfill_outbox, open_candles  # noqa: PLC0415
    from stockstream.sender import Sender, SenderConfig  # noqa: PLC0415

    settings = target.settings
    # An outbox of its own: the service may be running, and owns the other.
    config = SenderConfig(stream=settings.stream, outbox_dir=backfill_outbox(settings))
    try:
        async with (
            open_candles(target.aws, settings.candles_table, retention_days=settings.retention_days) as candles,
            Sender(config, aws=target.aws) as sender,
        ):
            with click.progressbar(length=len(symbols), label="Backfilling", item_show_func=_shown) as bar:

                def advance(outcome: "SymbolOutcome") -> None:
                    bar.update(1, outcome.symbol)

                return await fill(
                    symbols,
                    start,
                    end,
                    provider=provider,
                    sender=sender,
                    candles=candles,
                    drain_seconds=_DRAIN_SECONDS,
                    on_symbol=advance,
                )
    finally:
        await provider.aclose()


def _shown(symbol: str | None) -> str:
    return symbol or ""


def _say(outcome: "SymbolOutcome") -> None:
    if outcome.error:
        click.echo(f"{outcome.symbol}: FAILED: {outcome.error}")
        return
    refused = f", {len(outcome.rejected)} refused" if outcome.rejected else ""
    click.echo(
        f"{outcome.symbol}: {outcome.quotes} quotes of {outcome.minutes} minutes, {outcome.candles} candles{refused}"
    )
    for rejection in outcome.rejected[:5]:
        click.echo(f"    {rejection.subject}: {rejection.reason}: {rejection.detail}")
