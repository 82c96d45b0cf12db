"""Alerts are created once and sent by their creator; what nobody sent, the sweep sends."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from stockstream_lambda.errors import StoreUnavailableError
from stockstream_lambda.handler import handler
from stockstream_lambda.pipeline import SWEEP_EVERY_SECONDS, Pipeline
from stockstream_wire import storage
from tests.consumer.kinesis_events import quote, quote_event
from tests.consumer.twin import CONFIG, FakeTime, Memory, TwinStores

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BATCH = quote_event([quote("A", price="107", open="100", high="110", low="90")])


class Failing:
    """Raises at calls of these names, before or after they are done."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)

    def __call__(self, name: str) -> None:
        if name in self.names:
            raise StoreUnavailableError(name)


def process(memory: Memory, time: FakeTime, **hooks: Any) -> Any:
    with closing(Pipeline(CONFIG, TwinStores(memory, **hooks), time.clock())) as pipeline:
        return pipeline.process(BATCH, now=NOW)


def sweep(memory: Memory, time: FakeTime) -> Any:
    with closing(Pipeline(CONFIG, TwinStores(memory), time.clock())) as pipeline:
        return pipeline.sweep()


def waiting(memory: Memory) -> int:
    return sum(storage.UNSENT in item for item in memory.tables["alerts"].values())


def test_an_alert_is_created_sent_and_taken_from_the_index() -> None:
    memory = Memory()
    tally = process(memory, FakeTime()).tally
    assert len(memory.published()) == len(memory.tables["alerts"]) == tally.alerts_published == 1
    assert waiting(memory) == 0


def test_an_alert_that_is_there_is_not_sent_again() -> None:
    memory, time = Memory(), FakeTime()
    process(memory, time, before=Failing("publish"))
    memory.tables["quotes"].clear()  # as if the writer had died after the alert
    process(memory, time)
    assert memory.published() == []
    assert waiting(memory) == 1


def test_the_sweep_waits_two_minutes_and_then_sends_once() -> None:
    memory, time = Memory(), FakeTime()
    process(memory, time, before=Failing("publish"))
    time.sleep(119)
    assert sweep(memory, time).alerts_unsent == 0
    time.sleep(2)
    tally = sweep(memory, time)
    assert (tally.alerts_unsent, tally.alerts_published) == (1, 1)
    assert len(memory.published()) == 1
    assert waiting(memory) == 0
    time.sleep(300)
    assert sweep(memory, time).alerts_unsent == 0


def test_of_two_sweeps_that_find_an_alert_one_sends_it() -> None:
    memory, time = Memory(), FakeTime()
    process(memory, time, before=Failing("publish"))
    time.sleep(200)

    def rival(name: str) -> None:
        if name == "query":
            time.sleep(1)
            sweep(memory, time)

    with closing(Pipeline(CONFIG, TwinStores(memory, after=rival), time.clock())) as pipeline:
        pipeline.sweep()
    assert len(memory.published()) == 1


def test_a_creator_that_comes_to_sending_after_a_minute_leaves_it_to_the_sweep() -> None:
    memory, time = Memory(), FakeTime()
    process(memory, time, after=lambda name: time.sleep(61) if name == "create_item" else None)
    assert memory.published() == []
    assert waiting(memory) == 1
    time.sleep(120)
    sweep(memory, time)
    assert len(memory.published()) == 1


def test_an_answer_of_sns_that_is_lost_sends_again_under_the_same_id() -> None:
    memory, time = Memory(), FakeTime()
    process(memory, time, after=Failing("publish"))
    time.sleep(200)
    sweep(memory, time)
    assert len(memory.published()) == 2
    assert len(set(memory.published())) == 1


def test_a_mark_never_makes_an_item_of_an_alert_that_has_expired() -> None:
    memory, time = Memory(), FakeTime()
    process(memory, time, after=lambda name: memory.tables["alerts"].clear() if name == "publish" else None)
    assert memory.tables["alerts"] == {}


def test_a_container_sweeps_once_a_minute() -> None:
    memory, time = Memory(), FakeTime()
    stores = TwinStores(memory)
    with closing(Pipeline(CONFIG, stores, time.clock())) as pipeline:
        for _ in range(5):
            pipeline.process({"Records": []})
        assert "query" not in stores.calls
        time.sleep(SWEEP_EVERY_SECONDS)
        for _ in range(5):
            pipeline.process({"Records": []})
    assert stores.calls.count("query") == 1


def test_without_a_topic_alerts_are_recorded_and_wait_for_nobody() -> None:
    memory = Memory()
    from dataclasses import replace

    with closing(Pipeline(replace(CONFIG, alerts_topic_arn=None), TwinStores(memory))) as pipeline:
        pipeline.process(BATCH, now=NOW)
    assert len(memory.tables["alerts"]) == 1
    assert waiting(memory) == 0
    assert memory.published() == []


def test_the_handler_is_what_the_schedule_calls() -> None:
    assert handler.__module__ == "stockstream_lambda.handler"
