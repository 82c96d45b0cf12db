"""Waiting for room in an outbox at its bound: said once, ended by room, by giving up, or by the sender's failure."""

import asyncio

import pytest
from structlog.testing import capture_logs

from stockstream.outbox import OutboxFullError
from stockstream.sender.room import Room
from tests.patience import PATIENCE_SECONDS


async def _waiting(room: Room, callers: int = 1) -> list["asyncio.Task[None]"]:
    tasks = [asyncio.create_task(room.wait(1000, 7)) for _ in range(callers)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while room.waiting < callers:  # noqa: ASYNC110 (a count, and no event)
            await asyncio.sleep(0)
    return tasks


async def test_the_bound_is_said_once_however_many_wait_and_again_when_it_is_left() -> None:
    room = Room(1000, iter((1.0, 3.5)).__next__)
    with capture_logs() as logs:
        tasks = await _waiting(room, 3)
        at_bound = [room.is_at_bound]
        room.changed(990, 7)
        await asyncio.gather(*tasks)
        at_bound.append(room.is_at_bound)
        room.changed(0, 0)
    assert [*at_bound, room.is_at_bound] == [True, True, False]
    assert [(entry["event"], entry["unsent"]) for entry in logs] == [
        ("outbox_bound_reached", 7),
        ("outbox_bound_left", 0),
    ]
    assert logs[1]["seconds"] == 2.5


async def test_who_waits_hears_that_it_is_given_up_and_so_does_who_comes_later() -> None:
    room = Room(1000, lambda: 0.0)
    (task,) = await _waiting(room)
    room.give_up_waiting()
    with pytest.raises(OutboxFullError, match=r"bound of 1000 bytes.*Remedy"):
        await task
    with pytest.raises(OutboxFullError):
        await room.wait(1000, 7)


async def test_who_waits_hears_of_the_failure_of_the_sender() -> None:
    room = Room(1000, lambda: 0.0)
    (task,) = await _waiting(room)
    room.abort(RuntimeError("the sender's own"))
    with pytest.raises(RuntimeError, match="the sender's own"):
        await task
