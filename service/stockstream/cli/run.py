"""`stockstream run`: the service as ECS runs it."""

import asyncio

import click

from stockstream.settings import load_settings


@click.command()
def run() -> None:
    """Poll the source and stream its quotes into Kinesis until SIGTERM or SIGINT; then drain and end."""
    settings = load_settings()
    # Imported late: a wrong setting is told at once, without waiting for the libraries.
    from stockstream.observability.logs import configure_logging  # noqa: PLC0415
    from stockstream.pipeline.service import Service  # noqa: PLC0415
    from stockstream.pipeline.signals import ExitDeadline, stop_on_signals  # noqa: PLC0415
    from stockstream.settings import Watchlist  # noqa: PLC0415
    from stockstream.sources.simulated import DEMO_WATCHLIST  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format)
    if settings.source in {"auto", "simulated"} and "symbols" not in settings.model_fields_set:
        # Both are for a look: as many symbols as `stockstream local` shows.
        settings = settings.model_copy(update={"symbols": Watchlist(DEMO_WATCHLIST)})

    deadline = ExitDeadline(settings.shutdown_seconds)

    async def main() -> int:
        stop = asyncio.Event()
        with stop_on_signals(stop, deadline.start):
            report = await Service(settings).run(stop)
        return report.exit_code

    try:
        code = asyncio.run(main())
    finally:
        deadline.cancel()
    raise SystemExit(code)
