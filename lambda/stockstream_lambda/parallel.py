"""Calls in parallel, each with its own outcome."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from stockstream_lambda.errors import StoreError

T = TypeVar("T")


class Calls:
    """Runs calls to the stores on a pool of threads that is made once."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def run(self, jobs: Sequence[Callable[[], None]]) -> list[StoreError | None]:
        """Run all jobs and wait for them; a job's outcome is None, or the StoreError that it raised."""
        if len(jobs) == 1:
            return [_outcome(jobs[0])]
        return list(self._pool.map(_outcome, jobs))

    def close(self) -> None:
        self._pool.shutdown()


def _outcome(job: Callable[[], None]) -> StoreError | None:
    try:
        job()
    except StoreError as exc:
        return exc
    return None


def chunks(values: Sequence[T], size: int) -> list[Sequence[T]]:
    """Cut a sequence into pieces of at most `size`."""
    return [values[start : start + size] for start in range(0, len(values), size)]
