"""The command from its arguments to the stream and the candles table: real yfinance, real AWS APIs."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from stockstream.backfill import Gap, GapLog, YahooHistory
from stockstream.cli.backfill import backfill, parse_range
from stockstream.errors import InputError
from stockstream_wire import Quote, decode_quote
from stockstream_wire.deaggregation import deaggregate, is_aggregated
from tests.backfill.chart_standin import OPEN_SECONDS, ChartStandin, minute
from tests.moto_server import moto_server

NOW = datetime(2026, 11, 20, 16, 0, 30, tzinfo=UTC)
PROVIDER = YahooHistory()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as url:
        make_resources(url)
        yield url


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service, region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="t", aws_secret_access_key="t"
    )


@pytest.fixture
async def yahoo(tmp_path: Path) -> AsyncIterator[ChartStandin]:
    async with ChartStandin(tmp_path, datetime.now(UTC)) as standin:
        yield standin


async def run(yahoo: ChartStandin, endpoint: str, folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    environment = {
        **os.environ,
        **yahoo.environment,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "t",
        "AWS_SECRET_ACCESS_KEY": "t",
        "AWS_REGION": "us-east-1",
        "STOCKSTREAM_OUTBOX_DIR": str(folder / "state" / "outbox"),
        "STOCKSTREAM_CACHE_DIR": str(folder / "cache"),
        "STOCKSTREAM_YAHOO_REQUESTS_PER_SECOND": "100",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stockstream", "backfill", *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def read_stream(endpoint: str) -> list[Quote]:
    kinesis = client("kinesis", endpoint)
    quotes = []
    for shard in kinesis.list_shards(StreamName="stockstream")["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName="stockstream", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        for record in kinesis.get_records(ShardIterator=iterator, Limit=10_000)["Records"]:
            data = record["Data"]
            parts = [user.data for user in deaggregate(data)] if is_aggregated(data) else [data]
            quotes += [decode_quote(part) for part in parts]
    kinesis.close()
    return quotes


def read_candles(endpoint: str) -> list[dict[str, Any]]:
    dynamodb = client("dynamodb", endpoint)
    items = [item for page in dynamodb.get_paginator("scan").paginate(TableName="candles") for item in page["Items"]]
    dynamodb.close()
    return items


def seconds_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def make_resources(endpoint: str) -> None:
    kinesis, dynamodb = client("kinesis", endpoint), client("dynamodb", endpoint)
    kinesis.create_stream(StreamName="stockstream", ShardCount=2)
    keys = ("symbol_interval", "window_start")
    dynamodb.create_table(
        TableName="candles",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": k, "KeyType": t} for k, t in zip(keys, ("HASH", "RANGE"), strict=True)],
        BillingMode="PAY_PER_REQUEST",
    )
    kinesis.close()
    dynamodb.close()


async def test_some_days_are_filled_once_however_often_the_command_runs(
    yahoo: ChartStandin, endpoint: str, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    day = next(d for d in (today - timedelta(days=n) for n in range(1, 4)) if d.weekday() < 5)
    arguments = ("aapl", "nope", "--from", f"{day}T14:30Z", "--to", f"{day}T16:00Z")

    code, output = await run(yahoo, endpoint, tmp_path, *arguments)

    assert code == 1, output  # NOPE has no history; the others have theirs
    assert "NOPE: FAILED: NOPE: Yahoo has no such history" in output
    opening = seconds_of(day) + OPEN_SECONDS
    times = [opening + 60 * i for i in range(90)]
    traded = {t: minute(t) for t in times if minute(t)[0] is not None}
    aapl = read_stream(endpoint)
    assert {(q.symbol, q.source) for q in aapl} == {("AAPL", "backfill")}
    assert [q.timestamp for q in aapl] == sorted({q.timestamp for q in aapl})
    closes = {q.timestamp[:16]: q.price for q in aapl}
    assert closes == {
        datetime.fromtimestamp(t, UTC).isoformat()[:16]: Decimal(f"{bar[3]:.2f}") for t, bar in traded.items()
    }
    candles = read_candles(endpoint)
    assert all(c["window_start"]["S"].endswith("/backfill") for c in candles)
    minutes = {
        f"{c['window_start']['S'][:14]}{int(values['L'][0]['N']):02d}": [value["N"] for value in values["L"]]
        for c in candles
        for values in c.get("minutes", {"L": []})["L"]
    }
    assert len(minutes) == len(traded)
    for t, bar in traded.items():
        values = minutes[datetime.fromtimestamp(t, UTC).isoformat()[:16]]
        assert values[1:6] == [*(f"{value:.2f}" for value in bar[:4]), str(bar[4])]
    windows = {c["symbol_interval"]["S"]: 0 for c in candles}
    for candle in candles:
        windows[candle["symbol_interval"]["S"]] += 1
    assert windows == {"AAPL#5m": 18, "AAPL#1h": 2}  # and no day, which the range cuts

    code, output = await run(yahoo, endpoint, tmp_path, "AAPL", *arguments[2:])

    assert code == 0, output
    assert f"AAPL: {len(aapl)} quotes of {len(traded)} minutes, 0 candles" in output
    assert read_candles(endpoint) == candles
    assert read_stream(endpoint) == aapl * 2  # the same quotes, ids included: the consumer stores each once


async def test_a_table_that_is_not_there_is_one_clear_line(yahoo: ChartStandin, endpoint: str, tmp_path: Path) -> None:
    day = next(d for d in (datetime.now(UTC).date() - timedelta(days=n) for n in range(1, 4)) if d.weekday() < 5)
    arguments = ("AAPL", "--from", f"{day}T14:30Z", "--to", f"{day}T14:40Z")
    code, output = await run(yahoo, endpoint, tmp_path, *arguments, STOCKSTREAM_CANDLES_TABLE="elsewhere")
    assert code == 1
    assert "stockstream: table elsewhere: " in output
    assert "Traceback" not in output


def test_the_gaps_are_listed_with_the_command_that_fills_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_OUTBOX_DIR", str(tmp_path / "outbox"))
    assert "No gaps noted" in CliRunner().invoke(backfill, ["--gaps"]).output
    GapLog(tmp_path).append(Gap("downtime", "2026-11-20T15:00:00.000Z", "2026-11-20T16:30:00.000Z", "yahoo"))
    of_worker = Gap("source_away", "2026-11-20T18:00:00.000Z", "2026-11-20T18:05:00.000Z", "yahoo")
    GapLog(tmp_path / "workers" / "1").append(of_worker)
    output = CliRunner().invoke(backfill, ["--gaps"]).output
    assert "0:05:00  source_away (yahoo)" in output
    assert "1:30:00  downtime (yahoo)" in output
    assert "stockstream backfill --from 2026-11-20T15:00:00.000Z --to 2026-11-20T16:30:00.000Z" in output


def test_without_a_start_the_command_says_what_to_do() -> None:
    result = CliRunner().invoke(backfill, ["AAPL"])
    assert result.exit_code == 2
    assert "--from is missing" in result.output


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-19", "2026-11-19", ("2026-11-19T00:00:00+00:00", "2026-11-20T00:00:00+00:00")),
        ("2026-11-19T09:30-05:00", None, ("2026-11-19T14:30:00+00:00", "2026-11-20T16:00:00+00:00")),
        ("2026-11-20", "2026-12-24", ("2026-11-20T00:00:00+00:00", "2026-11-20T16:00:00+00:00")),
    ],
)
def test_a_range_is_read_and_ends_with_the_last_full_minute(
    start: str, end: str | None, expected: tuple[str, str]
) -> None:
    first, last = parse_range(start, end, NOW, PROVIDER)
    assert (first.isoformat(), last.isoformat()) == expected


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("last week", None, "--from 'last week' is not a time"),
        ("2026-11-19T14:30", None, "no offset from UTC: write 2026-11-19T14:30Z"),
        ("2026-11-19", "soon", "--to 'soon' is not a time"),
        ("2026-11-19", "2026-11-18", "is not before the end"),
        ("2026-11-21", None, "is not before the end"),
        ("2026-10-01", None, "too old: Yahoo keeps 1-minute history for 30 days. Remedy: --from 2026-10-22T16:05Z"),
    ],
)
def test_a_range_that_cannot_be_filled_names_itself_and_the_remedy(start: str, end: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_range(start, end, NOW, PROVIDER)
    assert caught.value.exit_code == 2
