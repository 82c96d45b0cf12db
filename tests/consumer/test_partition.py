"""The log from outside: its first start, what stops a partition, how far time and conflicts carry."""

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import pytest

from stockstream_lambda.alerts.detect import detect
from stockstream_lambda.app import build_stores
from stockstream_lambda.aws.dynamodb import Write
from stockstream_lambda.aws.s3 import StoredObject
from stockstream_lambda.config import Config
from stockstream_lambda.errors import ConfigError, StoreUnavailableError
from stockstream_lambda.pipeline import NEWER_LASTS_SECONDS, Pipeline
from stockstream_lambda.stores import Stores
from stockstream_wire import encode_quote, format_epoch_ms, storage
from tests.consumer.conftest import World
from tests.consumer.kinesis_events import event, quote, quote_event
from tests.consumer.test_exactly_once import deliver, load_all
from tests.consumer.test_failures import failed_numbers
from tests.consumer.twin import CONFIG, FakeTime, Memory, TwinStores
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 11, 21, tzinfo=UTC)
OPEN_MS = 1_795_185_000_000
A, B = (storage.partition_of(symbol, CONFIG.partitions) for symbol in "AB")


def at(symbol: str, second: int, **fields: Any) -> dict[str, Any]:
    return quote_event([quote(symbol, format_epoch_ms(OPEN_MS + second * 1000), **fields)], start=second)


def started() -> Memory:
    memory = Memory()
    deliver(memory, quote_event([quote("A"), quote("B")]))
    return memory


def stop(memory: Memory, batch: dict[str, Any], time: FakeTime | None = None) -> Any:
    with closing(Pipeline(CONFIG, TwinStores(memory), (time or FakeTime()).clock())) as pipeline:
        return pipeline.process(batch, now=NOW)


def test_the_first_start_makes_a_checkpoint_for_each_partition_and_then_the_layout() -> None:
    memory = started()
    assert memory.objects[storage.LAYOUT_KEY].body == b'{"v":1,"partitions":4}'
    for partition in storage.partitions_of(4):
        assert storage.decode_checkpoint_head(memory.objects[storage.checkpoint_key(partition)].body).v == 1
    (roll, entry) = memory.entries()[A]
    assert roll[:2] == (1, "first")
    assert roll[2].metadata == {"x-amz-meta-v": "1", "x-amz-meta-next": "2026-11-20"}
    assert storage.unpack_lines(roll[2].body) == []
    assert entry[:2] == (2, "2026-11-20")


def test_another_number_of_partitions_than_the_logs_is_refused_with_the_remedy() -> None:
    memory = started()
    other = Config(partitions=8, parallel_calls=1)
    with closing(Pipeline(other, TwinStores(memory))) as pipeline, pytest.raises(ConfigError) as caught:
        pipeline.process(at("A", 1), now=NOW)
    assert "STOCKSTREAM_PARTITIONS=8" in str(caught.value)
    assert "set STOCKSTREAM_PARTITIONS=4" in str(caught.value)


def test_a_lost_checkpoint_stops_its_partition_loudly_and_no_other() -> None:
    memory = started()
    del memory.objects[storage.checkpoint_key(A)]
    outcome = stop(
        memory, quote_event([quote("A", "2026-11-20T15:00:00.000Z"), quote("B", "2026-11-20T15:00:00.000Z")])
    )
    assert outcome.response == {"batchItemFailures": []}
    assert outcome.tally.stopped_partitions == 1
    (content,) = memory.quarantined().values()
    assert (content["reason"], content["error_class"]) == ("partition_stopped", "PartitionStoppedError")
    assert content["detail"].startswith("checkpoint_lost: state/p4-")
    assert ("B", "2026-11-20T15:00:00.000Z") in memory.tables["quotes"]
    assert storage.checkpoint_key(A) not in memory.objects


def test_a_checkpoint_that_vanishes_under_a_warm_container_stops_its_partition_when_it_is_due() -> None:
    memory = started()
    with closing(Pipeline(CONFIG, TwinStores(memory), FakeTime().clock())) as pipeline:
        load_all(pipeline)
        del memory.objects[storage.checkpoint_key(A)]
        stopped = [pipeline.process(at("A", second), now=NOW).tally.stopped_partitions for second in range(1, 41)]
    assert 1 in stopped
    assert storage.checkpoint_key(A) not in memory.objects


