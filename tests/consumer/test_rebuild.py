"""The log folded again: tidied days, late quotes, closes by the clock; holes and dropped items."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from stockstream_lambda.clock import Deadline
from stockstream_lambda.config import Config
from stockstream_lambda.errors import PartitionStoppedError
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.rebuild import Progress, Rebuild, Wanted
from stockstream_lambda.tidy.run import run_tidy
from stockstream_wire import Quote
from stockstream_wire.storage import parse_log_key, parse_tidied_key
from tests.consumer.kinesis_events import quote_event
from tests.consumer.twin import FakeTime, Memory, TwinStores

SYMBOLS = ("AAPL", "MSFT", "^VIX", "BRK-B")
TOPIC = "arn:aws:sns:us-east-1:123456789012:stockstream-alerts"


def quote(symbol: str, day: int, minute: int, step: int) -> Quote:
    price = Decimal(100 + (7 * step + len(symbol)) % 23)
    return Quote(
        symbol=symbol, timestamp=f"2026-11-{day:02d}T14:{minute:02d}:00.000Z", open=Decimal(100), high=Decimal(130),
        low=Decimal(95), price=price, previous_close=Decimal(99), volume=1000 * step,
    )  # fmt: skip


class World:
    """Some days of a consumer, with the tidy at night."""

    def __init__(self, retention_days: int = 0) -> None:
        self.memory, self.time = Memory(), FakeTime()
        self.config = Config(alerts_topic_arn=TOPIC, retention_days=retention_days)
        self.pipeline = self.process()
        self.sent = 0

    def process(self) -> Pipeline:
        return Pipeline(self.config, TwinStores(self.memory), self.time.clock())

    def day(self, day: int, symbols: tuple[str, ...] = SYMBOLS, *, late: bool = False) -> None:
        for step, minute in enumerate(range(30, 50, 3), 1):
            self.time.seconds = datetime(2026, 11, day, 14, minute, 5, tzinfo=UTC).timestamp()
            quotes = [quote(symbol, day, minute, step) for symbol in symbols]
            if late:
                quotes.append(quote(symbols[0], day - 1, minute + 1, step))
            self.pipeline.process(quote_event(quotes, start=self.sent))
            self.sent += len(quotes)

    def night(self, day: int) -> dict[str, Any]:
        self.time.seconds = datetime(2026, 11, day, 2, 30, tzinfo=UTC).timestamp()
        answer = run_tidy(self.pipeline, {}, Deadline())
        assert answer["failed"] == {}
        return answer

    def rebuild(self, **wanted: Any) -> Progress:
        pipeline = self.process()
        turn = pipeline.turn(datetime.fromtimestamp(self.time.seconds, UTC), Deadline())
        rebuild = Rebuild(pipeline.tools, turn, self.config.partitions, self.config.retention_days, Wanted(**wanted))
        for _ in rebuild.steps():
            pass
        pipeline.close()
        return rebuild.progress


def tidied_world() -> World:
    world = World()
    world.day(16)
    for day in range(17, 23):
        world.night(day)
        # One symbol is gone after two days: the clock alone closes its last windows.
        world.day(day, SYMBOLS if day < 18 else SYMBOLS[:3], late=day == 19)
    world.night(23)
    return world


def test_tables_of_tidied_days_and_the_rest_of_the_log_are_made_again_byte_for_byte() -> None:
    world = tidied_world()
    keys = world.memory.objects
    assert any(parse_tidied_key(key) for key in keys)
    assert any(parse_log_key(key) for key in keys)
    before = world.memory.tables
    assert before["alerts"]
    world.memory.tables = {name: {} for name in before}
    progress = world.rebuild()
    assert world.memory.tables == before
    assert (progress.quotes, progress.candles, progress.alerts) == tuple(len(items) for items in before.values())
    assert (progress.done, progress.is_finished) == (progress.total, True)
    # What goes on goes on from the same states.
    twin = tidied_world()
    for one in (world, twin):
        one.pipeline = one.process()
        one.day(24)
    assert world.memory.tables == twin.memory.tables


def test_damaged_items_are_mended_and_a_dry_run_and_checkpoints_alone_touch_no_table() -> None:
    world = tidied_world()
    before = {name: dict(items) for name, items in world.memory.tables.items()}
    key = next(iter(before["quotes"]))
    world.memory.tables["quotes"][key] = {**before["quotes"][key], "price": {"N": "1"}}
    damaged = world.memory.tables["quotes"][key]
    checkpoints = {name: stored.body for name, stored in world.memory.objects.items() if name.startswith("state/p")}
    for name in checkpoints:
        del world.memory.objects[name]
    assert world.rebuild(dry_run=True).checkpoints == 4
    assert not checkpoints.keys() & world.memory.objects.keys()
    assert world.rebuild(only_checkpoints=True).quotes == 0
    assert checkpoints.keys() <= world.memory.objects.keys()
    assert world.memory.tables["quotes"][key] == damaged
    world.rebuild()
    assert world.memory.tables == before


def test_earlier_days_and_what_ttl_would_have_dropped_are_left_out() -> None:
    world = World(retention_days=2)
    for day in (17, 18, 19, 20):
        world.day(day)
    world.memory.tables = {name: {} for name in world.memory.tables}
    world.rebuild()
    assert {key[1][:10] for key in world.memory.tables["quotes"]} == {"2026-11-19", "2026-11-20"}
    world.memory.tables = {name: {} for name in world.memory.tables}
    world.rebuild(first_day="2026-11-20")
    assert {key[1][:10] for key in world.memory.tables["quotes"]} == {"2026-11-20"}


def test_a_log_with_a_hole_is_refused() -> None:
    world = World()
    world.day(17)
    key = sorted(key for key in world.memory.objects if parse_log_key(key))[1]
    del world.memory.objects[key]
    with pytest.raises(PartitionStoppedError, match="missing"):
        world.rebuild()
