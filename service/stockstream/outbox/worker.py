"""One thread for blocking work, in order. An executor does the same at twice the CPU for every call."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")


class Worker:
    """Runs functions one after the other in a thread of its own.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon: a process that ends without `stop` must not wait for a disk that does not answer.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, function: Callable[[], _T]) -> "asyncio.Future[_T]":
        """Run a function after those before it; the future has what it returns or raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()
        self._jobs.put((function, done, loop))
        return done

    def stop(self) -> None:
        """Finish what was asked for and end the thread; nothing may be asked for afterwards."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, done, loop = job
            result: Any = None
            failure: BaseException | None = None
            try:
                result = function()
            except BaseException as exc:  # noqa: BLE001 (it belongs to whoever waits)
                failure = exc
            # A loop that is closed has nobody who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, done, result, failure)


_Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


def _settle(done: "asyncio.Future[Any]", result: Any, failure: BaseException | None) -> None:
    if done.done():
        return  # cancelled: nobody waits any more
    if failure is None:
        done.set_result(result)
    else:
        done.set_exception(failure)
