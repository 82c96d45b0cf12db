"""The audit through the AWS APIs: a day stored right is clean, and each damage is found for what it is."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stockstream.audit import AuditError, AuditReport, Patience, Stores, audit, open_ledger, render
from stockstream.aws import AwsConfig, open_client
from stockstream.local.emulator import run_emulator
from stockstream.local.provision import ResourceNames, provision
from stockstream_wire import Quote, encode_quote
from stockstream_wire.storage import (
    FIRST_FOLDER,
    FORMAT_HEADER,
    LAYOUT_KEY,
    MINUTE_FIELDS,
    NEXT_FOLDER,
    TidyMarker,
    checkpoint_key,
    encode_layout,
    encode_marker,
    encode_quarantined,
    log_key,
    marker_key,
    pack_lines,
    partition_of,
    partitions_of,
    quarantine_key,
    tidied_key,
)
from tests.audit.stored_day import CANDLES, DAY, QUOTES, item_of, items_of, quote
from tests.local.local_command import free_port

pytestmark = pytest.mark.emulator

NAMES = ResourceNames("stockstream", "quotes", "candles", "alerts", "stockstream-archive", shards=1)
PARTITIONS = 4
OURS = partition_of("AAPL", PARTITIONS)
BRIEF = Patience(wait_seconds=0.2)


@asynccontextmanager
async def stores_on_emulator(state_dir: Path) -> AsyncIterator[Stores]:
    async with run_emulator(state_dir, free_port(), region="us-east-1") as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        await provision(aws, NAMES)
        async with open_client(aws, "s3") as s3, open_client(aws, "dynamodb") as dynamodb:
            yield Stores(s3, dynamodb, NAMES.archive_bucket, NAMES.quotes_table, NAMES.candles_table)


def attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, list):
        return {"L": [attribute(entry) for entry in value]}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def attributes(values: dict[str, Any]) -> dict[str, Any]:
    return {name: attribute(value) for name, value in values.items()}


class Log:
    """The partition of AAPL, written by hand as the consumer writes it."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.folder = FIRST_FOLDER
        self.revision = 0

    async def start(self) -> None:
        await self.put(LAYOUT_KEY, encode_layout(PARTITIONS))
        for partition in partitions_of(PARTITIONS):
            await self.put(checkpoint_key(partition), msgspec.msgpack.encode([1, 0, FIRST_FOLDER, {}]))
        await self.roll(DAY)

    async def roll(self, folder: str) -> None:
        await self.append([], {NEXT_FOLDER: folder})
        self.folder = folder

    async def append(self, quotes: Sequence[Quote], metadata: dict[str, str] | None = None, body: bytes = b"") -> str:
        self.revision += 1
        key = log_key(OURS, self.folder, self.revision)
        named = {name.removeprefix("x-amz-meta-"): value for name, value in (metadata or {}).items()}
        packed = body or pack_lines(encode_quote(item) for item in quotes)
        await self.put(key, packed, {FORMAT_HEADER.removeprefix("x-amz-meta-"): "1"} | named)
        return key

    async def put(self, key: str, body: bytes, metadata: dict[str, str] | None = None) -> None:
        await self.stores.s3.put_object(Bucket=self.stores.bucket, Key=key, Body=body, Metadata=metadata or {})

    async def delete(self, key: str) -> None:
        await self.stores.s3.delete_object(Bucket=self.stores.bucket, Key=key)


async def put_item(stores: Stores, table: str, values: dict[str, Any]) -> None:
    await stores.dynamodb.put_item(TableName=table, Item=attributes(values))


async def put_candles(stores: Stores) -> None:
    for (interval, start), candle in CANDLES.items():
        if interval == "1m":
            continue
        item = {"symbol_interval": f"AAPL#{interval}", "window_start": start} | candle
        if interval == "5m":
            item["minutes"] = [
                [int(minute[14:16]), *(values[name] for name in MINUTE_FIELDS[1:])]
                for (of, minute), values in CANDLES.items()
                if of == "1m" and start[:15] == minute[:15] and 0 <= int(minute[14:16]) - int(start[14:16]) < 5
            ]
        await put_item(stores, "candles", item)
    # Made of history: beside the consumer's own, and none of the audit's business.
    beside = {"symbol_interval": "AAPL#5m", "window_start": f"{DAY}T18:00:00.000Z/backfill", "minutes": []}
    await put_item(stores, "candles", beside)