def test_a_hole_in_the_log_stops_its_partition() -> None:
    memory = started()
    for second in (1, 2):
        deliver(memory, at("A", second))
    del memory.objects[storage.log_key(A, "2026-11-20", 3)]
    outcome = stop(memory, at("A", 3))
    assert outcome.response == {"batchItemFailures": []}
    (content,) = memory.quarantined().values()
    assert content["detail"].startswith("log_hole: raw/dt=2026-11-20/p4-")
    assert ("A", format_epoch_ms(OPEN_MS + 3000)) not in memory.tables["quotes"]


def put_entry(memory: Memory, body: bytes, version: str) -> None:
    memory.put_bytes(storage.log_key(A, "2026-11-20", 3), body, {"x-amz-meta-v": version})


@pytest.mark.parametrize(
    ("body", "version"),
    [(storage.pack_lines([b"{}"]), "2"), (storage.pack_lines([b'{"v":99}']), "1"), (b"no gzip", "1"), (b"", "")],
)
def test_what_a_later_version_wrote_hands_the_batch_back_and_stops_the_partition_where_it_lasts(
    body: bytes, version: str
) -> None:
    memory, time = started(), FakeTime()
    put_entry(memory, body, version)
    with closing(Pipeline(CONFIG, TwinStores(memory), time.clock())) as pipeline:
        assert failed_numbers(pipeline.process(at("A", 5), now=NOW).response) == [5]
        assert memory.quarantined() == {}
        time.sleep(NEWER_LASTS_SECONDS + 1)
        assert pipeline.process(at("A", 5), now=NOW).response == {"batchItemFailures": []}
    (content,) = memory.quarantined().values()
    assert content["detail"].startswith("log_newer: raw/dt=2026-11-20/p4-")
    assert [revision for revision, *_ in memory.entries()[A]] == [1, 2, 3]


def test_a_later_versions_checkpoint_is_neither_read_nor_overwritten() -> None:
    memory = started()
    key = storage.checkpoint_key(A)
    head = b"\x94\x02" + memory.objects[key].body[2:]
    memory.put_bytes(key, head)
    assert failed_numbers(stop(memory, at("A", 5)).response) == [5]
    assert memory.objects[key].body == head


def test_a_container_that_slept_over_rivals_entries_reads_them_and_goes_on() -> None:
    memory, time = started(), FakeTime()
    stores = TwinStores(memory)
    with closing(Pipeline(CONFIG, stores, time.clock())) as pipeline:
        load_all(pipeline)
        for second in (1, 2):
            deliver(memory, at("A", second))
        outcome = pipeline.process(at("A", 3), now=NOW)
        assert (outcome.tally.stored, outcome.tally.conflicts) == (1, 1)
        stores.calls.clear()
        deliver(memory, at("A", 4))
        # After a conflict it looks before it appends.
        assert pipeline.process(at("A", 5), now=NOW).tally.conflicts == 0
        assert stores.calls[0] == "get_object"
    assert [revision for revision, *_ in memory.entries()[A]] == [1, 2, 3, 4, 5, 6, 7]


def test_a_checkpoint_that_somebody_else_wrote_is_left_and_followed() -> None:
    memory, key = started(), storage.checkpoint_key(A)
    stores = TwinStores(memory)
    with closing(Pipeline(CONFIG, stores, FakeTime().clock())) as pipeline:
        load_all(pipeline)
        rivals = memory.put_bytes(key, memory.objects[key].body)
        for second in range(1, 34):
            pipeline.process(at("A", second), now=NOW)
    # The one that was due was refused; what stands there was as old as ever, so the next was due at once.
    assert stores.calls.count("put_if") == 2
    assert memory.objects[key].etag != rivals
    deliver(memory, at("A", 34))
    assert len(memory.archived()["A"]) == 35


