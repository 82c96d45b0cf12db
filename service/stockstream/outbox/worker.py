"""One thread for blocking work, in order. An executor does the same with more CPU for every call."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
# Told what a function returned, or what it raised.
OnDone = Callable[[Any, BaseException | None], None]
_Job = tuple[Callable[[], Any], OnDone, asyncio.AbstractEventLoop]


class Worker:
    """Runs functions one after the other in a thread of its own; asked and answered in the event loop.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._unanswered = 0
        # A daemon: a process that ends without `stop` must not wait for a disk that does not answer.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether everything asked for is done and answered: then the thread touches nothing."""
        return not self._unanswered

    def call(self, function: Callable[[], Any], on_done: OnDone) -> None:
        """Run a function after those before it, and call `on_done` in the event loop."""
        self._unanswered += 1
        self._jobs.put((function, on_done, asyncio.get_running_loop()))

    def run(self, function: Callable[[], _T]) -> "asyncio.Future[_T]":
        """Run a function after those before it; the future has what it returns or raises."""
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self.call(function, partial(_settle, done))
        return done

    def stop(self) -> None:
        """Finish what was asked for and end the thread; nothing may be asked for afterwards."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, on_done, loop = job
            result, failure = attempt(function)
            # A loop that is closed has nobody who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._answer, on_done, result, failure)

    def _answer(self, on_done: OnDone, result: Any, failure: BaseException | None) -> None:
        self._unanswered -= 1
        on_done(result, failure)


def attempt(function: Callable[[], _T]) -> tuple[_T | None, BaseException | None]:
    """Call a function; what it raises belongs to whoever waits for it."""
    try:
        return function(), None
    except BaseException as exc:  # noqa: BLE001 (see above)
        return None, exc


def _settle(done: "asyncio.Future[Any]", result: Any, failure: BaseException | None) -> None:
    if done.done():
        return  # cancelled: nobody waits any more
    if failure is None:
        done.set_result(result)
    else:
        done.set_exception(failure)
