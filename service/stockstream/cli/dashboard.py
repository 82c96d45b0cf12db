"""`stockstream dashboard`: the page and the read API of a deployment."""

import asyncio
import sys
from decimal import Decimal
from urllib.parse import urlsplit

import click

from stockstream.cli._market import market_and_desk_of
from stockstream.settings import Settings, load_settings


@click.command()
@click.option("--host", "dashboard_host", metavar="ADDRESS", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", "dashboard_port", type=int, metavar="N", help="Port; 0 takes a free one [default: 8765].")
@click.option(
    "--every",
    "poll_seconds",
    type=click.FloatRange(0.2, 60),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks at the log: four GETs each.",
)
def dashboard(dashboard_host: str | None, dashboard_port: int | None, poll_seconds: float) -> None:
    """Serve the page and the API /api/v1 of what is stored, on AWS or on the local stack.

    Beyond loopback it needs STOCKSTREAM_DASHBOARD_TOKEN. Ctrl-C ends it.
    """
    settings = load_settings({"dashboard_host": dashboard_host, "dashboard_port": dashboard_port})
    asyncio.run(_serve(settings, poll_seconds))


async def _serve(settings: Settings, poll_seconds: float) -> None:
    from stockstream.dashboard import access_from, serve_dashboard  # noqa: PLC0415 - a wrong setting is told at once
    from stockstream.observability.logs import configure_logging  # noqa: PLC0415
    from stockstream.pipeline.signals import stop_on_signals  # noqa: PLC0415

    access = access_from(settings, settings.dashboard_host)
    configure_logging(settings.log_level, settings.log_format, sys.stderr)
    stop = asyncio.Event()
    with stop_on_signals(stop):
        async with (
            market_and_desk_of(settings) as (market, desk),
            serve_dashboard(
                market,
                access,
                host=settings.dashboard_host,
                port=settings.dashboard_port,
                anomaly_threshold_percent=Decimal(str(settings.anomaly_threshold_percent)),
                poll_seconds=poll_seconds,
                desk=desk,
                poll_interval_seconds=settings.poll_interval_seconds,
            ) as url,
        ):
            at = f"http://localhost:{urlsplit(url).port}/" if settings.dashboard_behind_loopback else url
            click.echo(f"The page: {at}", err=True)
            await stop.wait()