def test_a_checkpoint_that_cannot_be_written_holds_nothing_up_and_is_written_later() -> None:
    memory, key, is_away = started(), storage.checkpoint_key(A), True

    def refuse(call: str) -> None:
        if call == "put_if" and is_away:
            raise StoreUnavailableError("PutObject: timed out")

    with closing(Pipeline(CONFIG, TwinStores(memory, refuse), FakeTime().clock())) as pipeline:
        load_all(pipeline)
        first = memory.objects[key].etag
        for second in range(1, 41):
            outcome = pipeline.process(at("A", second), now=NOW)
            assert (outcome.response, outcome.tally.stored) == ({"batchItemFailures": []}, 1)
        assert memory.objects[key].etag == first
        is_away = False
        pipeline.process(at("A", 41), now=NOW)
    assert memory.objects[key].etag != first


def test_an_entry_that_comes_between_two_reads_at_once_is_no_hole() -> None:
    memory = started()
    for second in (1, 2):
        deliver(memory, at("A", second))
    late = storage.log_key(A, "2026-11-20", 3)

    class Stores(TwinStores):
        def get_object(self, key: str) -> StoredObject | None:
            is_first = key == late and late not in self.asked
            self.asked.add(key)
            return None if is_first else super().get_object(key)

        asked: ClassVar[set[str]] = set()

    with closing(Pipeline(CONFIG, Stores(memory), FakeTime().clock())) as pipeline:
        outcome = pipeline.process(at("A", 3), now=NOW)
    assert (outcome.tally.stored, outcome.tally.stopped_partitions) == (1, 0)
    assert [revision for revision, *_ in memory.entries()[A]] == [1, 2, 3, 4, 5]


def test_knowledge_older_than_ten_minutes_is_read_anew() -> None:
    memory, time = started(), FakeTime()
    stores = TwinStores(memory)
    with closing(Pipeline(CONFIG, stores, time.clock())) as pipeline:
        load_all(pipeline)
        stores.calls.clear()
        pipeline.process(at("A", 1), now=NOW)
        assert "get_object" not in stores.calls
        time.sleep(601)
        pipeline.process(at("A", 2), now=NOW)
        assert "get_object" in stores.calls


def test_an_entry_holds_at_most_a_thousand_quotes() -> None:
    memory = Memory()
    deliver(memory, quote_event([quote("A", format_epoch_ms(OPEN_MS + n)) for n in range(2500)]))
    entries = [len(storage.unpack_lines(stored.body)) for _, _, stored in memory.entries()[A]]
    assert entries == [0, 1000, 1000, 500]


def test_a_quote_that_cannot_be_folded_is_stored_plain_and_its_symbol_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(memories: Any, signals: Any, rules: Any) -> Any:
        if signals.quote.timestamp.endswith("05.000Z"):
            raise RuntimeError("a fault of ours")
        return detect(memories, signals, rules)

    monkeypatch.setattr("stockstream_lambda.analysis.fold.detect", failing)
    memory = started()
    deliver(memory, quote_event([quote("A", format_epoch_ms(OPEN_MS + second * 1000)) for second in range(1, 9)]))
    items = memory.tables["quotes"]
    plain = items["A", format_epoch_ms(OPEN_MS + 5000)]
    assert plain["fold_failed"] == {"BOOL": True}
    assert (plain["price"], plain["anomaly"]) == ({"N": "100"}, {"S": "No"})
    after = items["A", format_epoch_ms(OPEN_MS + 8000)]
    assert "fold_failed" not in after
    assert after["candle_1m"]["L"][-1] == {"N": "3"}


class Throttled(TwinStores):
    """A table that takes some items a second of simulated time, and a call takes a twentieth of one."""

    def __init__(self, memory: Memory, time: FakeTime, partition: storage.Partition) -> None:
        super().__init__(memory, before=lambda _: time.sleep(0.05))
        self._time = time
        self._partition = partition
        self._from = time.seconds
        self._taken = 0
        self.items_a_second: float | None = None

    def unprocessed(self, writes: Sequence[Write]) -> list[Write]:
        if self.items_a_second is None:
            return []
        left = []
        for write in writes:
            symbol = write.key[0].partition("#")[0]
            if storage.partition_of(symbol, CONFIG.partitions) != self._partition:
                continue
            if self._taken < (self._time.seconds - self._from) * self.items_a_second:
                self._taken += 1
            else:
                left.append(write)
        return left


