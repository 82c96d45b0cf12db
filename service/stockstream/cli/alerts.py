"""`stockstream alerts`: the levels that alerts wait for, and a test of where alerts go."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from stockstream.cli._help import WholeHelp
from stockstream.cli._market import market_and_desk_of, render_rows
from stockstream.exit_codes import ExitCode
from stockstream.settings import load_settings
from stockstream_wire.storage import RULES_LEAD_SECONDS

if TYPE_CHECKING:
    from stockstream.alerting import AlertDesk
    from stockstream.reading import Market

_WHEN = click.Choice(["above", "below"])


@click.group(cls=WholeHelp)
def alerts() -> None:
    """Ask for an alert when a price crosses a level; list and remove levels; test where alerts go.

    The rules of all kinds are in config/alert-rules.json of the archive's bucket (docs/consumer.md).
    """


@alerts.command()
@click.argument("symbol")
@click.argument("when", type=_WHEN)
@click.argument("price")
@click.option("--each", "is_each", is_flag=True, help="At every crossing, once a minute at most; not the first alone.")
def add(symbol: str, when: str, price: str, *, is_each: bool) -> None:
    """Alert when SYMBOL comes ABOVE or BELOW a PRICE: stockstream alerts add AAPL above 200."""

    async def act(market: "Market", desk: "AlertDesk") -> ExitCode:
        from stockstream.alerting import new_level  # noqa: PLC0415 - a wrong option is told at once
        from stockstream.reading import checked_symbols  # noqa: PLC0415

        (name,) = checked_symbols(symbol)
        newest = await market.latest(name)
        last_price = newest[0].price if newest else None
        level = new_level(price, when, "each" if is_each else "once", last_price=last_price)
        await desk.rules.add(name, level)
        now = f"now at {last_price}" if last_price is not None else "no quote of it is stored yet"
        beyond = f"; it is {when} already: it rings when it comes back" if level.start == level.when else ""
        click.echo(f"{name} {level.name}: in force in {RULES_LEAD_SECONDS:.0f} s ({now}{beyond})")
        return ExitCode.DONE

    _run(act)


@alerts.command("list")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def list_(form: str) -> None:
    """Show the levels that alerts wait for."""

    async def act(_: "Market", desk: "AlertDesk") -> ExitCode:
        from stockstream.reading import Rows  # noqa: PLC0415

        rows = Rows(await desk.rules.levels())
        if rows:
            click.echo(render_rows(rows, ("symbol", "when", "price", "repeat", "since"), form))
        else:
            click.echo("no level. Add one: stockstream alerts add AAPL above 200", err=True)
        return ExitCode.DONE

    _run(act)


@alerts.command()
@click.argument("symbol")
@click.argument("when", type=_WHEN)
@click.argument("price")
def remove(symbol: str, when: str, price: str) -> None:
    """Remove a level: stockstream alerts remove AAPL above 200."""

    async def act(_: "Market", desk: "AlertDesk") -> ExitCode:
        from stockstream.alerting import new_level  # noqa: PLC0415
        from stockstream.reading import checked_symbols  # noqa: PLC0415

        (symbol_name,) = checked_symbols(symbol)
        name = new_level(price, when, "once", last_price=None).name
        if not await desk.rules.remove(symbol_name, name):
            click.echo(f"{symbol_name} has no level {name}", err=True)
            return ExitCode.FAILED
        click.echo(f"{symbol_name} {name}: removed")
        return ExitCode.DONE

    _run(act)


@alerts.command()
def test() -> None:
    """Send a test alert to the topic: it goes wherever alerts go."""

    async def act(_: "Market", desk: "AlertDesk") -> ExitCode:
        alert_id = await desk.send_test()
        click.echo(f"sent to {desk.topic_arn} (id {alert_id})")
        return ExitCode.DONE

    _run(act)


def _run(act: Callable[["Market", "AlertDesk"], Awaitable[ExitCode]]) -> None:
    settings = load_settings()

    async def main() -> ExitCode:
        async with market_and_desk_of(settings) as (market, desk):
            return await act(market, desk)

    raise SystemExit(asyncio.run(main()))
