"""`stockstream consume`: the handler behind the event-source runner, against AWS_ENDPOINT_URL."""

import asyncio
from pathlib import Path

import click

from stockstream.settings import load_settings
from stockstream.settings.paths import default_state_dir


@click.command()
@click.option(
    "--checkpoints",
    "checkpoints_dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder that keeps the checkpoints [default: in the user's state folder].",
)
@click.option(
    "--provision",
    "provisions",
    is_flag=True,
    help="Make stream, tables, bucket, topic and queues where they are missing, now and whenever the emulator has come "
    "back without its state.",
)
def consume(checkpoints_dir: Path | None, *, provisions: bool) -> None:
    """Read the stream and invoke the real handler by Lambda's contract, until SIGTERM or SIGINT.

    For emulators (compose runs it): AWS Lambda itself does this in production.
    """
    settings = load_settings()
    from stockstream.aws import resolve_aws  # noqa: PLC0415 - a wrong setting is told at once
    from stockstream.local.consume import run_consumer  # noqa: PLC0415
    from stockstream.observability.logs import configure_logging  # noqa: PLC0415
    from stockstream.pipeline.signals import stop_on_signals  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format)

    async def main() -> None:
        stop = asyncio.Event()
        with stop_on_signals(stop):
            folder = checkpoints_dir or default_state_dir() / "checkpoints"
            await run_consumer(settings, resolve_aws(settings.region), folder, stop, provisions=provisions)

    asyncio.run(main())