def test_an_hour_of_a_throttled_table_is_no_livelock_and_doubles_nothing_and_other_partitions_flow() -> None:
    memory, time = Memory(), FakeTime()
    stores = Throttled(memory, time, A)
    stores.items_a_second = 1.0  # of the ten a second that come
    sent: list[list[bytes]] = []
    with closing(Pipeline(CONFIG, stores, time.clock())) as pipeline:
        behind: list[tuple[int, list[bytes]]] = []
        stored_of_b, longest, start, until = [], 0.0, time.seconds, time.seconds + 3600
        while time.seconds < until or behind:
            if time.seconds >= until:
                stores.items_a_second = None
            else:
                second = len(sent)
                moments = [format_epoch_ms(OPEN_MS + second * 60_000 + n * 1000) for n in range(40)]
                # One of B, then forty of A: what fails of A does not hand B back.
                batch = [encode_quote(quote("B", moments[0])), *[encode_quote(quote("A", one)) for one in moments]]
                behind.append((second * 100, batch))
                sent.append(batch)
            begin, records = behind.pop(0)
            began = time.seconds
            remaining = lambda began=began: int((60 - (time.seconds - began)) * 1000)  # noqa: E731
            answer = pipeline.process(event(records, start=begin), now=NOW, remaining_ms=remaining).response
            longest = max(longest, time.seconds - began)
            stored_of_b.append(sum(symbol == "B" for symbol, _ in memory.tables["quotes"]))
            if failed := failed_numbers(answer):
                behind.insert(0, (failed[0], records[failed[0] - begin :]))
    assert time.seconds - start >= 3600
    assert longest < 60
    assert stored_of_b[-1] == len(sent)
    assert set(memory.tables["quotes"]) == {
        (q["symbol"], q["timestamp"]) for batch in sent for q in map(json.loads, batch)
    }
    lines = [line for of_symbol in memory.archived().values() for line in of_symbol]
    assert len(lines) == len(set(lines)) == len(memory.tables["quotes"])
    assert memory.rewritten == []


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run so many threads that begin at the same moment; what each came to."""
    gate, results = threading.Barrier(count), list[Any]([None] * count)

    def run(number: int) -> None:
        gate.wait(PATIENCE_SECONDS)
        results[number] = act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return results


def put_number(stores: Stores, key: str, number: int) -> bool:
    return stores.put_new(key, b"%d" % number, "text/plain", {})


def replace_by_number(stores: Stores, etag: str, number: int) -> str | None:
    # Other bytes in every race: an ETag is of the content, and the same content has the same.
    return stores.put_if("state/p4-00", etag, b"%b by %d" % (etag.encode(), number), "text/plain")


@pytest.mark.emulator
def test_of_sixteen_writers_who_append_the_same_revision_one_wins(world: World) -> None:
    stores = build_stores(world.config, world.environ)
    with closing(stores):
        for race in range(10):
            key = storage.log_key(A, "2026-11-20", race + 1)
            won = together(16, partial(put_number, stores, key))
            assert won.count(True) == 1
            found = stores.get_object(key)
            assert found is not None
            assert found.body == b"%d" % won.index(True)


@pytest.mark.emulator
def test_of_sixteen_writers_who_replace_one_checkpoint_one_wins(world: World) -> None:
    stores = build_stores(world.config, world.environ)
    with closing(stores):
        stores.put_new("state/p4-00", b"", "text/plain", {})
        for _ in range(10):
            found = stores.get_object("state/p4-00")
            assert found is not None
            etags = together(16, partial(replace_by_number, stores, found.etag))
            assert sum(etag is not None for etag in etags) == 1


@pytest.mark.emulator
def test_sixteen_consumers_of_one_partition_store_every_quote_once(world: World) -> None:
    pipelines = [world.pipeline() for _ in range(16)]

    def consume(number: int) -> Any:
        batch = quote_event([quote(f"S{number}", format_epoch_ms(OPEN_MS + n * 1000)) for n in range(5)])
        return [pipelines[number].process(batch, now=NOW).response for _ in range(2)]

    assert together(16, consume) == [[{"batchItemFailures": []}] * 2] * 16
    assert len(world.items(world.config.quotes_table)) == 80
    lines = [line for body in world.objects("raw/").values() for line in storage.unpack_lines(body)]
    assert len(lines) == len(set(lines)) == 80
