"""Files of schema version 1 are read by today's code, for ever: users' buckets and disks are full of that form."""

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from stockstream.audit.ledger_reader import cut_ledger, digest_of
from stockstream.backfill.gaps import GapLog
from stockstream.local.summary import Summary
from stockstream.outbox import DiskOutbox
from stockstream.outbox.inspect import read_files
from stockstream.reading.candles import _closed
from stockstream.reading.rows import stored_alert, stored_quote
from stockstream.reading.tables import plain_item
from stockstream_wire import SCHEMA_VERSION, deaggregate, encode_quote, read_quote, storage
from tests.consumer.twin import CONFIG, Memory
from tests.golden.make import MANIFEST, lane_of_key, next_items, poll, wire_lines

V1: Final = Path(__file__).parent / "v1"
WHAT_TO_DO: Final = (
    "Files of schema version 1 are not read as they were. They lie in users' buckets, tables and disks, so the change "
    "cannot stand as it is. Either keep reading them (fields are added, at the end, with a default), or make a version "
    "2 beside it, both read: docs/upgrade.md, 'A version 2'. Never touch tests/golden/v1."
)


@contextmanager
def read_by_todays_code() -> Iterator[None]:
    """Says what to do where a golden file is not read, or not as it was."""
    try:
        yield
    except Exception as exc:
        raise AssertionError(f"{WHAT_TO_DO}\n\n{type(exc).__name__}: {exc}") from exc


def content(name: str) -> bytes:
    return (V1 / name).read_bytes()


def unpacked(name: str, folder: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(content(name))) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(content("stored.json.gz")))
    return found


@pytest.fixture
def memory(stored: dict[str, Any]) -> Memory:
    """Tables and bucket as version 1 left them."""
    memory = Memory()
    for name, items in stored["tables"].items():
        keys = storage.TABLES[name]
        memory.tables[name] = {(item[keys.partition]["S"], item[keys.sort]["S"]): deepcopy(item) for item in items}
    for key, found in stored["bucket"].items():
        memory.put_bytes(key, b64decode(found["body"]), found["metadata"])
    return memory


def test_no_golden_file_was_touched() -> None:
    digests = json.loads(content(MANIFEST))
    assert {path.name for path in V1.iterdir()} == {*digests, MANIFEST}, WHAT_TO_DO
    for name, digest in digests.items():
        assert hashlib.sha256(content(name)).hexdigest() == digest, f"{name} was changed. {WHAT_TO_DO}"


def test_every_version_so_far_has_its_files() -> None:
    for version in range(1, SCHEMA_VERSION + 1):
        folder = V1.with_name(f"v{version}")
        assert folder.is_dir(), f"SCHEMA_VERSION is {SCHEMA_VERSION}. Remedy: python -m tests.golden.make"


def test_quotes_on_the_wire() -> None:
    lines = content("wire.jsonl").splitlines()
    with read_by_todays_code():
        full, negative, share, foreign, bare = (read_quote(line)[0] for line in lines)
        assert full.volume == 2**53 + 1
        assert (full.stale, full.silent_symbols, full.regular, full.volume_kind) == (True, 12, False, "none")
        assert (full.price, full.bid, full.delayed_by_seconds) == (Decimal("72.345678"), Decimal("72.34"), 900)
        assert negative.price == Decimal("-37.63")
        assert share == poll(0)[0]
        assert (foreign.symbol, foreign.timestamp, foreign.volume) == ("MSFT", "2026-11-20T15:17:00.123Z", 1001)
        assert (bare.timestamp, bare.volume) == ("2026-11-20T15:17:00.000Z", None)
        assert [quote.v for quote in (full, negative, share, foreign, bare)] == [1] * 5


def test_an_aggregate() -> None:
    with read_by_todays_code():
        records = deaggregate(content("aggregate.bin"))
        assert [read_quote(record.data)[0] for record in records] == [
            quote for step in range(3) for quote in poll(step)
        ]
        assert [record.partition_key for record in records] == ["AAPL", "BTC-USD"] * 3


def test_lines_and_keys_of_the_archive(memory: Memory) -> None:
    with read_by_todays_code():
        entries = memory.entries()
        assert sum(len(found) for found in entries.values()) == 83
        lines = memory.archived()
        assert lines["AAPL"][0] == encode_quote(poll(0)[0])
        assert [read_quote(line)[0].symbol for line in lines["AAPL"]] == ["AAPL"] * 41
        assert storage.decode_layout(memory.objects[storage.LAYOUT_KEY].body) == CONFIG.partitions
        rolls = [found[0] for found in entries.values()]
        assert {roll[2].metadata[storage.NEXT_FOLDER] for roll in rolls} == {"2026-11-20"}


def test_a_checkpoint_is_gone_on_from(memory: Memory) -> None:
    with read_by_todays_code():
        assert_holds(next_items(memory))


def test_the_log_alone_folds_to_the_same(memory: Memory) -> None:
    partition = storage.partition_of("AAPL", CONFIG.partitions)
    memory.put_bytes(storage.checkpoint_key(partition), content("first-checkpoint.bin"))
    with read_by_todays_code():
        assert_holds(next_items(memory))


