"""What it costs to have a quote on disk before it is sent: a segment log against SQLite.

`python -m benchmarks.sender_outbox --json FILE [--quick]`. Batches of 500 quotes of 300 bytes, each durable (fdatasync)
before the next; then everything is read back in order and removed. CPU of all threads, per quote.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.sender_peers.environment import ROOT
from benchmarks.sender_peers.workload import Workload
from stockstream.outbox import DiskOutbox, RecordBatch
from stockstream.outbox.frame import encode_frame
from stockstream.outbox.segment_log import SegmentLog
from stockstream.sender.grid import lane_of_key

BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    batches, rounds = (100, 3) if arguments.quick else (400, 5)
    candidates: dict[str, Callable[[Path, int], dict[str, float]]] = {
        "segment log": _segment_log,
        "segment log, asyncio (DiskOutbox)": _disk_outbox,
        "SQLite WAL, a row for each batch": _sqlite_batches,
        "SQLite WAL, a row for each quote": _sqlite_rows,
    }
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            with tempfile.TemporaryDirectory(prefix="stockstream-outbox-", dir=ROOT / "benchmarks") as folder:
                measured[name].append(candidate(Path(folder), batches))
    result = {name: _medians(found) for name, found in measured.items()}
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    print("| Outbox | append, µs of CPU a quote | read back and remove, µs | wall ms a batch |\n|---|---|---|---|")
    for name, found in result.items():
        print(f"| {name} | {found['append_us']:.2f} | {found['read_us']:.2f} | {found['wall_ms']:.2f} |")


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


class _Meter:
    """CPU and wall time of appends and reads, without that of making quotes."""

    def __init__(self, batches: int) -> None:
        self._quotes = batches * BATCH
        self._batches = batches
        self.workload = Workload()
        self._cpu, self._wall = time.process_time(), time.monotonic()

    def appended(self) -> None:
        self._append_cpu = time.process_time() - self._cpu - self.workload.cpu_seconds
        self._append_wall = time.monotonic() - self._wall
        self._cpu = time.process_time()

    def result(self, read: int) -> dict[str, float]:
        assert read == self._quotes
        return {
            "append_us": self._append_cpu / self._quotes * 1e6,
            "read_us": (time.process_time() - self._cpu) / self._quotes * 1e6,
            "wall_ms": self._append_wall / self._batches * 1e3,
        }


def _segment_log(folder: Path, batches: int) -> dict[str, float]:
    log = SegmentLog(folder, 64 * 2**20)
    meter = _Meter(batches)
    for number in range(batches):
        batch = RecordBatch.of(meter.workload.batch(BATCH))
        log.append([encode_frame(batch, 0)], 1 + number * BATCH, 0)
    meter.appended()
    read = _read_log(log)
    log.close()
    return meter.result(read)


def _read_log(log: SegmentLog) -> int:
    from stockstream.outbox.frame import decode_records

    read, position = 0, log.first
    while (frame := log.read(position)) is not None:
        read += len(decode_records(frame.header, frame.payload))
        position = frame.end
    while log.segments:
        log.drop_first()
    return read


def _disk_outbox(folder: Path, batches: int) -> dict[str, float]:
    return asyncio.run(_disk_outbox_async(folder, batches))


async def _disk_outbox_async(folder: Path, batches: int) -> dict[str, float]:
    outbox = DiskOutbox(folder, max_bytes=2**30, lane_of_key=lane_of_key, on_commit=lambda _batch, _frame: None)
    await outbox.open()
    await outbox.lay_lanes(64)
    meter = _Meter(batches)
    for _ in range(batches):
        await outbox.append(RecordBatch.of(meter.workload.batch(BATCH)))
    meter.appended()
    read, position = 0, outbox.view.first
    while (batch := await outbox.read(position)) is not None:
        read += len(batch.records)
        position = batch.end
    result = meter.result(read)
    await outbox.close()
    return result


def _connect(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "outbox.db", isolation_level=None)
    # FULL: without it a power loss may take what was committed.
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    return connection


def _sqlite_rows(folder: Path, batches: int) -> dict[str, float]:
    connection = _connect(folder)
    connection.execute("CREATE TABLE quotes (position INTEGER PRIMARY KEY, key TEXT, data BLOB)")
    meter = _Meter(batches)
    for _ in range(batches):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO quotes (key, data) VALUES (?, ?)", meter.workload.batch(BATCH))
        connection.execute("COMMIT")
    meter.appended()
    read = last = 0
    while rows := connection.execute(
        "SELECT position, key, data FROM quotes WHERE position > ? ORDER BY position LIMIT 500", (last,)
    ).fetchall():
        read, last = read + len(rows), rows[-1][0]
        connection.execute("DELETE FROM quotes WHERE position <= ?", (last,))
    connection.close()
    return meter.result(read)


def _sqlite_batches(folder: Path, batches: int) -> dict[str, float]:
    from stockstream.outbox.frame import HEADER_BYTES, decode_records, parse_header

    connection = _connect(folder)
    connection.execute("CREATE TABLE batches (position INTEGER PRIMARY KEY, frame BLOB)")
    meter = _Meter(batches)
    for _ in range(batches):
        encoded = encode_frame(RecordBatch.of(meter.workload.batch(BATCH)), 0)
        frame = b"".join([encoded.header(1, 0), *encoded.pieces])
        connection.execute("INSERT INTO batches (frame) VALUES (?)", (frame,))
    meter.appended()
    read = last = 0
    while row := connection.execute(
        "SELECT position, frame FROM batches WHERE position > ? ORDER BY position LIMIT 1", (last,)
    ).fetchone():
        last, found = row
        header: Any = parse_header(found[:HEADER_BYTES])
        read += len(decode_records(header, found[HEADER_BYTES:]))
        connection.execute("DELETE FROM batches WHERE position <= ?", (last,))
    connection.close()
    return meter.result(read)


if __name__ == "__main__":
    main()
