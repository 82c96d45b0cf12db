"""The pure core: what is invoked when, what is retried, split, discarded and checkpointed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.eventsource.config import PAYLOAD_MAX_BYTES, EventSourceConfig
from stockstream.eventsource.lane import Action, Discard, DiscardCondition, Invoke
from stockstream.eventsource.records import event_payload
from stockstream.eventsource.response import Outcome
from stockstream.eventsource.shard import ShardState
from tests.eventsource.scripted import AWAY, ERROR, OK, failed_at, record, records


def shard(**parameters: object) -> ShardState:
    config = EventSourceConfig(stream_name="stockstream", function_name="consumer", **parameters)  # type: ignore[arg-type]
    return ShardState(config, random=lambda: 1.0)


def only(actions: list[Action]) -> Action:
    assert len(actions) == 1
    return actions[0]


def numbers(action: Action) -> list[int]:
    return [int(item.sequence_number) for item in action.batch.records]


def drive(state: ShardState, outcomes: list[Outcome], *, now: float = 0.0, epoch: float = 1000.0) -> list[Action]:
    """Run a one-lane shard until nothing is due, each invocation ending as scripted (then successes)."""
    script = iter(outcomes)
    seen: list[Action] = []
    while True:
        actions = state.due(now, epoch)
        if not actions:
            wake_at = state.wake_at_seconds()
            if wake_at is None:
                return seen
            now = max(now, wake_at)
            continue
        for action in actions:
            seen.append(action)
            if isinstance(action, Invoke):
                state.finish(action.lane, next(script, OK), now)
            else:
                state.discarded(action.lane)


def test_a_batch_holds_at_most_batch_size_records_in_order() -> None:
    state = shard(batch_size=3)
    state.offer(records(range(1, 8)), 0)
    assert [numbers(action) for action in drive(state, [])] == [[1, 2, 3], [4, 5, 6], [7]]
    assert state.checkpoint == "7"
    assert state.is_idle


def test_a_shard_has_one_batch_in_flight() -> None:
    state = shard(batch_size=2)
    state.offer(records(range(1, 6)), 0)
    first = only(state.due(0, 1000))
    assert state.due(0, 1000) == []
    state.finish(first.lane, OK, 0)
    assert numbers(only(state.due(0, 1000))) == [3, 4]


def test_the_batching_window_gathers_until_it_is_over() -> None:
    state = shard(batch_size=10, maximum_batching_window_seconds=5)
    state.offer(records([1]), 0)
    state.offer(records([2]), 4)
    assert state.due(4.9, 1000) == []
    assert state.wake_at_seconds() == 5
    assert numbers(only(state.due(5, 1000))) == [1, 2]


def test_a_full_batch_does_not_wait_for_the_window() -> None:
    state = shard(batch_size=2, maximum_batching_window_seconds=300)
    state.offer(records([1, 2, 3]), 0)
    assert numbers(only(state.due(0, 1000))) == [1, 2]


def test_the_window_of_the_rest_starts_when_the_batch_before_is_formed() -> None:
    state = shard(batch_size=2, maximum_batching_window_seconds=10)
    state.offer(records([1, 2, 3]), 0)
    first = only(state.due(0, 1000))
    state.finish(first.lane, OK, 3)
    assert state.due(9.9, 1000) == []
    assert numbers(only(state.due(10, 1000))) == [3]


def test_a_closed_shard_is_flushed_without_waiting_for_the_window() -> None:
    state = shard(batch_size=10, maximum_batching_window_seconds=300)
    state.offer(records([1]), 0)
    state.end()
    assert numbers(only(state.due(0, 1000))) == [1]


def test_a_payload_never_exceeds_six_megabytes_with_base64_and_envelope() -> None:
    state = shard(batch_size=10_000)
    state.offer([record(number, data=b"x" * 1_000_000) for number in range(1, 12)], 0)
    actions = drive(state, [])
    assert [number for action in actions for number in numbers(action)] == list(range(1, 12))
    sizes = [len(event_payload(action.batch.records)) for action in actions]
    assert max(sizes) <= PAYLOAD_MAX_BYTES
    assert max(sizes) + 4 * 1_000_000 / 3 > PAYLOAD_MAX_BYTES, "a batch that could hold one more record"


def test_a_record_too_large_for_any_invocation_goes_to_the_destination_alone() -> None:
    state = shard(batch_size=100)
    state.offer([record(1), record(2, data=b"x" * 5_000_000), record(3)], 0)
    actions = drive(state, [])
    assert [(type(action).__name__, numbers(action)) for action in actions] == [
        ("Invoke", [1]),
        ("Discard", [2]),
        ("Invoke", [3]),
    ]


def test_a_failed_batch_comes_again_whole_and_holds_the_shard() -> None:
    state = shard(batch_size=2)
    state.offer(records([1, 2, 3]), 0)
    assert [numbers(action) for action in drive(state, [ERROR, ERROR])] == [[1, 2], [1, 2], [1, 2], [3]]


def test_a_partial_failure_resolves_what_came_before_and_retries_from_the_first_failed() -> None:
    state = shard(batch_size=5)
    state.offer(records([1, 2, 3, 4, 5]), 0)
    action = only(state.due(0, 1000))
    state.finish(action.lane, failed_at(2), 0)
    assert state.checkpoint == "2"
    again = only(state.due(state.wake_at_seconds() or 0, 1000))
    assert numbers(again) == [3, 4, 5]


def test_retries_wait_longer_each_time_up_to_the_cap() -> None:
    state = shard(batch_size=1, retry_backoff_base_seconds=1, retry_backoff_cap_seconds=3)
    state.offer(records([1]), 0)
    pauses = []
    now = 0.0
    for _ in range(4):
        action = only(state.due(now, 1000))
        state.finish(action.lane, ERROR, now)
        wake_at = state.wake_at_seconds()
        assert wake_at is not None
        pauses.append(wake_at - now)
        assert state.due(wake_at - 0.001, 1000) == []
        now = wake_at
    assert pauses == [1, 2, 3, 3]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_batch_is_discarded_after_its_retries(retries: int) -> None:
    state = shard(batch_size=2, maximum_retry_attempts=retries)
    state.offer(records([1, 2, 3]), 0)
    actions = drive(state, [ERROR] * (retries + 1))
    tries = [action for action in actions if isinstance(action, Invoke) and numbers(action) == [1, 2]]
    assert len(tries) == retries + 1
    discard = actions[retries + 1]
    assert isinstance(discard, Discard)
    assert discard.condition is DiscardCondition.RETRY_ATTEMPTS_EXHAUSTED
    assert numbers(discard) == [1, 2]
    assert discard.batch.invocations == retries + 1
    assert numbers(actions[-1]) == [3]
    assert state.checkpoint == "3"


def test_without_a_retry_limit_a_batch_is_never_discarded() -> None:
    state = shard(batch_size=1, maximum_retry_attempts=-1)
    state.offer(records([1]), 0)
    actions = drive(state, [ERROR] * 500)
    assert all(isinstance(action, Invoke) for action in actions)
    assert len(actions) == 501


def test_a_partial_failure_at_one_record_spends_its_quota_and_no_more() -> None:
    state = shard(batch_size=4, maximum_retry_attempts=2)
    state.offer(records([1, 2, 3, 4]), 0)
    actions = drive(state, [failed_at(2), failed_at(0), failed_at(0)])
    assert [(type(action).__name__, numbers(action)) for action in actions] == [
        ("Invoke", [1, 2, 3, 4]),
        ("Invoke", [3, 4]),
        ("Invoke", [3, 4]),
        ("Discard", [3, 4]),
    ]


def test_progress_gives_the_next_record_a_quota_of_its_own() -> None:
    state = shard(batch_size=5, maximum_retry_attempts=1)
    state.offer(records([1, 2, 3, 4, 5]), 0)
    actions = drive(state, [failed_at(1), failed_at(1), failed_at(1), failed_at(1)])
    assert all(isinstance(action, Invoke) for action in actions)
    assert numbers(actions[-1]) == [5]


def test_bisect_isolates_the_bad_record_without_spending_the_retry_quota() -> None:
    state = shard(batch_size=8, bisect_batch_on_function_error=True, maximum_retry_attempts=0)
    state.offer(records(range(1, 9)), 0)
    delivered: list[int] = []
    discarded: list[int] = []
    while not state.is_idle:
        action = only(state.due(state.wake_at_seconds() or 0, 1000))
        if isinstance(action, Discard):
            discarded += numbers(action)
            state.discarded(action.lane)
        elif 6 in numbers(action):
            state.finish(action.lane, ERROR, 0)
        else:
            delivered += numbers(action)
            state.finish(action.lane, OK, 0)
    assert discarded == [6]
    assert delivered == [1, 2, 3, 4, 5, 7, 8]


def test_bisect_with_a_partial_failure_splits_where_the_function_said() -> None:
    state = shard(batch_size=8, bisect_batch_on_function_error=True, maximum_retry_attempts=0)
    state.offer(records(range(1, 9)), 0)
    actions = drive(state, [failed_at(3)])
    assert [numbers(action) for action in actions] == [[1, 2, 3, 4, 5, 6, 7, 8], [4, 5, 6, 7, 8]]


def test_records_past_the_maximum_age_are_discarded_before_they_are_invoked() -> None:
    state = shard(batch_size=10, maximum_record_age_seconds=60)
    state.offer([record(1, arrival=900), record(2, arrival=939.9), record(3, arrival=940), record(4, arrival=999)], 0)
    actions = drive(state, [], epoch=1000)
    assert isinstance(actions[0], Discard)
    assert actions[0].condition is DiscardCondition.RECORD_AGE_EXCEEDED
    assert actions[0].batch.invocations == 0
    assert [numbers(action) for action in actions] == [[1, 2], [3, 4]]


def test_a_failing_batch_is_discarded_once_it_is_too_old_even_with_retries_left() -> None:
    state = shard(batch_size=10, maximum_record_age_seconds=60)
    state.offer([record(1, arrival=1000)], 0)
    action = only(state.due(0, 1000))
    state.finish(action.lane, ERROR, 0)
    discard = only(state.due(100, 1061))
    assert isinstance(discard, Discard)
    assert discard.batch.last_failure is ERROR
    assert discard.batch.invocations == 1


def test_a_function_that_cannot_be_invoked_spends_no_retries() -> None:
    state = shard(batch_size=1, maximum_retry_attempts=0)
    state.offer(records([1]), 0)
    actions = drive(state, [AWAY] * 20)
    assert len(actions) == 21
    assert all(isinstance(action, Invoke) for action in actions)


def test_the_checkpoint_waits_for_the_slowest_lane() -> None:
    state = shard(batch_size=1, parallelization_factor=4)
    keys = ["AAPL", "MSFT", "NVDA", "AMZN", "GOOG", "META", "TSLA", "JPM"]
    state.offer([record(number, key) for number, key in enumerate(keys, 1)], 0)
    actions = state.due(0, 1000)
    assert len(actions) > 1
    first = next(action for action in actions if numbers(action) == [1])
    for action in actions:
        if action is not first:
            state.finish(action.lane, OK, 0)
    assert state.checkpoint is None
    state.finish(first.lane, OK, 0)
    assert state.checkpoint is not None


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(
    keys=st.lists(st.sampled_from(["AAPL", "MSFT", "NVDA", "AMZN", "GOOG", "META"]), min_size=1, max_size=60),
    batch_size=st.integers(1, 7),
    factor=st.integers(1, 10),
    bisect=st.booleans(),
    retries=st.integers(-1, 3),
    data=st.data(),
)
def test_whatever_fails_every_record_ends_once_and_in_order_per_key(
    *, keys: list[str], batch_size: int, factor: int, bisect: bool, retries: int, data: st.DataObject
) -> None:
    state = shard(
        batch_size=batch_size,
        parallelization_factor=factor,
        bisect_batch_on_function_error=bisect,
        maximum_retry_attempts=retries,
    )
    state.offer([record(number, key) for number, key in enumerate(keys, 1)], 0)
    ended: list[tuple[str, int]] = []
    now, budget = 0.0, 40
    waiting: list[Action] = []
    while not state.is_idle:
        waiting += state.due(now, 1000)
        if not waiting:
            wake_at = state.wake_at_seconds()
            assert wake_at is not None, "records are left and nothing will ever be due"
            now = max(now, wake_at)
            continue
        action = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        batch = action.batch.records
        done = len(batch)
        if isinstance(action, Discard):
            state.discarded(action.lane)
        else:
            outcome: Outcome = OK
            if budget and data.draw(st.booleans()):
                budget -= 1
                index = data.draw(st.integers(0, len(batch) - 1))
                choices: list[Outcome] = [ERROR, AWAY, failed_at(index)]
                outcome = data.draw(st.sampled_from(choices))
                done = index if outcome not in (ERROR, AWAY) else 0
            state.finish(action.lane, outcome, now)
        ended += [(item.partition_key, int(item.sequence_number)) for item in batch[:done]]
    assert sorted(number for _, number in ended) == list(range(1, len(keys) + 1))
    for key in set(keys):
        own = [number for ended_key, number in ended if ended_key == key]
        assert own == sorted(own)
    assert state.checkpoint == str(len(keys))
