"""What others do to the table and the folders does not end what a worker looks at."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from stockstream.clock import SYSTEM_CLOCK
from stockstream.workers.adoption import Adoption
from stockstream.workers.table import _row


def _item(**changes: Any) -> dict[str, Any]:
    return {
        "deployment": {"S": "d"},
        "worker": {"S": "w"},
        "beats": {"N": "3"},
        "is_serving": {"BOOL": True},
        "symbols": {"N": "2"},
        "place": {"S": "here"},
        "beat_at": {"S": "2026-11-26T00:00:00.000Z"},
    } | changes


@pytest.mark.parametrize("change", [{"beats": {"S": "x"}}, {"beats": {"N": "1.5"}}, {"is_serving": {"NULL": True}}])
def test_an_item_that_no_worker_wrote_is_no_worker(change: dict[str, Any]) -> None:
    row = _row(_item())

    assert row is not None
    assert row.beats == 3
    assert _row(_item(**change)) is None


async def test_a_segment_that_its_worker_removes_and_a_failing_sender_end_no_look(tmp_path: Path) -> None:
    segments = tmp_path / "workers" / "0" / "outbox" / "quotes"
    segments.mkdir(parents=True)
    # A name that is listed and has no file is what a removal between the two calls leaves.
    (segments / "0001.log").symlink_to(segments / "gone")
    (segments / "0002.log").write_bytes(b"x")
    asked = asyncio.Event()
    tries = 0

    def refuse(_: Path) -> Any:
        nonlocal tries
        tries += 1
        if tries == 2:
            asked.set()
        raise RuntimeError

    adoption = Adoption(tmp_path / "outbox", "quotes", tmp_path / "own", refuse, clock=SYSTEM_CLOCK, look_seconds=0.01)
    running = asyncio.create_task(adoption.run())
    try:
        async with asyncio.timeout(30):
            await asked.wait()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
