"""Calls in parallel, each with its own outcome."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from stockstream_lambda.errors import StoreError

A = TypeVar("A")
T = TypeVar("T")


class Calls:
    """Runs calls to the stores on a pool of threads that is made once."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def run(self, jobs: Sequence[Callable[[], None]]) -> list[StoreError | None]:
        """Run all jobs and wait for them; a job's outcome is None, or the StoreError that it raised."""
        outcomes: list[StoreError | None] = [None] * len(jobs)
        waiting = iter(enumerate(jobs))

        def work() -> None:
            # Threads that take the next job themselves cost half of what one future per job does.
            for index, job in waiting:
                try:
                    job()
                except StoreError as exc:
                    outcomes[index] = exc

        helpers = [self._pool.submit(work) for _ in range(min(self._threads, len(jobs)) - 1)]
        try:
            work()
        finally:
            errors = [helper.exception() for helper in helpers]
        for error in errors:
            if error is not None:
                raise error
        return outcomes

    def map(self, call: Callable[[A], T], arguments: Sequence[A]) -> list[T]:
        """Call for each argument and wait for all; the answers in order, or the first StoreError that one raised."""
        found: dict[int, T] = {}

        def ask(index: int) -> None:
            found[index] = call(arguments[index])

        for error in self.run([partial(ask, index) for index in range(len(arguments))]):
            if error is not None:
                raise error
        return [found[index] for index in range(len(arguments))]

    def close(self) -> None:
        self._pool.shutdown()


def chunks(values: Sequence[T], size: int) -> list[Sequence[T]]:
    """Cut a sequence into pieces of at most `size`."""
    return [values[start : start + size] for start in range(0, len(values), size)]
