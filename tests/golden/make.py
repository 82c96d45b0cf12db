"""Writes the golden files of a schema version, once: `python -m tests.golden.make`.

It refuses to write a version that is there: what lies in users' buckets and on their disks cannot be written again
either. A new version gets a folder of its own, and both are read from then on (docs/upgrade.md).
"""

import asyncio
import gzip
import hashlib
import io
import json
import sys
import tarfile
import tempfile
from base64 import b64encode
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from stockstream.audit import open_ledger
from stockstream.backfill.gaps import Gap, GapLog
from stockstream.local.summary import Summary
from stockstream.outbox import DiskOutbox, RecordBatch
from stockstream_lambda.pipeline import Pipeline
from stockstream_wire import SCHEMA_VERSION, Quote, encode_quote, format_epoch_ms, storage
from tests.consumer.kinesis_events import aggregated, event, quote, quote_event
from tests.consumer.twin import CONFIG, FakeTime, Memory, TwinStores

FOLDER: Final = Path(__file__).parent / f"v{SCHEMA_VERSION}"
MANIFEST: Final = "MANIFEST.json"
NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
_OPEN_MS: Final = 1_795_185_000_000  # 2026-11-20T14:30Z
_LANES: Final = 8


def lane_of_key(key: str, lanes: int) -> int:
    """As the outbox's own tests have it: any fixed function does."""
    return sum(key.encode()) % lanes


def poll(step: int) -> list[Quote]:
    """One poll of the golden session: a share that moves, leaps and alerts, and a coin with a rolling volume."""
    timestamp = format_epoch_ms(_OPEN_MS + step * 30_000)
    price = Decimal(100) + Decimal(step * 7 % 5) / 4 + (Decimal("8.25") if step >= 30 else 0)
    share = quote(
        "AAPL", timestamp, str(price), open="100.5", high=str(max(price, Decimal("101.75"))), low="99.25",
        previous_close="100.01", volume=1000 + step * 137, bid=str(price - Decimal("0.01")),
        ask=str(price + Decimal("0.01")), currency="USD", exchange="NMS", market_state="REGULAR",
        polled_at=format_epoch_ms(_OPEN_MS + step * 30_000 + 900), source="yahoo", session_date="2026-11-20",
    )  # fmt: skip
    coin = quote(
        "BTC-USD", format_epoch_ms(_OPEN_MS + step * 30_000 + 61), str(Decimal("92000.125") + step), open="91000",
        high="93500", low="90500.5", previous_close="90999.99", volume=24_553, currency="USD", exchange="COINBASE",
        source="coinbase", session_date="2026-11-20", volume_kind="rolling", kind="crypto",
    )  # fmt: skip
    return [share, coin]


def wire_lines() -> list[bytes]:
    """Quotes as they may be on the stream: ours, with every field, and forms that other producers write."""
    full = quote(
        "VOD.L", "2026-11-20T16:00:00.000Z", "72.345678", open="71", high="73", low="70.5", previous_close="70.9",
        volume=2**53 + 1, bid="72.34", ask="72.35", currency="GBp", exchange="LSE", market_state="POST",
        polled_at="2026-11-20T16:00:01.250Z", source="yahoo-stream", delayed_by_seconds=900, stale=True,
        silent_symbols=12, session_date="2026-11-20", volume_kind="none", regular=False, kind="etf",
    )  # fmt: skip
    negative = quote(
        "CL=F", "2020-04-20T18:30:00.000Z", "-37.63", low="-40.32", high="17.85", open="17.73", previous_close="18.27"
    )
    foreign = (
        b'\xef\xbb\xbf{"symbol":"msft","timestamp":"2026-11-20 16:17:00.123456+01:00","open":1,"high":"2.50","low":1,'
        b'"price":2,"previous_close":1.5,"volume":1001.0,"added_later":{"a":[1]}}'
    )
    bare = (
        b'{"symbol":"SAP.DE","timestamp":"2026-11-20T15:17Z","open":1,"high":2,"low":1,"price":2,"previous_close":1.5}'
    )
    return [encode_quote(full), encode_quote(negative), encode_quote(poll(0)[0]), foreign, bare]


