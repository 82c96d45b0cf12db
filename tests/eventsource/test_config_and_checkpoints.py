"""Parameters as AWS names and limits them; checkpoints on disk; what a shard's start is; closed shards."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stockstream.clock import Clock
from stockstream.eventsource import EventSourceConfig, EventSourceConfigError, EventSourceError, FileCheckpointStore
from stockstream.eventsource.checkpoints import Checkpoints, MemoryCheckpointStore, ShardCheckpoint, StreamIdentity
from stockstream.eventsource.config import StartingPosition
from stockstream.eventsource.positions import Positions
from stockstream.eventsource.reader import IteratorStart
from stockstream.eventsource.shard_tree import Shard, readable_shards

STREAM = StreamIdentity("arn:aws:kinesis:us-east-1:000000000000:stream/stockstream", "2026-11-22T12:00:00+00:00")
CHECKPOINTS = Checkpoints(
    stream=STREAM,
    started_at_epoch_seconds=1000.0,
    shards={"shardId-0": ShardCheckpoint("41", is_finished=True), "shardId-1": ShardCheckpoint("42")},
)


def config(**changes: Any) -> EventSourceConfig:
    return EventSourceConfig(**({"stream_name": "stockstream", "function_name": "consumer"} | changes))


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("batch_size", [0, 10_001], [1, 10_000]),
        ("maximum_batching_window_seconds", [-1, 301], [0, 300]),
        ("parallelization_factor", [0, 11], [1, 10]),
        ("maximum_retry_attempts", [-2, 10_001], [-1, 0, 10_000]),
        ("maximum_record_age_seconds", [-2, 0, 59, 604_801], [-1, 60, 604_800]),
        ("poll_interval_seconds", [0.1], [0.2]),
    ],
)
def test_a_parameter_out_of_awss_range_is_named_with_its_value(name: str, bad: list[float], good: list[float]) -> None:
    for value in bad:
        with pytest.raises(EventSourceConfigError, match=f"{name}={value} is out of range"):
            config(**{name: value})
    for value in good:
        assert getattr(config(**{name: value} | ({"idle_poll_interval_seconds": 60})), name) == value


def test_create_event_source_mappings_arguments_are_understood() -> None:
    parameters = {
        "FunctionName": "stockstream-consumer",
        "EventSourceArn": STREAM.stream_arn,
        "StartingPosition": "LATEST",
        "BatchSize": 500,
        "MaximumBatchingWindowInSeconds": 1,
        "ParallelizationFactor": 2,
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 10,
        "MaximumRecordAgeInSeconds": 86_400,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    assert EventSourceConfig.from_api("stockstream", parameters) == EventSourceConfig(
        stream_name="stockstream",
        function_name="stockstream-consumer",
        starting_position=StartingPosition.LATEST,
        batch_size=500,
        maximum_batching_window_seconds=1,
        parallelization_factor=2,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=10,
        maximum_record_age_seconds=86_400,
        report_batch_item_failures=True,
    )


def test_awss_defaults_hold_where_a_parameter_is_left_out() -> None:
    parsed = EventSourceConfig.from_api("stockstream", {"FunctionName": "f", "StartingPosition": "TRIM_HORIZON"})
    assert not parsed.report_batch_item_failures
    assert (parsed.batch_size, parsed.parallelization_factor, parsed.maximum_retry_attempts) == (100, 1, -1)


@pytest.mark.parametrize(
    "parameter",
    [
        {"FilterCriteria": {"Filters": []}},
        {"TumblingWindowInSeconds": 30},
        {"Queues": ["q"]},
        {"StartingPosition": "x"},
    ],
)
def test_what_is_not_supported_is_refused_by_name(parameter: dict[str, Any]) -> None:
    with pytest.raises(EventSourceConfigError, match=next(iter(parameter))):
        EventSourceConfig.from_api("stockstream", {"FunctionName": "f"} | parameter)


def test_at_timestamp_and_its_timestamp_go_together() -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    config(starting_position=StartingPosition.AT_TIMESTAMP, starting_position_timestamp=moment)
    for changes in (
        {"starting_position": StartingPosition.AT_TIMESTAMP},
        {"starting_position_timestamp": moment},
        {
            "starting_position": StartingPosition.AT_TIMESTAMP,
            "starting_position_timestamp": datetime(2026, 11, 22),  # noqa: DTZ001 - what is refused
        },
    ):
        with pytest.raises(EventSourceConfigError, match="starting_position_timestamp"):
            config(**changes)


def test_checkpoints_come_back_from_the_file_as_they_were(tmp_path: Path) -> None:
    store = FileCheckpointStore(tmp_path / "state", "consumer")
    assert store.load() is None
    store.save(CHECKPOINTS)
    assert FileCheckpointStore(tmp_path / "state", "consumer").load() == CHECKPOINTS


def test_a_corrupt_file_is_set_aside_and_reading_starts_over(tmp_path: Path) -> None:
    store = FileCheckpointStore(tmp_path, "consumer")
    store.path.write_text('{"stream": ')
    assert store.load() is None
    assert [path.name for path in tmp_path.iterdir()] == ["consumer.checkpoints.corrupt"]


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store = FileCheckpointStore(tmp_path, "consumer")
    store.save(Checkpoints(stream=STREAM, started_at_epoch_seconds=0, version=2))
    with pytest.raises(EventSourceError, match="version 2"):
        store.load()


def positions(store: MemoryCheckpointStore, stream: StreamIdentity = STREAM, **changes: Any) -> Positions:
    clock = Clock(now=lambda: datetime.fromtimestamp(2000, UTC))
    return Positions(config(**changes), store, clock, stream)


def test_a_shard_starts_behind_its_checkpoint_and_a_finished_one_is_known() -> None:
    store = MemoryCheckpointStore()
    store.save(CHECKPOINTS)
    kept = positions(store)
    assert kept.start_of("shardId-1") == IteratorStart("AFTER_SEQUENCE_NUMBER", "42")
    assert kept.start_of("shardId-2") == IteratorStart("TRIM_HORIZON")
    assert kept.finished_shards() == {"shardId-0"}


def test_latest_holds_for_the_shards_of_the_first_look_only() -> None:
    first = positions(MemoryCheckpointStore(), starting_position=StartingPosition.LATEST)
    first.note_listed(["shardId-0"])
    first.note_listed(["shardId-0", "shardId-1"])
    assert first.start_of("shardId-0") == IteratorStart("LATEST")
    assert first.start_of("shardId-1") == IteratorStart("TRIM_HORIZON")


def test_a_stream_made_anew_keeps_no_checkpoint_and_skips_nothing() -> None:
    store = MemoryCheckpointStore()
    store.save(CHECKPOINTS)
    other = StreamIdentity(STREAM.stream_arn, "2026-11-22T13:00:00+00:00")
    anew = positions(store, other, starting_position=StartingPosition.LATEST)
    assert anew.start_of("shardId-1") == IteratorStart("TRIM_HORIZON")
    assert anew.finished_shards() == set()
    anew.save()
    assert positions(store, other, starting_position=StartingPosition.LATEST).start_of("shardId-1") == IteratorStart(
        "TRIM_HORIZON"
    )


def test_a_shard_past_its_retention_is_forgotten() -> None:
    store = MemoryCheckpointStore()
    store.save(CHECKPOINTS)
    kept = positions(store)
    kept.note_listed(["shardId-1", "shardId-2"])
    kept.record({"shardId-1": "50", "shardId-2": None}, {"shardId-1"})
    kept.save()
    saved = store.load()
    assert saved is not None
    assert saved.shards == {"shardId-1": ShardCheckpoint("50", is_finished=True)}


def test_children_wait_for_both_parents_of_a_merge_and_for_none_that_is_gone() -> None:
    tree = [
        Shard("shardId-2"),
        Shard("shardId-3"),
        Shard("shardId-4", ("shardId-2", "shardId-3")),
        Shard("shardId-5", ("shardId-0",)),
    ]
    assert readable_shards(tree, set()) == ["shardId-2", "shardId-3", "shardId-5"]
    assert readable_shards(tree, {"shardId-2"}) == ["shardId-3", "shardId-5"]
    assert readable_shards(tree, {"shardId-2", "shardId-3"}) == ["shardId-4", "shardId-5"]