def assert_holds(items: list[dict[str, Any]]) -> None:
    """Every attribute that version 1 stored is there, and says the same; others may have come."""
    for item, golden in zip(items, json.loads(content("next-items.json")), strict=True):
        assert {name: item.get(name) for name in golden} == golden


def test_readers_read_a_checkpoint(memory: Memory) -> None:
    partition = storage.partition_of("AAPL", CONFIG.partitions)
    with read_by_todays_code():
        symbols = storage.decode_checkpoint_symbols(memory.objects[storage.checkpoint_key(partition)].body).symbols
        assert symbols["AAPL"].last_previous_close == Decimal("100.01")


def test_every_stored_item(stored: dict[str, Any]) -> None:
    tables = {name: [plain_item(item) for item in items] for name, items in stored["tables"].items()}
    with read_by_todays_code():
        quotes = [stored_quote(item) for item in tables["quotes"]]
        shares = [quote for quote in quotes if quote.symbol == "AAPL"]
        assert len(shares) == 41
        assert (shares[-1].price, shares[-1].previous_close) == (Decimal(109), Decimal("100.01"))
        assert (shares[-1].anomaly, shares[0].anomaly) == (True, False)
        assert [quote.late for quote in shares].count(True) == 1
        assert shares[-1].session == "2026-11-20"
        assert shares[-1].indicators
        alerts = [stored_alert(item) for item in tables["alerts"]]
        assert {alert.kind for alert in alerts} >= {"move"}
        assert all(alert.is_sent for alert in alerts)
        blocks = [item for item in tables["candles"] if item["interval"] == "5m"]
        candles = [candle for item in blocks for _, candle in _closed(item, item["symbol"], "5m")]
        minutes = [candle for item in blocks for _, candle in _closed(item, item["symbol"], "1m")]
        assert candles[0].close == Decimal("100.75")
        assert sum(candle.quotes for candle in minutes) == sum(candle.quotes for candle in candles)


def test_the_quarantine(stored: dict[str, Any]) -> None:
    bodies = [b64decode(found["body"]) for key, found in stored["bucket"].items() if key.startswith("quarantine/")]
    with read_by_todays_code():
        found = [storage.decode_quarantined(body) for body in bodies]
        assert [item.reason for item in found] == ["quote_decode_error"] * 2
        assert b"no json at all" in [item.data for item in found]


async def test_an_outbox_left_behind(tmp_path: Path) -> None:
    folder = unpacked("outbox.tar.gz", tmp_path)
    expected = [(quote.symbol, encode_quote(quote)) for step in range(3) for quote in poll(step)]
    with read_by_todays_code():
        reports = list(read_files(folder, lane_of_key))
        assert sum(len(records) for _, records in reports) == len(expected)
        disk = DiskOutbox(folder, max_bytes=2**20, lane_of_key=lane_of_key, on_commit=lambda *_: None)
        await disk.open()
        try:
            assert (disk.unacknowledged, disk.lost) == (len(expected), 0)
            found, position = [], disk.view.first
            while (batch := await disk.read(position)) is not None:
                found += batch.records
                position = batch.end
            assert found == expected
        finally:
            await disk.close()


def test_a_ledger(tmp_path: Path) -> None:
    folder = unpacked("ledger.tar.gz", tmp_path)
    with read_by_todays_code():
        found = cut_ledger(folder).read("2026-11-20")
        assert found is not None
        assert not found.gaps
        assert [tuple(entry) for entry in found.accepted("AAPL")] == [
            (quote.timestamp, digest_of(encode_quote(quote))) for quote in (poll(step)[0] for step in range(3))
        ], "the digest is of the bytes on the stream: a quote of version 1 is encoded as ever"


def test_gaps(tmp_path: Path) -> None:
    log = GapLog(unpacked("gaps.tar.gz", tmp_path))
    with read_by_todays_code():
        assert [(gap.kind, gap.seconds, gap.source) for gap in log.read()] == [("source_away", 1800.0, "yahoo")]
        assert log.last_seen("yahoo") is not None


def test_a_summary() -> None:
    with read_by_todays_code():
        golden = json.loads(content("summary.json"))
        summary = msgspec.convert(golden, Summary)
        assert summary.exit_code == 0
        # Programs read it: what was there stays there, under its name.
        assert golden.items() <= msgspec.to_builtins(summary).items()


def test_todays_writers_still_write_what_version_1_wrote_of_the_same_quotes() -> None:
    """Ids, digests and the archive hang on the bytes; a release may add fields, and not move those of a plain quote."""
    with read_by_todays_code():
        ours = wire_lines()[:3]
        assert ours == content("wire.jsonl").splitlines()[:3]


def test_a_change_that_breaks_a_file_says_what_to_do() -> None:
    with pytest.raises(AssertionError, match="make a version") as caught, read_by_todays_code():
        asyncio.run(_broken())
    assert "KeyError" in str(caught.value)


async def _broken() -> None:
    raise KeyError("renamed")
