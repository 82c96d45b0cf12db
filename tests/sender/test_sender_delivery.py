"""The sender against a null Kinesis: what is accepted arrives once, in order, in the right shard."""

import asyncio

import pytest
from structlog.testing import capture_logs

from stockstream.sender.limits import MEBIBYTE
from tests.patience import PATIENCE_SECONDS
from tests.sender.conftest import Kinesis, MakeSender, Quotes

_TRANSPORTS = [("fast", "cbor"), ("fast", "json"), ("aiobotocore", "auto")]


def _assert_perfect(kinesis: Kinesis, quotes: Quotes) -> None:
    verdict = kinesis.verify(quotes.made)
    found = {name: verdict[name] for name in ("lost", "duplicated", "out_of_order", "dropped_by_kcl", "broken")}
    assert found == dict.fromkeys(found, 0)
    assert verdict["distinct"] == sum(quotes.made.values())


@pytest.mark.parametrize(("transport", "encoding"), _TRANSPORTS)
async def test_every_transport_delivers_everything_once_and_in_order(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, transport: str, encoding: str
) -> None:
    async with make_sender(transport=transport, encoding=encoding) as sender:
        for _ in range(20):
            assert await sender.send(quotes.take(250)) == []
        assert await sender.drain(PATIENCE_SECONDS) == 0
        stats = sender.stats
    _assert_perfect(kinesis, quotes)
    assert stats.accepted == stats.sent == 5000
    assert (stats.unsent, stats.outbox_bytes, stats.outbox_age_seconds, stats.lane_depth) == (0, 0, 0.0, 0)
    assert stats.kinesis_records == len(kinesis.stream.records)


@pytest.mark.parametrize(("transport", "encoding"), _TRANSPORTS)
async def test_failures_of_every_kind_lose_nothing_and_keep_the_order(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, transport: str, encoding: str
) -> None:
    faults = kinesis.stream.faults
    faults.throttled_entries, faults.errors_500, faults.resets = 0.2, 0.05, 0.05
    async with make_sender(transport=transport, encoding=encoding, request_target_bytes=30_000) as sender:
        for _ in range(40):
            await sender.send(quotes.take(100))
            await asyncio.sleep(0)
        # How many requests carry them is a matter of pace, and with it whether a fault met one: go on until it has.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (sender.stats.throttled and sender.stats.retried):
                await sender.send(quotes.take(100))
                await asyncio.sleep(0.005)
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_perfect(kinesis, quotes)


async def test_an_answer_that_is_lost_after_storing_duplicates_and_never_reorders(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes
) -> None:
    kinesis.stream.faults.stored_then_lost = 0.3
    async with make_sender() as sender:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not sender.stats.retried:
                await sender.send(quotes.take(100))
                await asyncio.sleep(0.005)
        assert await sender.drain(PATIENCE_SECONDS) == 0
    verdict = kinesis.verify(quotes.made)
    assert (verdict["lost"], verdict["out_of_order"], verdict["dropped_by_kcl"]) == (0, 0, 0)
    assert verdict["duplicated"] > 0


async def test_a_reshard_under_flow_keeps_order_and_every_record_inside_its_shard(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes
) -> None:
    async with make_sender() as sender:
        for shards in (9, 3, 0):
            generation = {shard.shard_id for shard in kinesis.stream.shards if not shard.closed}
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not generation & {record.shard_id for record in kinesis.stream.records}:
                    await sender.send(quotes.take(50))
                    await asyncio.sleep(0.003)
            await sender.send(quotes.take(50))
            if shards:
                kinesis.stream.reshard(shards)
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_perfect(kinesis, quotes)
    # Each generation of shards took records, or the reshards were not under flow.
    assert {len(shard.parents) > 0 for shard in kinesis.stream.shards} == {True, False}
    used = {record.shard_id for record in kinesis.stream.records}
    assert any(shard.shard_id in used for shard in kinesis.stream.shards[4:13])
    assert any(shard.shard_id in used for shard in kinesis.stream.shards[13:])


async def test_limits_of_a_request_hold_with_large_records(kinesis: Kinesis, make_sender: MakeSender) -> None:
    quotes = Quotes(symbols=40, size=900_000)
    async with make_sender(aggregate_max_bytes=MEBIBYTE, request_target_bytes=64 * MEBIBYTE) as sender:
        await sender.send(quotes.take(40))
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_perfect(kinesis, quotes)
    assert 4 * MEBIBYTE < kinesis.stream.largest_request_bytes <= 5 * MEBIBYTE