async def fill(stores: Stores) -> Log:
    log = Log(stores)
    await log.start()
    await log.append(QUOTES[:3])
    await log.append(QUOTES[3:])
    for item in items_of(QUOTES).values():
        await put_item(stores, "quotes", item)
    await put_candles(stores)
    return log


def ledger_of(folder: Path, quotes: Sequence[Quote] = QUOTES) -> Path:
    with open_ledger(folder) as ledger:
        ledger.append(quotes)
    return folder


def found(report: AuditReport) -> list[tuple[str, str]]:
    return [(str(finding.problem), finding.subject) for finding in report.log]


async def test_a_day_is_audited_through_the_apis_and_each_damage_is_found(tmp_path: Path) -> None:
    ledger_dir = ledger_of(tmp_path / "ledger")
    async with stores_on_emulator(tmp_path / "state") as stores:
        log = await fill(stores)
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert report.exit_code == 0, report
        assert [day.day for day in report.days] == [DAY]
        assert (report.days[0].accepted, report.days[0].archived, report.days[0].stored) == (5, 5, 5)
        assert report.days[0].candles == len(CANDLES)

        refused, lost = quote(40, "100", 2600), quote(41, "100", 2600)
        ledger_of(ledger_dir, [refused, lost])
        await quarantine(log, encode_quote(refused))
        await stores.dynamodb.delete_item(
            TableName="quotes", Key=attributes({"symbol": "AAPL", "timestamp": QUOTES[1].timestamp})
        )
        twice = await log.append([], body=pack_lines([encode_quote(QUOTES[0]), b"not a quote"]))
        torn = await log.append([], body=b"not gzip")
        report = await audit(stores, ledger_dir, day=DAY, patience=BRIEF)
    (day,) = report.days
    assert report.exit_code == 1
    assert day.quarantined == 1
    assert day.counts() == {
        "missing_in_archive": 1,
        "missing_in_quotes": 1,
        "double_in_archive": 1,
        "order_broken": 1,
    }
    assert found(report) == [("archive_damaged", f"{twice}:2"), ("archive_damaged", torn)]
    assert lost.timestamp in {finding.subject for finding in day.findings}
    plain = json.loads(report.to_json())
    assert plain["clean"] is False
    assert len(plain["days"][0]["findings"]) == 4
    lines = list(render(report))
    assert any(line.startswith("  missing_in_archive  AAPL") and lost.timestamp in line for line in lines)


async def quarantine(log: Log, data: bytes) -> None:
    body = encode_quarantined(
        data, reason="bad_tick", error_class="GateError", detail="", partition_key="AAPL", shard_id="shard",
        sequence_number="1", subsequence_number=0, aggregated=False, approximate_arrival_ms=0,
    )  # fmt: skip
    await log.put(quarantine_key("2026-11-22", "shard", "1", 0), body)


async def test_the_log_itself_is_audited_revisions_folders_and_checkpoints(tmp_path: Path) -> None:
    ledger_dir = ledger_of(tmp_path / "ledger")
    async with stores_on_emulator(tmp_path / "state") as stores:
        log = await fill(stores)
        await log.delete(log_key(OURS, DAY, 2))
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert found(report) == [("revision_missing", "2")]
        assert report.days[0].counts()["missing_in_archive"] == 3

        await log.put(log_key(OURS, DAY, 2), pack_lines(encode_quote(item) for item in QUOTES[:3]))
        for _ in range(80):
            await log.append([])
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert found(report) == [("checkpoint_behind", checkpoint_key(OURS))]
        assert "revision 0, the log is at 83" in report.log[0].detail

        await log.put(checkpoint_key(OURS), msgspec.msgpack.encode([1, 90, DAY, {}]))
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert found(report) == [("revision_missing", "84")]

        await log.delete(checkpoint_key(OURS))
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert found(report) == [("checkpoint_behind", checkpoint_key(OURS))]
        assert "rebuild --checkpoints" in report.log[0].detail

        await log.put(checkpoint_key(OURS), msgspec.msgpack.encode([1, 83, DAY, {}]))
        stray = log_key(OURS, "2026-11-19", 84)
        await log.put(stray, pack_lines([]))
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert found(report) == [("archive_damaged", stray)]


