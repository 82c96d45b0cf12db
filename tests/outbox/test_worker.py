"""The outbox's thread: one function after the other, answered in the event loop."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from stockstream.outbox.worker import Worker

_THREAD_NAME = "worker of a test"


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(_THREAD_NAME)
    yield worker
    worker.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == _THREAD_NAME]


async def test_functions_run_one_after_the_other_in_the_workers_own_thread(worker: Worker) -> None:
    done: list[int] = []
    answered: list[int] = []
    for number in range(200):
        worker.call(partial(done.append, number), partial(_note, answered, number))
    thread = await worker.run(threading.current_thread)
    assert (thread.name, thread is threading.current_thread()) == (_THREAD_NAME, False)
    assert done == answered == list(range(200))


async def test_answers_come_in_the_loops_own_thread_with_what_was_returned_or_raised(worker: Worker) -> None:
    failure = OSError(5, "Input/output error")
    told: list[tuple[Any, BaseException | None, int]] = []

    def fail() -> None:
        raise failure

    def on_done(result: Any, raised: BaseException | None) -> None:
        told.append((result, raised, threading.get_ident()))

    worker.call(lambda: 5, on_done)
    worker.call(fail, on_done)
    assert told == []
    await worker.run(lambda: None)
    here = threading.get_ident()
    assert told == [(5, None, here), (None, failure, here)]


@pytest.mark.parametrize("failure", [OSError(28, "No space left"), ValueError("bad"), SystemExit(3)])
async def test_what_a_function_raises_reaches_its_waiter_and_the_thread_goes_on(
    worker: Worker, failure: BaseException
) -> None:
    def fail() -> None:
        raise failure

    # Read from the future: a SystemExit that passed through a task would end the loop.
    failing = worker.run(fail)
    assert await worker.run(lambda: "after") == "after"
    assert failing.exception() is failure


async def test_a_waiter_that_is_cancelled_disturbs_neither_the_function_nor_those_after_it(worker: Worker) -> None:
    gate = threading.Event()
    ran: list[str] = []

    def pass_gate() -> None:
        gate.wait()
        ran.append("the cancelled one's")

    async def wait() -> None:
        await worker.run(pass_gate)

    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0)
    queued = worker.run(partial(ran.append, "another, cancelled before it began"))
    following = worker.run(partial(ran.append, "the next one's"))
    waiter.cancel()
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert not worker.idle
    gate.set()
    await following
    assert ran == ["the cancelled one's", "another, cancelled before it began", "the next one's"]
    assert worker.idle


async def test_it_is_idle_only_when_everything_is_answered(worker: Worker) -> None:
    was_idle = worker.idle
    finished = threading.Event()
    answered = worker.run(finished.set)
    finished.wait()
    # Run, and not yet answered: the loop has had no turn.
    idle_before_answer = worker.idle
    await answered
    assert (was_idle, idle_before_answer, worker.idle) == (True, False, True)


async def test_stopping_finishes_what_was_asked_for_and_its_answers_still_come() -> None:
    worker = Worker(_THREAD_NAME)
    gate = threading.Event()
    done: list[int] = []
    at_gate = worker.run(gate.wait)
    futures = [worker.run(partial(done.append, number)) for number in range(50)]
    gate.set()
    worker.stop()
    assert done == list(range(50))
    assert not at_gate.done()
    await asyncio.gather(at_gate, *futures)
    assert worker.idle


def test_a_loop_that_is_closed_is_told_nothing_and_the_thread_goes_on(worker: Worker) -> None:
    gate = threading.Event()
    done: list[str] = []

    async def leave_behind() -> None:
        worker.run(gate.wait)
        worker.run(partial(done.append, "left behind"))

    async def ask() -> str:
        return await worker.run(lambda: "answered")

    asyncio.run(leave_behind())
    gate.set()
    assert asyncio.run(ask()) == "answered"
    assert done == ["left behind"]


def _note(numbers: list[int], number: int, *_: Any) -> None:
    numbers.append(number)
