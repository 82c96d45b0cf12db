"""The breaker, the bucket and the backoff: pure, with time passed in."""

from random import Random

import pytest

from stockstream.sender import bucket as bucket_module
from stockstream.sender.backoff import BASE_SECONDS, MAX_SECONDS, full_jitter_seconds
from stockstream.sender.breaker import FAILURES_TO_OPEN, PERMANENT_PROBE_SECONDS, Breaker
from stockstream.sender.bucket import FORGET_SECONDS, MIN_BYTES_PER_SECOND, ShardBucket
from stockstream.sender.limits import SHARD_BYTES_PER_SECOND
from stockstream.sender.silence import Silence


def test_the_breaker_opens_after_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(Random(1))
    for _ in range(FAILURES_TO_OPEN - 1):
        assert not breaker.on_failure(0.0)
    breaker.on_success()
    for _ in range(FAILURES_TO_OPEN - 1):
        assert not breaker.on_failure(0.0)
    assert breaker.allows(0.0)
    assert breaker.on_failure(0.0)
    assert not breaker.allows(0.0)


def test_an_outage_of_any_length_costs_less_than_a_call_a_second() -> None:
    breaker = Breaker(Random(2))
    calls, now = 0, 0.0
    while now < 170:
        if breaker.allows(now):
            breaker.on_start()
            calls += 1
            breaker.on_failure(now)
        now += 0.01
    assert calls / 170 < 1


def test_only_one_probe_is_in_flight() -> None:
    breaker = Breaker(Random(3))
    for _ in range(FAILURES_TO_OPEN):
        breaker.on_failure(0.0)
    assert breaker.allows(100.0)
    breaker.on_start()
    assert not breaker.allows(200.0)
    assert breaker.on_success()
    assert breaker.allows(200.0)


def test_a_permanent_failure_opens_at_once_and_is_probed_slowly() -> None:
    breaker = Breaker(Random(4))
    assert breaker.on_failure(0.0, permanent=True)
    assert not breaker.allows(PERMANENT_PROBE_SECONDS - 0.1)
    assert breaker.allows(PERMANENT_PROBE_SECONDS)


def test_a_bucket_that_was_never_throttled_has_no_limit() -> None:
    bucket = ShardBucket(0.0)
    assert bucket.bytes_per_second is None
    assert bucket.delay_seconds(10**9, 0.0) == 0.0


def _overload(bucket: ShardBucket, now: float) -> None:
    """Refuse so many records in a row that there is no doubt."""
    for _ in range(100):
        bucket.on_throttled(now)


def test_an_overloaded_shard_gets_a_little_less_than_it_was_seen_to_take() -> None:
    bucket = ShardBucket(0.0)
    for step in range(1, 201):
        bucket.on_delivered(10_000, step * 0.01)
    _overload(bucket, 2.0)
    assert bucket.bytes_per_second == pytest.approx(bucket_module.DECREASE * 1_000_000, rel=0.05)


@pytest.mark.parametrize("refused_of_a_hundred", [1, 5])
def test_the_odd_refusal_slows_nothing_down(refused_of_a_hundred: int) -> None:
    bucket = ShardBucket(0.0)
    rng = Random(6)
    delayed = 0
    for step in range(5000):
        now = step * 0.01
        delayed += bucket.delay_seconds(25_000, now) > 0
        if rng.randrange(100) < refused_of_a_hundred:
            bucket.on_throttled(now)
        else:
            bucket.on_delivered(25_000, now)
    assert delayed < 50


def test_a_sender_that_asks_for_twice_what_a_shard_gives_settles_near_it() -> None:
    bucket = ShardBucket(0.0)
    capacity, tokens, now, taken, refused = 1_000_000.0, 0.0, 0.0, 0, 0
    for _ in range(40 * 100):
        now += 0.01
        tokens = min(capacity, tokens + capacity * 0.01)
        for _ in range(2):  # two records of 10,000 bytes each 10 ms: twice the capacity
            if bucket.delay_seconds(10_000, now) > 0:
                continue
            if tokens >= 10_000:
                tokens -= 10_000
                taken += 10_000
                bucket.on_delivered(10_000, now)
            else:
                refused += 1
                bucket.on_throttled(now)
    assert taken >= 0.9 * capacity * now
    assert refused * 10_000 <= 0.3 * taken


def test_a_large_record_gets_its_turn_beside_small_ones() -> None:
    bucket = ShardBucket(0.0)
    for step in range(1, 101):
        bucket.on_delivered(10_000, step * 0.01)
    _overload(bucket, 1.0)
    now, large = 1.0, 0
    while now < 5.0:
        now += 0.01
        large += bucket.delay_seconds(200_000, now) == 0.0
        while bucket.delay_seconds(25_000, now) == 0.0:
            pass
    assert large > 4


def test_the_limit_is_kept_and_then_grows_and_is_forgotten() -> None:
    bucket = ShardBucket(0.0)
    _overload(bucket, 0.0)
    assert bucket.bytes_per_second == MIN_BYTES_PER_SECOND
    now, sent = 0.0, 0
    while now < 2.0:
        delay = bucket.delay_seconds(25_000, now)
        if delay == 0.0:
            sent += 25_000
        else:
            now += delay
    growth = bucket_module.INCREASE_BYTES_PER_SECOND_SQUARED
    assert sent <= 2 * MIN_BYTES_PER_SECOND + growth * 2 * 2 / 2 + 2 * 25_000
    assert sent >= MIN_BYTES_PER_SECOND
    bucket.delay_seconds(1, FORGET_SECONDS + 0.1)
    assert bucket.bytes_per_second is None


def test_the_throttles_of_one_burst_count_once() -> None:
    bucket = ShardBucket(0.0)
    bucket.on_delivered(SHARD_BYTES_PER_SECOND, 5.0)
    _overload(bucket, 5.0)
    first = bucket.bytes_per_second
    assert first is not None
    for _ in range(50):
        bucket.on_throttled(5.1)
    assert bucket.bytes_per_second == first


def test_the_wait_is_uniform_below_a_ceiling_that_doubles() -> None:
    rng = Random(5)
    for attempts, ceiling in [(1, BASE_SECONDS), (2, 2 * BASE_SECONDS), (4, 8 * BASE_SECONDS), (1000, MAX_SECONDS)]:
        waits = [full_jitter_seconds(attempts, rng) for _ in range(2000)]
        assert 0 <= min(waits) < 0.02 * ceiling
        assert 0.98 * ceiling < max(waits) <= ceiling
        assert sum(waits) / len(waits) == pytest.approx(ceiling / 2, rel=0.05)


def test_silence_counts_from_when_something_waits_and_anew_from_whatever_is_stored() -> None:
    silence = Silence(20.0)
    assert silence.ends_at() is None
    assert not silence.is_over(1000.0)
    assert silence.ends_at() == 1020.0
    silence.broken(1019.0)
    assert not silence.is_over(1038.9)
    assert silence.is_over(1039.0)
    # What waits after a pause has not waited through the pause.
    silence.rest()
    assert silence.ends_at() is None
    assert not silence.is_over(5000.0)


def test_silence_opens_the_breaker_once_and_a_probe_that_stores_nothing_leaves_it_open() -> None:
    breaker = Breaker(Random(1))
    assert breaker.trip(100.0)
    assert not breaker.trip(101.0)
    probe_at = breaker.next_probe_at()
    assert probe_at is not None
    assert breaker.allows(probe_at)
    breaker.on_start()
    assert not breaker.on_failure(probe_at)
    assert breaker.state == "open"
