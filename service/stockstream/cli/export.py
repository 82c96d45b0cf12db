"""`stockstream export`: quotes, candles or alerts of some symbols and a range, as a CSV or Parquet file."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stockstream.cli._market import market_of, moment_of
from stockstream.errors import InputError
from stockstream.settings import Settings, load_settings
from stockstream_wire.storage import INTERVALS

if TYPE_CHECKING:
    from stockstream.reading import Market, Rows


@click.command()
@click.argument("what", type=click.Choice(["quotes", "candles", "alerts"]))
@click.option("--symbols", metavar="A,B", help="Symbols [default: all that are stored].")
@click.option("--from", "start", metavar="TIME", help="-2h, 2026-11-20 or 2026-11-20T14:30Z. Default: the first.")
@click.option("--to", "end", metavar="TIME", help="Before this moment; a date is taken to its end. Default: the last.")
@click.option("--session", metavar="DATE", help="The exchange's day in place of both.")
@click.option("--interval", type=click.Choice(INTERVALS), default="1m", show_default=True, help="Of candles.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="FILE.csv (every digit) or FILE.parquet (64-bit floats).",
)  # fmt: skip
def export(
    what: str,
    *,
    symbols: str | None,
    start: str | None,
    end: str | None,
    session: str | None,
    interval: str,
    output: Path,
) -> None:
    """Write what is stored into a file; nothing is left of it where that fails."""
    if output.suffix not in {".csv", ".parquet"}:
        raise InputError(f"-o {output}: must end with .csv or .parquet")
    settings = load_settings()
    now = datetime.now(UTC)
    first, last = moment_of("--from", start, now), moment_of("--to", end, now, end_of_day=True)
    chosen = [part for part in symbols.split(",") if part.strip()] if symbols is not None else None

    async def read(market: "Market", symbol: str) -> "Rows[Any]":
        if what == "quotes":
            return await market.quotes(symbol, first, last, session=session)
        if what == "candles":
            return await market.candles(symbol, interval, first, last, session=session)
        return await market.alerts(symbol, first, last, session=session)

    rows = asyncio.run(_read(settings, chosen, read))
    _write(rows, output)
    click.echo(f"{output}: {len(rows)} {what}", err=True)


async def _read(
    settings: Settings, chosen: list[str] | None, read: "Callable[[Market, str], Awaitable[Rows[Any]]]"
) -> "Rows[Any]":
    from stockstream.reading import Rows, checked_symbols  # noqa: PLC0415 - a wrong option is told at once

    rows: Rows[Any] = Rows()
    async with market_of(settings) as market:
        symbols = await market.symbols() if chosen is None else checked_symbols(chosen)
        with click.progressbar(symbols, label="Reading", file=sys.stderr) as bar:
            for symbol in bar:
                rows.extend(await read(market, symbol))
    return rows


def _write(rows: "Rows[Any]", output: Path) -> None:
    """Beside it first, then in its place: a reader never sees half of it."""
    try:
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}-", delete=False) as file:
            beside = Path(file.name)
            try:
                if output.suffix == ".csv":
                    file.write(rows.to_csv())
                else:
                    table = rows.to_arrow()
                    import pyarrow.parquet as pq  # noqa: PLC0415 - to_arrow has said where it is missing

                    pq.write_table(table, file)
                file.flush()
                beside.chmod(0o666 & ~_umask())
                beside.replace(output)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as exc:
        raise InputError(f"-o {output}: cannot be written: {exc}") from exc


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
