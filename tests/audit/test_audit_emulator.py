"""The audit through the AWS APIs: a day stored right is clean, and each damage is found for what it is."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stockstream.audit import AuditError, Stores, audit, open_ledger, render
from stockstream.aws import AwsConfig, open_client
from stockstream.local.emulator import run_emulator
from stockstream.local.provision import ResourceNames, provision
from stockstream_wire import encode_quote
from tests.audit.stored_day import CANDLES, DAY, QUOTES, item_of, quote
from tests.local.local_command import free_port

pytestmark = pytest.mark.emulator

NAMES = ResourceNames("stockstream", "quotes", "symbols", "candles", "alerts", "stockstream-archive", shards=1)
KEY = f"raw/symbol=AAPL/dt={DAY}/shardId-000000000000-{{}}.json.gz"


@asynccontextmanager
async def stores_on_emulator(state_dir: Path) -> AsyncIterator[Stores]:
    async with run_emulator(state_dir, free_port(), region="us-east-1") as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        await provision(aws, NAMES)
        async with open_client(aws, "s3") as s3, open_client(aws, "dynamodb") as dynamodb:
            yield Stores(s3, dynamodb, NAMES.archive_bucket, NAMES.quotes_table, NAMES.candles_table)


def attributes(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"BOOL": value}
        if isinstance(value, bool)
        else {"S": value}
        if isinstance(value, str)
        else {"N": str(value)}
        for name, value in values.items()
    }


async def fill(stores: Stores) -> None:
    # Sequence numbers of different length: the order of the stream is not the order of the keys' text.
    for number, part in (("999-0", QUOTES[:3]), ("1000-2", QUOTES[3:])):
        body = gzip.compress(b"".join(encode_quote(item) + b"\n" for item in part))
        await stores.s3.put_object(Bucket=stores.bucket, Key=KEY.format(number), Body=body)
    for item in QUOTES:
        await stores.dynamodb.put_item(TableName="quotes", Item=attributes(item_of(item)))
    for (interval, start), candle in CANDLES.items():
        keys = {"symbol_interval": f"AAPL#{interval}", "window_start": start}
        await stores.dynamodb.put_item(TableName="candles", Item=attributes(keys | candle))


async def test_a_day_is_audited_through_the_apis_and_each_damage_is_found(tmp_path: Path) -> None:
    ledger_dir = tmp_path / "ledger"
    with open_ledger(ledger_dir) as ledger:
        ledger.append(QUOTES)
    async with stores_on_emulator(tmp_path / "state") as stores:
        await fill(stores)
        report = await audit(stores, ledger_dir)
        assert report.is_clean
        assert [day.day for day in report.days] == [DAY]
        assert (report.days[0].accepted, report.days[0].archived, report.days[0].stored) == (5, 5, 5)
        assert report.days[0].candles == len(CANDLES)

        refused, lost = quote(40, "100", 2600), quote(41, "100", 2600)
        with open_ledger(ledger_dir) as ledger:
            ledger.append([refused, lost])
        await quarantine(stores, encode_quote(refused))
        await stores.dynamodb.delete_item(
            TableName="quotes", Key=attributes({"symbol": "AAPL", "timestamp": QUOTES[1].timestamp})
        )
        twice = gzip.compress(encode_quote(QUOTES[0]) + b"\nnot a quote\n")
        await stores.s3.put_object(Bucket=stores.bucket, Key=KEY.format("2000-0"), Body=twice)
        await stores.s3.put_object(Bucket=stores.bucket, Key=KEY.format("3000-0"), Body=b"not gzip")
        report = await audit(stores, ledger_dir, day=DAY)
    (day,) = report.days
    assert not report.is_clean
    assert day.quarantined == 1
    assert day.counts() == {
        "missing_in_archive": 1,
        "missing_in_quotes": 1,
        "double_in_archive": 1,
        "archive_damaged": 2,
        "order_broken": 1,
    }
    assert lost.timestamp in {finding.subject for finding in day.findings}
    plain = json.loads(report.to_json())
    assert plain["clean"] is False
    assert len(plain["days"][0]["findings"]) == 6
    lines = list(render(report))
    assert any(line.startswith("  missing_in_archive  AAPL") and lost.timestamp in line for line in lines)


async def quarantine(stores: Stores, data: bytes) -> None:
    import base64

    body = json.dumps({"v": 1, "reason": "bad_tick", "data_base64": base64.b64encode(data).decode()})
    await stores.s3.put_object(Bucket=stores.bucket, Key="quarantine/dt=2026-11-22/shard/1-0.json", Body=body.encode())


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