def session() -> tuple[Memory, bytes]:
    """The session through the consumer: what is stored, and the first checkpoint of the partition of AAPL."""
    memory = Memory()
    partition = storage.partition_of("AAPL", CONFIG.partitions)
    first = b""
    with closing(Pipeline(CONFIG, TwinStores(memory), FakeTime().clock())) as pipeline:
        for step in range(40):
            assert pipeline.process(quote_event(poll(step), start=step), now=NOW).response == {"batchItemFailures": []}
            first = first or memory.objects[storage.checkpoint_key(partition)].body
        late = [quote("AAPL", "2026-11-20T14:30:15.000Z", "100.75", volume=1010, source="backfill")]
        pipeline.process(quote_event(late, start=100), now=NOW)
        pipeline.process(event([b'{"symbol":"BAD","price":"no"}', b"no json at all"], start=200), now=NOW)
    return memory, first


def dump(memory: Memory) -> dict[str, Any]:
    """Tables and bucket as JSON."""
    return {
        "tables": {name: [items[key] for key in sorted(items)] for name, items in memory.tables.items()},
        "bucket": {
            key: {"body": b64encode(stored.body).decode(), "metadata": stored.metadata}
            for key, stored in sorted(memory.objects.items())
        },
        "messages": [msgspec.to_builtins(message._asdict()) for message in memory.messages],
    }


def next_items(memory: Memory) -> list[dict[str, Any]]:
    """What the consumer stores of the poll that follows, and so what it had in mind."""
    with closing(Pipeline(CONFIG, TwinStores(memory), FakeTime().clock())) as pipeline:
        assert pipeline.process(quote_event(poll(40), start=300), now=NOW).response == {"batchItemFailures": []}
    return [memory.tables["quotes"][item.symbol, item.timestamp] for item in poll(40)]


async def outbox(folder: Path) -> None:
    """An outbox that was left with half of its records acknowledged."""
    disk = DiskOutbox(
        folder, max_bytes=2**20, lane_of_key=lane_of_key, on_commit=lambda *_: None, now_ms=lambda: _OPEN_MS
    )
    await disk.open()
    await disk.lay_lanes(_LANES)
    for step in range(3):
        await disk.append(RecordBatch.of([(item.symbol, encode_quote(item)) for item in poll(step)]))
    await disk.close()


def packed(folder: Path) -> bytes:
    """A folder as a small archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, path.relative_to(folder).as_posix(), recursive=False)
    return buffer.getvalue()


def summary() -> Summary:
    """A summary with something in every field."""
    return Summary(
        source="replay", is_market_data=True, polled=10, unchanged=1, rejected=2, accepted=7, late=1, sent=7, stored=7,
        archived=7, lost=0, doubled=0, waiting=0, alerts=3, quarantined=1, discarded=0, elapsed_seconds=12.5,
        endpoint_url="http://127.0.0.1:4566", region="us-east-1", resources={"stream": "stockstream"}, error=None,
    )  # fmt: skip


def contents() -> dict[str, bytes]:
    """Every file of the version by name."""
    memory, first_checkpoint = session()
    stored = dump(memory)
    after = next_items(memory)
    files = {
        "wire.jsonl": b"\n".join(wire_lines()) + b"\n",
        "aggregate.bin": aggregated([item for step in range(3) for item in poll(step)]),
        "stored.json.gz": gzip.compress(_json(stored), mtime=0),
        "first-checkpoint.bin": first_checkpoint,
        "next-items.json": _json(after),
        "summary.json": _json(asdict(summary())),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(outbox(folder / "outbox"))
        files["outbox.tar.gz"] = packed(folder / "outbox")
        with open_ledger(folder / "ledger") as ledger:
            ledger.append([item for step in range(3) for item in poll(step)])
        files["ledger.tar.gz"] = packed(folder / "ledger")
        gaps = GapLog(folder / "gaps")
        gaps.append(Gap("source_away", "2026-11-20T14:30:00.000Z", "2026-11-20T15:00:00.000Z", "yahoo"))
        gaps.note_seen(NOW, "yahoo")
        files["gaps.tar.gz"] = packed(folder / "gaps")
    return files


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def main() -> None:
    """Write the version's folder."""
    if FOLDER.exists():
        sys.exit(
            f"{FOLDER} is there, and is never written again. A new version: raise SCHEMA_VERSION (docs/upgrade.md)"
        )
    FOLDER.mkdir()
    files = contents()
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    (FOLDER / MANIFEST).write_bytes(_json(digests))


if __name__ == "__main__":
    main()
