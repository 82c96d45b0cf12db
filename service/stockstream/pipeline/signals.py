"""SIGTERM and SIGINT ask for a stop; a second one ends the process at once."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from stockstream.exit_codes import ExitCode

# What an interpreter takes to end at the least, whatever was asked for.
_DEADLINE_MIN_SECONDS: Final = 3.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger("stockstream.pipeline.signals")


@contextmanager
def stop_on_signals(stop: asyncio.Event, on_stop: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Set `stop` at the first SIGTERM or SIGINT, and give the second its usual force, until the context ends.

    Args:
        stop: To set.
        on_stop: Called with it.
    """
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        log.info("stopping", signal=number.name, hint="once more ends at once; what is accepted stays in the outbox")
        stop.set()
        on_stop()
        _release(loop)

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        _release(loop)


class ExitDeadline:
    """Ends the process so many seconds after `start`, whatever holds it: a disk that does not answer, a library.

    Args:
        seconds: From `start` on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = max(seconds, _DEADLINE_MIN_SECONDS)
        self._timer = threading.Timer(self._seconds, self._exit)
        self._timer.daemon = True

    def start(self) -> None:
        """Begin to count."""
        self._timer.start()

    def cancel(self) -> None:
        """The process is at its end by itself."""
        self._timer.cancel()

    def _exit(self) -> None:
        log.critical("shutdown_overdue", seconds=self._seconds, meaning="what is accepted stays in the outbox")
        os._exit(ExitCode.FAILED)


def _release(loop: asyncio.AbstractEventLoop) -> None:
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
