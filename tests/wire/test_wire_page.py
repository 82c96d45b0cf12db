"""docs/wire.md tells foreign producers the truth: its schema is the quote's, and its example runs."""

import asyncio
import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.local.emulator import run_emulator
from stockstream_wire import Quote, WireError, decode_quote, encode_quote
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

_PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
_GOOD: dict[str, Any] = {
    "symbol": "AAPL",
    "timestamp": "2026-11-20T15:30:00.000Z",
    "open": 271.2,
    "high": 273.5,
    "low": 270.9,
    "price": 272.41,
    "previous_close": 270.05,
    "volume": 18_250_311,
}


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", _PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def _fits_schema(quote: object) -> bool:
    validator = jsonschema.Draft202012Validator(json.loads(_block("json")))
    return bool(validator.is_valid(quote))


def _fits_decoder(quote: object) -> bool:
    try:
        decode_quote(json.dumps(quote).encode())
    except WireError:
        return False
    return True


def test_the_schema_has_the_fields_of_the_quote_and_requires_what_it_requires() -> None:
    schema = json.loads(_block("json"))
    jsonschema.Draft202012Validator.check_schema(schema)
    fields = msgspec.structs.fields(Quote)
    assert set(schema["properties"]) == {field.encode_name for field in fields}
    assert set(schema["required"]) == {field.encode_name for field in fields if field.required}


def test_what_we_write_fits_the_schema() -> None:
    price = Decimal("272.41")
    plain = Quote(
        symbol="^VIX",
        timestamp="2026-11-20T15:30:00.000Z",
        open=price,
        high=price,
        low=price,
        price=price,
        previous_close=price,
        volume=0,
    )
    full = msgspec.structs.replace(
        plain,
        bid=price,
        ask=price,
        currency="USD",
        exchange="NMS",
        market_state="REGULAR",
        polled_at="2026-11-20T15:30:01.000Z",
        source="yahoo",
        delayed_by_seconds=900,
        stale=True,
        silent_symbols=3,
        session_date="2026-11-20",
        volume_kind="none",
        regular=False,
        kind="index",
    )
    below_zero = msgspec.structs.replace(plain, kind="spread", low=-price, price=-price)
    for quote in (plain, full, below_zero):
        assert _fits_schema(json.loads(encode_quote(quote)))


_CHANGES: list[dict[str, Any]] = [
    {},
    {"v": 1},
    {"unknown": "field"},
    {"bid": None, "source": None},
    {"volume": 0},
    {"volume": 2**63 - 1},
    {"symbol": "BRK-B"},
    {"symbol": "a"},
    {"symbol": ""},
    {"symbol": "A" * 33},
    {"symbol": None},
    {"timestamp": "2026-11-20T15:30:00Z"},
    {"timestamp": "2026-11-20 15:30:00.000Z"},
    {"timestamp": 1_795_348_800},
    {"price": 0},
    {"price": -1},
    {"bid": 0},
    {"volume": -1},
    {"volume": 2**63},
    {"volume": 1.5},
    {"delayed_by_seconds": -1},
    {"delayed_by_seconds": 31_536_001},
    {"stale": "yes"},
    {"v": 2},
    {"v": 0},
    {"currency": 840},
    {"polled_at": "yesterday"},
    {"timestamp": "2026-11-20T15:30:00.123456+05:30"},
    {"timestamp": "2026-11-20T15:30:00"},
    {"volume": 1001.0},
    {"volume": None},
    {"price": -1, "low": -2, "kind": "future"},
    {"price": -1, "low": -2, "symbol": "CL=F"},
    {"price": -1, "low": -2, "symbol": "CL=F", "kind": "equity"},
    {"kind": "of-tomorrow"},
    {"session_date": "today"},
    {"volume_kind": "monthly"},
    {"regular": "no"},
    {"silent_symbols": -1},
]


@pytest.mark.parametrize("change", _CHANGES, ids=str)
def test_schema_and_decoder_say_the_same(change: dict[str, Any]) -> None:
    quote = _GOOD | change
    assert _fits_schema(quote) == _fits_decoder(quote)


def test_a_price_as_text_is_read_and_not_recommended() -> None:
    quote = _GOOD | {"price": "272.41"}
    assert _fits_decoder(quote)
    assert not _fits_schema(quote)


@pytest.mark.parametrize("name", sorted(_GOOD.keys() - {"volume"}))
def test_what_is_required_is_missed_by_both(name: str) -> None:
    quote = {key: value for key, value in _GOOD.items() if key != name}
    assert not _fits_schema(quote)
    assert not _fits_decoder(quote)


@pytest.mark.long
@pytest.mark.emulator
async def test_the_example_of_boto3_puts_a_quote_that_is_read_as_one(tmp_path: Path) -> None:
    async with run_emulator(tmp_path / "state", free_port(), region="us-east-1") as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        async with open_client(aws, "kinesis") as kinesis:
            await kinesis.create_stream(StreamName="stockstream", ShardCount=1)
            environment = {
                "PATH": os.environ["PATH"],
                "AWS_ENDPOINT_URL": emulator.endpoint_url,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
            }
            command = [sys.executable, "-c", _block("python")]
            done = await asyncio.to_thread(
                subprocess.run,
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_SECONDS,
            )
            assert (done.returncode, done.stdout) == (0, "0 failed\n"), done.stderr
            shard = (await kinesis.list_shards(StreamName="stockstream"))["Shards"][0]["ShardId"]
            iterator = await kinesis.get_shard_iterator(
                StreamName="stockstream", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )
            records = (await kinesis.get_records(ShardIterator=iterator["ShardIterator"]))["Records"]
    assert [decode_quote(record["Data"]).quote_id for record in records] == ["AAPL@2026-11-20T15:30:00.000Z"]
