"""The scheduler and the grid: pure decisions."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.errors import SettingsError
from stockstream.outbox import RecordBatch
from stockstream.sender import SenderConfig
from stockstream.sender.failures import FailureKind, classify
from stockstream.sender.grid import hash_key_of_lane, hash_of_key, lane_of_key, lanes_for_shards
from stockstream.sender.lane import KinesisRecord
from stockstream.sender.scheduler import Scheduler
from stockstream.sender.shards import Shard, ShardMap
from stockstream_wire import deaggregate
from stockstream_wire.aws.error_codes import bare_code

_SPACE = 2**128


def _scheduler(lanes: int = 8, **settings: object) -> Scheduler:
    return Scheduler(SenderConfig(stream="s", **settings), lanes, Random(7))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1, max_size=20), st.integers(0, 12).map(lambda n: 2**n))
def test_a_key_lies_in_the_part_of_the_hash_space_that_its_lane_owns(key: str, lanes: int) -> None:
    lane = lane_of_key(key, lanes)
    assert lane * _SPACE // lanes <= hash_of_key(key) < (lane + 1) * _SPACE // lanes
    # Doubling keeps it where it was, or next door.
    assert lane_of_key(key, 2 * lanes) // 2 == lane


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 2000))
def test_every_shard_of_equal_ranges_holds_several_lanes(shards: int) -> None:
    lanes = lanes_for_shards(shards)
    assert lanes & (lanes - 1) == 0
    shard_map = ShardMap([Shard(str(i), _SPACE * i // shards, _SPACE * (i + 1) // shards - 1) for i in range(shards)])
    held = Counter(shard_map.shard_of(hash_key_of_lane(lane, lanes)) for lane in range(lanes))
    assert min(held[str(i)] for i in range(shards)) >= 3


def test_closed_shards_are_no_part_of_the_map() -> None:
    def shard(name: str, first: int, last: int, **numbers: str) -> dict[str, object]:
        return {
            "ShardId": name,
            "HashKeyRange": {"StartingHashKey": str(first), "EndingHashKey": str(last)},
            "SequenceNumberRange": {"StartingSequenceNumber": "1", **numbers},
        }

    listed = [shard("old", 0, 99, EndingSequenceNumber="9"), shard("b", 50, 99), shard("a", 0, 49)]
    shard_map = ShardMap.from_list_shards(listed)
    assert [shard_map.shard_of(key) for key in (0, 49, 50, 99, 100)] == ["a", "a", "b", "b", ""]


def test_a_lane_waits_for_more_until_it_is_full_or_its_time_is_over() -> None:
    scheduler = _scheduler(lanes=1, linger_seconds=1.0)
    scheduler.enqueue(RecordBatch.of([("A", b"x" * 100)]), 0.0)
    assert scheduler.next_request(0.5) == []
    assert scheduler.next_due_at() == 1.0
    assert [record.count for record in scheduler.next_request(1.0)] == [1]
    scheduler.enqueue(RecordBatch.of([("A", b"x" * 1000)] * 100), 2.0)
    # The lane's first record is still unresolved, so nothing goes, however much there is.
    assert scheduler.next_request(9.0) == []


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 40))
def test_whatever_fails_a_lane_has_one_record_out_and_keeps_its_order(seed: int, lanes_log: int, keys: int) -> None:
    rng = Random(seed)
    scheduler = _scheduler(lanes=2**lanes_log, linger_seconds=0.01, aggregate_max_bytes=1100)
    made: dict[str, list[bytes]] = {}
    stored: dict[str, list[bytes]] = {}
    out: list[KinesisRecord] = []
    now = 0.0
    for _ in range(80):
        now += rng.random() * 0.02
        batch = []
        for _ in range(rng.randrange(12)):
            key = f"K{rng.randrange(keys)}"
            data = f"{key}:{len(made.setdefault(key, []))}:".encode() + b"x" * rng.randrange(150)
            made[key].append(data)
            batch.append((key, data))
        if batch:
            scheduler.enqueue(RecordBatch.of(batch), now)
        out += scheduler.next_request(now)
        assert len({record.lane.index for record in out}) == len(out)
        rng.shuffle(out)
        while out and rng.random() < 0.6:
            _resolve(scheduler, out.pop(), rng, now, stored)
    scheduler.flush(now)
    while not scheduler.idle:
        now += 1.0
        assert now < 10_000, "a record is held for ever"
        out += scheduler.next_request(now)
        if out:
            _resolve(scheduler, out.pop(), rng, now, stored)
    assert stored == {key: datas for key, datas in made.items() if datas}
    assert scheduler.pending_bytes == 0
    assert scheduler.oldest_at(now) is None


def _resolve(
    scheduler: Scheduler, record: KinesisRecord, rng: Random, now: float, stored: dict[str, list[bytes]]
) -> None:
    if rng.random() < 0.3:
        scheduler.on_failed(record, rng.choice(list(FailureKind)), now)
        return
    for user in deaggregate(record.data):
        assert user.explicit_hash_key == record.lane.hash_key
        stored.setdefault(user.partition_key, []).append(user.data)
    scheduler.on_stored(record, "shard", now)


def test_without_aggregation_a_lane_sends_its_records_one_by_one_as_they_are() -> None:
    scheduler = _scheduler(lanes=1, aggregation=False)
    scheduler.enqueue(RecordBatch.of([("A", b"first"), ("A", b"second")]), now=0.0)

    (record,) = scheduler.next_request(0.0)
    assert scheduler.next_request(0.0) == []
    scheduler.on_stored(record, "shard", 0.1)
    (following,) = scheduler.next_request(0.1)
    scheduler.on_stored(following, "shard", 0.2)

    assert [record.data, following.data] == [b"first", b"second"]
    assert scheduler.idle


def test_the_age_is_that_of_the_oldest_unresolved_record() -> None:
    scheduler = _scheduler(lanes=4, linger_seconds=0.0)
    for second in range(10):
        scheduler.enqueue(RecordBatch.of([(f"K{i}", b"x") for i in range(20)]), float(second))
        for record in scheduler.next_request(float(second)):
            # Lane 0 fails for ever; the others are stored.
            if record.lane.index == 0:
                scheduler.on_failed(record, FailureKind.TRANSIENT, float(second), delay_seconds=100.0)
            else:
                scheduler.on_stored(record, "s", float(second))
    oldest = scheduler.oldest_at(20.0)
    assert oldest is not None
    assert oldest <= 1.0
    assert scheduler.depth() > 10


def test_a_request_at_fault_is_parted_so_that_one_record_cannot_hold_the_others() -> None:
    scheduler = _scheduler(lanes=8, linger_seconds=0.0)
    scheduler.enqueue(RecordBatch.of([(f"K{i}", b"x") for i in range(50)]), 0.0)
    together = scheduler.next_request(0.0)
    assert len(together) > 1
    for record in together:
        scheduler.on_failed(record, FailureKind.INVALID, 0.0, delay_seconds=0.0)
    apart = [scheduler.next_request(1.0) for _ in together]
    assert [len(request) for request in apart] == [1] * len(together)


def test_the_oldest_records_are_given_up_first() -> None:
    scheduler = _scheduler(lanes=1, linger_seconds=100.0)
    scheduler.enqueue(RecordBatch.of([("A", f"{i:04d}".encode()) for i in range(500)]), 0.0)
    assert scheduler.drop_oldest(400) == 128
    scheduler.flush(0.0)
    (record,) = scheduler.next_request(0.0)
    assert [int(user.data) for user in deaggregate(record.data)] == list(range(128, 500))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ProvisionedThroughputExceededException", 400, FailureKind.THROTTLED),
        ("com.amazonaws.kinesis#ThrottlingException:http://x", 400, FailureKind.THROTTLED),
        ("InternalFailure", 500, FailureKind.TRANSIENT),
        ("ServiceUnavailable", 503, FailureKind.TRANSIENT),
        ("ClientConnectorError", 0, FailureKind.TRANSIENT),
        ("ResourceNotFoundException", 400, FailureKind.PERMANENT),
        ("AccessDeniedException", 400, FailureKind.PERMANENT),
        ("ExpiredTokenException", 400, FailureKind.PERMANENT),
        ("InvalidArgumentException", 400, FailureKind.INVALID),
        ("Http403", 403, FailureKind.PERMANENT),
        ("Http429", 429, FailureKind.THROTTLED),
    ],
)
def test_error_codes_are_told_apart(code: str, status: int, kind: FailureKind) -> None:
    assert classify(bare_code(code), status) is kind


@pytest.mark.parametrize(
    "wrong",
    [
        {"lanes": 3},
        {"lanes": 0},
        {"request_max_records": 501},
        {"aggregate_max_bytes": 2**21},
        {"record_max_bytes": 11 * 2**20},
        {"requests_in_flight": 0},
        {"linger_seconds": -1},
        {"memory_max_bytes": 1},
        {"outbox_max_bytes": 1},
        {"stream": ""},
    ],
)
def test_a_setting_out_of_range_is_named_with_its_value_and_range(wrong: dict[str, object]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(SettingsError, match=rf"{name}={value!r}: must be"):
        SenderConfig(**{"stream": "s", **wrong})  # type: ignore[arg-type]


def test_hash_keys_of_lanes_ascend_and_lie_in_the_hash_space() -> None:
    keys = [hash_key_of_lane(lane, 64) for lane in range(64)]
    assert all(a < b for a, b in pairwise(keys))
    assert 0 < keys[0] < keys[-1] < _SPACE


def test_a_lane_of_which_everything_was_given_up_is_passed_over() -> None:
    scheduler = _scheduler(lanes=1, linger_seconds=1.0)
    scheduler.enqueue(RecordBatch.of([("A", b"x" * 100)] * 3), 0.0)
    scheduler.advance(1.0)
    assert scheduler.has_ready
    assert scheduler.drop_oldest(300) == 3
    assert scheduler.next_request(1.0) == []
    scheduler.enqueue(RecordBatch.of([("A", b"later")]), 2.0)
    (record,) = scheduler.next_request(3.0)
    assert record.count == 1


def test_no_more_can_be_given_up_than_waits() -> None:
    scheduler = _scheduler(lanes=1)
    scheduler.enqueue(RecordBatch.of([("A", b"x" * 100)]), 0.0)
    assert scheduler.drop_oldest(1000) == 1
    assert scheduler.drop_oldest(1000) == 0
