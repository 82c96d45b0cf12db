"""`stockstream latest`, `candles` and `tail`: what is stored, at a glance and as it comes."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from stockstream.cli._market import as_json_line, market_of, moment_of, render_rows
from stockstream.exit_codes import ExitCode
from stockstream.settings import Settings, load_settings
from stockstream_wire.storage import INTERVALS

if TYPE_CHECKING:
    from stockstream.reading import Candle, Rows, StoredQuote

_PERCENT = Decimal("0.01")
_FORMATS = click.Choice(["table", "csv", "json"])


@click.command()
@click.argument("symbols", nargs=-1)
@click.option("--format", "form", type=_FORMATS, default="table", show_default=True)
def latest(symbols: tuple[str, ...], form: str) -> None:
    """Show the newest quote of SYMBOLS, or of all."""
    settings = load_settings()
    raise SystemExit(asyncio.run(_latest(settings, symbols, form)))


async def _latest(settings: Settings, symbols: tuple[str, ...], form: str) -> ExitCode:
    async with market_of(settings) as market:
        rows = await market.latest(symbols or None)
    if rows:
        columns = ("symbol", "timestamp", "price", "currency", "change", "volume", "anomaly", "session")
        click.echo(render_rows(rows, columns, form))
    missing = {symbol.upper() for symbol in symbols} - {row.symbol for row in rows}
    for symbol in sorted(missing):
        click.echo(f"{symbol}: no quote of it has been stored", err=True)
    if not symbols and not rows:
        click.echo("nothing has been stored yet", err=True)
    return ExitCode.FAILED if missing else ExitCode.DONE


@click.command()
@click.argument("symbol")
@click.option("--interval", type=click.Choice(INTERVALS), default="1m", show_default=True)
@click.option(
    "--from", "start", metavar="TIME", help="-2h, 2026-11-20 or 2026-11-20T14:30Z. Default: a day before --to."
)
@click.option("--to", "end", metavar="TIME", help="Before this moment; a date is taken to its end. Default: now.")
@click.option("--session", metavar="DATE", help="The exchange's day in place of both.")
@click.option("--format", "form", type=_FORMATS, default="table", show_default=True)
def candles(symbol: str, *, interval: str, start: str | None, end: str | None, session: str | None, form: str) -> None:
    """Show candles of SYMBOL, open and closed alike."""
    settings = load_settings()
    now = datetime.now(UTC)
    last = moment_of("--to", end, now, end_of_day=True)
    first = moment_of("--from", start, now)
    if session is None and first is None:
        first = (last or now) - timedelta(days=1)

    async def read() -> "Rows[Candle]":
        async with market_of(settings) as market:
            return await market.candles(symbol, interval, first, last, session=session)

    rows = asyncio.run(read())
    if not rows:
        click.echo(f"{symbol.upper()}: no {interval} candles in that range", err=True)
        return
    columns = ("start", "open", "high", "low", "close", "volume", "quotes", "is_closed")
    click.echo(render_rows(rows, columns, form))


@click.command()
@click.argument("symbols", nargs=-1)
@click.option(
    "--from", "start", metavar="TIME", help="Begin with stored quotes from this moment on: -10m, 2026-11-20T14:30Z."
)
@click.option("--json", "as_json", is_flag=True, help="An object a line.")
def tail(symbols: tuple[str, ...], start: str | None, *, as_json: bool) -> None:
    """Print quotes of SYMBOLS, or of all, as they are stored. Ctrl-C ends it."""
    settings = load_settings()
    first = moment_of("--from", start, datetime.now(UTC))
    asyncio.run(_tail(settings, symbols, first, as_json=as_json))


async def _tail(settings: Settings, symbols: tuple[str, ...], start: datetime | None, *, as_json: bool) -> None:
    from stockstream.reading import checked_symbols, live_quote  # noqa: PLC0415

    chosen = frozenset(checked_symbols(symbols))
    told: set[tuple[str, datetime]] = set()
    async with market_of(settings) as market:
        # The end of the log first: what is stored meanwhile comes by both ways, and is told once.
        place = await market.end()
        if start is not None:
            stored = await market.quotes(chosen or await market.symbols(), start)
            for row in sorted(stored, key=lambda row: (row.timestamp, row.symbol)):
                told.add((row.symbol, row.timestamp))
                _show(row, as_json=as_json)
        async with aclosing(market.follow(place)) as updates:
            async for update in updates:
                for quote in update.quotes:
                    row = live_quote(quote, Decimal(str(settings.anomaly_threshold_percent)))
                    if (not chosen or row.symbol in chosen) and (row.symbol, row.timestamp) not in told:
                        _show(row, as_json=as_json)


def _show(row: "StoredQuote", *, as_json: bool) -> None:
    if as_json:
        click.echo(as_json_line(row))
        return
    percent = f"{row.change_percent.quantize(_PERCENT):+}%" if row.change_percent is not None else "-"
    volume = "-" if row.volume is None else str(row.volume)
    marks = "".join(f"  {mark}" for mark, is_so in (("anomaly", row.anomaly), ("stale", row.stale)) if is_so)
    moment = row.timestamp.strftime("%Y-%m-%d %H:%M:%SZ")
    click.echo(f"{moment}  {row.symbol:<10} {row.price!s:>12} {percent:>9} {volume:>14}{marks}")
