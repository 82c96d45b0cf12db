"""SIGTERM and SIGINT ask for a stop; a second one ends the process at once."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger("stockstream.pipeline.signals")


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at the first SIGTERM or SIGINT, and give the second its usual force, until the context ends."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        log.info("stopping", signal=number.name, hint="once more ends at once; what is accepted stays in the outbox")
        stop.set()
        _release(loop)

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        _release(loop)


def _release(loop: asyncio.AbstractEventLoop) -> None:
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
