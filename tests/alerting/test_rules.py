"""The file of alert rules under several editors: no change is lost, and what others wrote stays."""

import asyncio
import io
import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError

from stockstream.alerting import RulesFile, new_level
from stockstream.errors import InputError
from stockstream_lambda.alerts.kinds import LEVEL
from stockstream_lambda.alerts.rules import parse_rules
from stockstream_wire.storage import ALERT_RULES_KEY, LEVELS_MAX, Level

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


class Body(io.BytesIO):
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        return super().read(size)


class OneObject:
    """S3's conditional writes over one key; every call gives way to the others in between."""

    def __init__(self, body: bytes | None = None) -> None:
        self.body = body
        self.version = 0
        self.refused = 0

    @property
    def etag(self) -> str:
        return f'"{self.version}"'

    async def get_object(self, **_: str) -> dict[str, Any]:
        await self._turn()
        if self.body is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": Body(self.body), "ETag": self.etag}

    async def put_object(self, **asked: Any) -> None:
        await self._turn()
        is_there = self.body is not None
        fits = not is_there if asked.get("IfNoneMatch") == "*" else is_there and asked["IfMatch"] == self.etag
        if not fits:
            self.refused += 1
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.body, self.version = asked["Body"], self.version + 1

    async def _turn(self) -> None:
        for _ in range(random.randrange(3)):
            await asyncio.sleep(0)


def level(price: str, when: str = "above", repeat: str = "once", last: str | None = "150") -> Level:
    return new_level(price, when, repeat, last_price=Decimal(last) if last else None, now=NOW)


async def test_twenty_editors_at_once_lose_nothing() -> None:
    store = OneObject()
    await asyncio.gather(*(RulesFile(store, "b").add("AAPL", level(str(price))) for price in range(200, 210)))
    rows = await RulesFile(store, "b").levels()
    assert [row.name for row in rows] == [f"above-{price}" for price in range(200, 210)]
    assert store.refused > 0
    edits = [RulesFile(store, "b").remove("AAPL", f"above-{price}") for price in range(200, 205)]
    more = [RulesFile(store, "b").add(symbol, level("10", "below")) for symbol in ("MSFT", "BRK-B", "AAPL")]
    await asyncio.gather(*edits, *more)
    found = [(row.symbol, row.name) for row in await RulesFile(store, "b").levels()]
    assert found == [
        ("AAPL", "below-10"),
        *(("AAPL", f"above-{price}") for price in range(205, 210)),
        ("BRK-B", "below-10"),
        ("MSFT", "below-10"),
    ]


async def test_what_is_written_is_what_the_consumer_reads_and_the_rest_of_the_file_stays() -> None:
    before = {
        "v": 1,
        "defaults": {"move": {"threshold_percent": 3}},
        "symbols": {"AAPL": {"move": {"threshold_percent": 9}}, "^VIX": {"gap": {"enabled": False}}},
    }
    store = OneObject(json.dumps(before).encode())
    rules = RulesFile(store, "b")
    await rules.add("AAPL", level("187.250", "below", "each", last="190.1"))
    parsed = parse_rules(store.body or b"", Decimal(5), ALERT_RULES_KEY).of("AAPL")[LEVEL]
    assert parsed.levels == (Level(Decimal("187.250"), "below", "2026-11-20T14:30:10.000Z", "above", "each"),)
    assert await rules.remove("AAPL", "below-187.25") is True
    assert await rules.remove("AAPL", "below-187.25") is False
    assert json.loads(store.body or b"") == before


async def test_a_level_of_the_same_name_is_the_newer_one() -> None:
    store = OneObject()
    rules = RulesFile(store, "b")
    await rules.add("AAPL", level("200"))
    await rules.add("AAPL", level("200.00", repeat="each", last=None))
    (row,) = await rules.levels()
    assert (row.name, row.repeat, row.since) == ("above-200", "each", datetime(2026, 11, 20, 14, 30, 10, tzinfo=UTC))


async def test_a_level_is_moved_by_one_write_even_among_the_most_there_can_be() -> None:
    store = OneObject()
    rules = RulesFile(store, "b")
    for price in range(LEVELS_MAX):
        await rules.add("AAPL", level(str(price + 1)))
    written = store.version

    await rules.add("AAPL", level("500"), replaces="above-1")

    names = [row.name for row in await rules.levels()]
    assert (store.version, len(names), names[0], names[-1]) == (written + 1, LEVELS_MAX, "above-2", "above-500")
    await rules.add("AAPL", level("501"), replaces="above-500")
    await rules.add("AAPL", level("501"), replaces="above-501")  # to where it stands
    await rules.add("AAPL", level("502"), replaces="above-501")
    assert [row.name for row in await rules.levels()] == [*names[:-1], "above-502"]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"v": 2}',
        b'{"symbols": []}',
        b'{"symbols": {"AAPL": []}}',
        b'{"symbols": {"AAPL": {"level": {"levels": [1]}}}}',
    ],
)
async def test_a_file_that_is_none_is_left_as_it_is_and_named(content: bytes) -> None:
    store = OneObject(content)
    with pytest.raises(InputError, match=r"s3://b/config/alert-rules\.json is no valid file"):
        await RulesFile(store, "b").add("AAPL", level("200"))
    assert store.body == content


async def test_levels_of_a_symbol_are_bounded() -> None:
    store = OneObject()
    rules = RulesFile(store, "b")
    for price in range(LEVELS_MAX):
        await rules.add("AAPL", level(str(price + 1)))
    with pytest.raises(InputError, match="the most there can be"):
        await rules.add("AAPL", level("1000"))


@pytest.mark.parametrize(
    ("price", "when", "repeat", "said"),
    [
        ("much", "above", "once", "price='much'"),
        ("NaN", "above", "once", "price='NaN'"),
        ("1e99", "above", "once", "price='1e99'"),
        ("1", "over", "once", "when='over'"),
        ("1", "above", "twice", "repeat='twice'"),
    ],
)
def test_what_is_no_level_is_named(price: str, when: str, repeat: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        level(price, when, repeat)


@pytest.mark.parametrize(
    ("last", "when", "start"),
    [("199", "above", "below"), ("200", "above", "above"), ("201", "below", "above"), (None, "above", "")],
)
def test_it_is_written_down_where_the_price_stood(last: str | None, when: str, start: str) -> None:
    assert level("200", when, last=last).start == start
