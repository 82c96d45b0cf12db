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
    from stockstream.sources.factory import with_own_symbols  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format)
    settings = with_own_symbols(settings)
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