async def test_a_tidied_day_is_audited_and_counts_once_while_both_forms_stand(tmp_path: Path) -> None:
    ledger_dir = ledger_of(tmp_path / "ledger")
    late = quote(33, "100.5", 1800)
    async with stores_on_emulator(tmp_path / "state") as stores:
        log = await fill(stores)
        await log.roll("2026-11-21")
        # A quote of the day that came when the next day's folder was open.
        await log.append([late])
        ledger_of(ledger_dir, [late])
        await put_item(stores, "quotes", item_of(late, late=True))
        clean = await audit(stores, ledger_dir, patience=BRIEF)
        assert (clean.exit_code, clean.days[0].archived, clean.days[0].late) == (0, 6, 1), clean

        await log.put(tidied_key(OURS, DAY, "AAPL", 2, 0), pack_lines(encode_quote(item) for item in QUOTES))
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert report == clean  # without its marker it is half done, and the log counts
        await log.put(marker_key(OURS, 2), encode_marker(TidyMarker(2, 4, DAY, "2026-11-21")))
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert report == clean  # with it the objects of the log are only waiting to be deleted
        for revision in (2, 3, 4):
            await log.delete(log_key(OURS, DAY, revision))
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert report == clean

        await log.put(tidied_key(OURS, DAY, "AAPL", 2, 0), pack_lines([encode_quote(late)]))
        report = await audit(stores, ledger_dir, patience=BRIEF)
        assert report.days[0].counts()["missing_in_archive"] == 5


async def test_what_is_newer_than_the_start_is_left_out_and_counted(tmp_path: Path) -> None:
    """Between the moment of the audit and its reading of the tables the pipeline goes on."""
    ledger_dir = ledger_of(tmp_path / "ledger")
    newer = [quote(95, "98", 9100, second=20), quote(96, "97", 9200)]

    class Flowing(Stores):
        """Appends once the log has been read and before the tables are."""

        log: Log

        async def quotes(self, symbol: str, day: str) -> Any:
            if newer:
                await self.log.append(newer)
                ledger_of(ledger_dir, newer)
                for item in newer:
                    await put_item(self, "quotes", item_of(item))
                newer.clear()
            return await super().quotes(symbol, day)

    async with stores_on_emulator(tmp_path / "state") as plain:
        log = await fill(plain)
        flowing = Flowing(plain.s3, plain.dynamodb, plain.bucket, plain.quotes_table, plain.candles_table)
        object.__setattr__(flowing, "log", log)
        report = await audit(flowing, ledger_dir, patience=BRIEF)
        assert report.exit_code == 0, report
        assert (report.days[0].accepted, report.days[0].archived, report.days[0].stored) == (5, 5, 5)
        report = await audit(plain, ledger_dir, patience=BRIEF)
        assert report.days[0].accepted == 7


async def test_without_a_ledger_the_audit_never_says_that_every_accepted_quote_is_there(tmp_path: Path) -> None:
    async with stores_on_emulator(tmp_path / "state") as stores:
        await fill(stores)
        report = await audit(stores, None, patience=BRIEF)
        assert report.is_clean
        assert report.exit_code == 3
        assert "every accepted quote" not in "\n".join(render(report))
        assert "a loss cannot be ruled out" in list(render(report))[-1]
        with pytest.raises(AuditError, match="no ledger folder"):
            await audit(stores, tmp_path / "nowhere", patience=BRIEF)
        # A ledger of another day only knows of that one.
        other = ledger_of(tmp_path / "other", [quote(30, "1", 1, timestamp="2026-11-19T14:30:00.000Z")])
        report = await audit(stores, other, patience=BRIEF)
        assert report.exit_code == 1
        report = await audit(stores, other, day=DAY, patience=BRIEF)
        assert report.exit_code == 3


async def test_what_cannot_be_read_and_what_is_no_day_are_named(tmp_path: Path) -> None:
    async with stores_on_emulator(tmp_path) as stores:
        with pytest.raises(AuditError, match="--day yesterday"):
            await audit(stores, tmp_path, day="yesterday")
        elsewhere = Stores(stores.s3, stores.dynamodb, "no-such-bucket", "quotes", "candles")
        with pytest.raises(AuditError, match="NoSuchBucket"):
            await audit(elsewhere, tmp_path)
        await fill(stores)
        without_table = Stores(stores.s3, stores.dynamodb, stores.bucket, "no-such-table", "candles")
        with pytest.raises(AuditError, match="ResourceNotFound"):
            await audit(without_table, tmp_path, day=DAY)
        empty = await audit(stores, tmp_path, day="2020-01-01")
        assert empty.is_clean
        assert not empty.days[0].has_ledger
        await stores.s3.put_object(Bucket=stores.bucket, Key=LAYOUT_KEY, Body=b'{"v":2,"partitions":4}')
        with pytest.raises(AuditError, match="format 2"):
            await audit(stores, tmp_path, day=DAY)