async def test_limits_of_a_request_hold_with_many_small_records(kinesis: Kinesis, make_sender: MakeSender) -> None:
    quotes = Quotes(symbols=2000, size=60)
    async with make_sender(lanes=1024, request_target_bytes=4 * MEBIBYTE) as sender:
        await sender.send(quotes.take(2000))
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_perfect(kinesis, quotes)
    assert kinesis.stream.largest_request_records == 500


async def test_a_record_between_a_payload_unit_and_the_streams_limit_travels_alone(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes
) -> None:
    big = ("BIG", b"x" * 200_000)
    async with make_sender() as sender:
        await sender.send([*quotes.take(10), big, *quotes.take(10)])
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_perfect(kinesis, quotes)
    assert max(len(record.data) for record in kinesis.stream.records) > 200_000


async def test_what_kinesis_cannot_take_is_refused_by_name_and_the_rest_goes(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes
) -> None:
    too_large = ("HUGE", b"x" * MEBIBYTE)
    bad_keys = [("", b"x"), ("K" * 257, b"x"), ("\ud800", b"x")]
    async with make_sender() as sender:
        with capture_logs() as logs:
            rejected = await sender.send([too_large, *quotes.take(50), *bad_keys, *quotes.take(50)])
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender.stats.rejected == 4
    assert [(r.key, r.reason) for r in rejected] == [
        ("HUGE", "too_large"),
        ("", "empty_key"),
        ("K" * 257, "key_too_long"),
        ("\ud800", "key_not_unicode"),
    ]
    assert next(entry["key"] for entry in logs if entry["event"] == "record_rejected") == "HUGE"
    _assert_perfect(kinesis, quotes)


async def test_the_largest_record_that_is_accepted_fits_the_limit_of_kinesis(
    kinesis: Kinesis, make_sender: MakeSender
) -> None:
    async with make_sender() as sender:
        low, high = 0, MEBIBYTE
        while low < high:
            middle = (low + high + 1) // 2
            refused = await sender.send([("EDGE", b"x" * middle)])
            low, high = (low, middle - 1) if refused else (middle, high)
        assert await sender.drain(PATIENCE_SECONDS) == 0
    assert MEBIBYTE - 200 < max(len(record.data) for record in kinesis.stream.records) <= MEBIBYTE


async def test_leaving_the_context_drains(kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes) -> None:
    async with make_sender(linger_seconds=60) as sender:
        await sender.send(quotes.take(500))
    _assert_perfect(kinesis, quotes)


async def test_a_lane_that_fails_holds_itself_and_no_other(kinesis: Kinesis, make_sender: MakeSender) -> None:
    quotes = Quotes(symbols=40)
    kinesis.stream.refuse_partition_key = "lane-3"
    async with make_sender() as sender:
        await sender.send(quotes.take(4000))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sender.stats.unsent > 4000 / 4:  # noqa: ASYNC110 (the sender has no event for this)
                await asyncio.sleep(0.01)
        arrived = {record.partition_key for record in kinesis.stream.records}
        assert arrived
        assert "lane-3" not in arrived
        kinesis.stream.refuse_partition_key = ""
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_perfect(kinesis, quotes)


async def test_records_of_a_lane_all_carry_one_partition_key(kinesis: Kinesis, make_sender: MakeSender) -> None:
    quotes = Quotes(symbols=200)
    async with make_sender() as sender:
        for _ in range(10):
            await sender.send(quotes.take(400))
        assert await sender.drain(PATIENCE_SECONDS) == 0
    keys_of_hash: dict[int, set[str]] = {}
    for record in kinesis.stream.records:
        keys_of_hash.setdefault(record.hash_key, set()).add(record.partition_key)
    assert all(len(keys) == 1 for keys in keys_of_hash.values())


async def test_payload_units_stay_near_the_floor_at_full_flow(kinesis: Kinesis, make_sender: MakeSender) -> None:
    quotes = Quotes(symbols=1000)
    async with make_sender(linger_seconds=0.05) as sender:
        for _ in range(40):
            await sender.send(quotes.take(1000))
        assert await sender.drain(PATIENCE_SECONDS) == 0
        units = sender.stats.payload_units
    verdict = kinesis.verify(quotes.made)
    assert verdict["payload_units"] == units
    # 13,000 for a million quotes, and a last, less than full aggregate for each of the 16 lanes.
    assert units <= 40_000 * 13_000 / 1_000_000 + 16


@pytest.mark.parametrize("refused", ["SerializationException", "UnknownOperationException"])
async def test_an_endpoint_that_does_not_understand_cbor_gets_json(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, refused: str
) -> None:
    kinesis.stream.faults.refuse_cbor = refused
    async with make_sender(transport="fast", encoding="cbor") as sender:
        await sender.send(quotes.take(200))
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_perfect(kinesis, quotes)
