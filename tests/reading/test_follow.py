"""Following the log: from its end, from a place, over rolls, and past what was tidied meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stockstream.errors import InputError
from stockstream.reading import LogFormatError, Place, Update, follow_log
from stockstream_wire import Quote
from stockstream_wire.storage import checkpoint_key, partition_of
from tests.audit.stored_day import DAY, QUOTES, quote
from tests.reading.stored import BUCKET, PARTITIONS, Stored, stored_market

OURS = partition_of("AAPL", PARTITIONS)


@pytest.fixture(name="stored")
async def _stored() -> AsyncIterator[Stored]:
    async with stored_market() as stored:
        yield stored


async def take(updates: AsyncIterator[Update], count: int) -> list[Update]:
    async with asyncio.timeout(60):
        return [await anext(updates) for _ in range(count)]


async def test_it_begins_at_the_end_and_gives_what_is_appended_in_order(stored: Stored) -> None:
    await stored.begin()
    await stored.roll("AAPL", DAY)
    await stored.append(QUOTES[0])
    updates = stored.market.follow(poll_seconds=0.02)
    waiting = asyncio.ensure_future(take(updates, 3))
    appended: list[Quote] = []
    while not waiting.done():
        appended.append(quote(31 + len(appended) // 60, "7", 1, second=len(appended) % 60))
        await stored.append(appended[-1])
        await asyncio.sleep(0.05)
    found = [item for update in waiting.result() for item in update.quotes]
    first = appended.index(found[0])
    assert found == appended[first : first + 3]
    assert all(update.written_at is not None and not update.is_gap for update in waiting.result())
    await updates.aclose()


async def test_an_empty_deployment_is_waited_for(stored: Stored) -> None:
    waiting = asyncio.ensure_future(take(stored.market.follow(poll_seconds=0.02), 1))
    await asyncio.sleep(0.1)
    await stored.begin()
    while not waiting.done():
        await stored.append(QUOTES[0])
        await asyncio.sleep(0.1)
    assert waiting.result()[0].quotes == (QUOTES[0],)


async def test_a_place_resumes_behind_it_over_a_roll_and_over_partitions(stored: Stored) -> None:
    await stored.begin()
    await stored.roll("AAPL", "2026-11-19")
    await stored.append(QUOTES[0])
    await stored.roll("AAPL", DAY)
    await stored.append(QUOTES[1])
    await stored.append(quote(30, "7", 1, symbol="MSFT"))
    begin = Place.parse("first.0,first.0,first.0,first.0")
    all_of_it = await take(stored.market.follow(begin, poll_seconds=0.02), 5)
    assert sorted(str(item.price) for found in all_of_it for item in found.quotes) == ["100.01", "101.5", "7"]
    by_place = {str(found.place): index for index, found in enumerate(all_of_it)}
    assert len(by_place) == 5
    for index, found in enumerate(all_of_it[:-1]):
        (following,) = await take(stored.market.follow(str(found.place), poll_seconds=0.02), 1)
        assert following.quotes == all_of_it[index + 1].quotes


async def test_revisions_that_were_tidied_away_are_a_gap_and_the_log_goes_on_behind_it(stored: Stored) -> None:
    await stored.begin()
    await stored.roll("AAPL", DAY)
    gone = [await stored.append(item) for item in QUOTES[:2]]
    await stored.checkpoint(OURS, 3, DAY, {"AAPL": [QUOTES[1].timestamp]})
    for key in gone:
        await stored.s3.delete_object(Bucket=BUCKET, Key=key)
    await stored.append(QUOTES[2])
    place = Place.parse("first.0,first.0,first.0,first.0").at(OURS.number, Place.parse(f"{DAY}.1").positions[0])
    gap, found = await take(follow_log(stored.s3, BUCKET, place, poll_seconds=0.02), 2)
    assert (gap.is_gap, gap.quotes) == (True, ())
    assert found.quotes == (QUOTES[2],)


async def test_a_place_of_another_log_or_none_at_all_is_refused(stored: Stored) -> None:
    await stored.begin()
    with pytest.raises(InputError, match="1 partitions, this one has 4"):
        await take(stored.market.follow("first.0"), 1)
    for text in ("", "first", "first.x", "../../x.1", "2026-13-45.1", "first.1,first.2,first.3", "first.²"):
        with pytest.raises(InputError, match="no place in the log"):
            Place.parse(text)


async def test_a_lost_checkpoint_is_an_error_with_its_remedy(stored: Stored) -> None:
    await stored.begin()
    await stored.s3.delete_object(Bucket=BUCKET, Key=checkpoint_key(OURS))
    with pytest.raises(LogFormatError, match="rebuild --checkpoints"):
        await take(stored.market.follow(), 1)
