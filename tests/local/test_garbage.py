"""Garbage between good records: every good one is stored, every bad one is in quarantine, and nothing stops."""

import base64
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stockstream_wire import Quote, encode_quote, format_epoch_ms
from tests.local.local_command import LocalCommand, Outside, write_session
from tests.patience import PATIENCE_SECONDS

# `GARBAGE_RECORDS=10000 make test ARGS=tests/local/test_garbage.py` is the full size; the suite runs a fifth of it.
GARBAGE = int(os.environ.get("GARBAGE_RECORDS", "2000"))
GOOD = 200
FIRST_MS = 1_384_963_200_000
KPL_MAGIC = b"\xf3\x89\x9a\xc2"

pytestmark = pytest.mark.emulator


def good_quote(number: int) -> Quote:
    price = Decimal(10_000 + number) / 100
    return Quote(
        symbol="GOOD",
        timestamp=format_epoch_ms(FIRST_MS + number * 1000),
        open=Decimal("100.00"),
        high=max(price, Decimal("100.00")),
        low=Decimal("100.00"),
        price=price,
        previous_close=Decimal("99.50"),
        volume=number,
    )


def garbage(rng: random.Random, number: int) -> bytes:
    good = encode_quote(good_quote(number))
    kinds: list[bytes] = [
        rng.randbytes(rng.randint(1, 300)),
        b"not json",
        good[: rng.randint(1, len(good) - 1)],
        good.replace(b'"v":1', b'"v":%d' % rng.randint(2, 99)),
        good.replace(b'"volume":', b'"volume":-1,"was":'),
        good.replace(b'"price":', b'"price":NaN,"was":'),
        good.replace(b'"price":', b'"price":1e999,"was":'),
        good.replace(b'"price":', b'"price":-5,"was":'),
        good.replace(b"GOOD", b"a\\u0000b"),
        good.replace(b'"timestamp":"20', b'"timestamp":"99'),
        KPL_MAGIC + rng.randbytes(rng.randint(0, 120)),
        b"null",
        b"[" * 5_000,
    ]
    return kinds[number % len(kinds)]


def mixed_records(rng: random.Random) -> Iterator[bytes]:
    good = iter(range(GOOD))
    for number in range(GARBAGE):
        if number % (GARBAGE // GOOD) == 0:
            yield encode_quote(good_quote(next(good)))
        yield garbage(rng, number)


def put(client: Any, records: list[bytes]) -> None:
    for start in range(0, len(records), 500):
        part = records[start : start + 500]
        answer = client.put_records(
            StreamName="stockstream", Records=[{"Data": data, "PartitionKey": "GOOD"} for data in part]
        )
        assert answer["FailedRecordCount"] == 0


def wait_for_quarantine(outside: Outside, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    client = outside.client("s3")
    pages = client.get_paginator("list_objects_v2")
    while True:
        found = sum(page["KeyCount"] for page in pages.paginate(Bucket="stockstream-archive", Prefix="quarantine/"))
        if found >= count:
            client.close()
            return
        assert time.monotonic() < deadline, f"{found} of {count} bad records are in quarantine"
        time.sleep(0.5)


def test_garbage_between_good_records_stops_nothing(tmp_path: Path) -> None:
    session = write_session(
        tmp_path / "session.csv", [("2013-11-20T15:00:00.000Z", "FIRST", 100, 101, 99, 100, 100, 5)]
    )
    records = list(mixed_records(random.Random(17)))
    bad = Counter(base64.b64encode(data).decode() for data in records)
    for number in range(GOOD):
        bad.pop(base64.b64encode(encode_quote(good_quote(number))).decode(), None)

    with LocalCommand(tmp_path).keep_running("--replay", str(session)) as outside:
        kinesis = outside.client("kinesis")
        put(kinesis, records)
        kinesis.close()
        wait_for_quarantine(outside, GARBAGE)
        items = {item["timestamp"]["S"]: item for item in outside.scan("quotes") if item["symbol"]["S"] == "GOOD"}
        quarantined = [json.loads(body) for body in outside.objects("quarantine/").values()]

    assert len(items) == GOOD
    for number in range(GOOD):
        expected = good_quote(number)
        assert Decimal(items[expected.timestamp]["price"]["N"]) == expected.price
    assert Counter(entry["data_base64"] for entry in quarantined) == bad
    assert all(entry["reason"] and entry["error_class"] and entry["sequence_number"] for entry in quarantined)
