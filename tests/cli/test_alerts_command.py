"""`stockstream alerts` over a deployment's stores, as a user calls it."""

from collections.abc import AsyncIterator

import pytest

from tests.audit.stored_day import QUOTES, item_of
from tests.cli.test_reading_commands import run
from tests.reading.stored import Stored, stored_market


@pytest.fixture(name="stored")
async def _stored() -> AsyncIterator[Stored]:
    async with stored_market() as stored:
        await stored.begin()
        await stored.put("quotes", **item_of(QUOTES[0]))
        await stored.append(QUOTES[0])
        yield stored


async def test_a_level_is_added_listed_and_removed(stored: Stored) -> None:
    code, out, _ = await run(stored, "alerts", "add", "aapl", "above", "200", "--each")
    assert (code, out.startswith("AAPL above-200: in force in 10 s (now at ")) == (0, True), out
    code, out, _ = await run(stored, "alerts", "list")
    assert (code, out.splitlines()[1].split()[:4]) == (0, ["AAPL", "above", "200", "each"])
    assert (await run(stored, "alerts", "remove", "AAPL", "above", "200.0"))[:2] == (0, "AAPL above-200: removed\n")
    code, _, error = await run(stored, "alerts", "remove", "AAPL", "above", "200")
    assert (code, error) == (1, "AAPL has no level above-200\n")


async def test_what_is_no_level_or_has_no_topic_is_named(stored: Stored) -> None:
    code, _, error = await run(stored, "alerts", "add", "AAPL", "above", "lots")
    assert (code, "price='lots'" in error) == (2, True)
    code, _, error = await run(stored, "alerts", "test")
    assert (code, "STOCKSTREAM_ALERTS_TOPIC_ARN is not set" in error) == (2, True)
