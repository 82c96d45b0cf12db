"""The benchmark's floor does what it is said to do: it sends every quote, and writes each before it says so."""

from pathlib import Path

import pytest

from benchmarks.sender_peers.floor import Floor
from benchmarks.sender_peers.workload import Workload
from tests.sender.conftest import Kinesis


@pytest.mark.parametrize("in_thread", [False, True])
async def test_the_floor_writes_and_sends_as_many_bytes_as_it_is_given(
    kinesis: Kinesis, tmp_path: Path, in_thread: bool
) -> None:
    floor, workload = Floor(), Workload()
    await floor.start(
        kinesis.url,
        quotes_per_record=4.0,
        records_per_call=5.0,
        on_disk=True,
        in_thread=in_thread,
        outbox_dir=str(tmp_path),
    )
    sent_bytes = 0
    for _ in range(30):
        batch = workload.batch(10)
        await floor.send(batch)
        sent_bytes += sum(len(data) for _, data in batch)
        assert (tmp_path / "floor").stat().st_size >= sent_bytes
    await floor.finish()

    assert kinesis.stream.calls >= 300 / 4 / 5
    assert sum(len(record.data) for record in kinesis.stream.records) > sent_bytes
