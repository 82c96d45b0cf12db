"""Random schedules of the real consumer over in-memory stores, one call at a time.

Every invocation runs in a greenlet that gives way at each call to a store. The scheduler decides who goes on, who dies
with its request lost, done or done later, whose answer is lost, whom Lambda gives up although it lives; it retries,
bisects, gives up and redrives as Lambda does. Two lanes may feed one partition, a symbol may come by two lanes, shards
split, folders roll, windows are closed by time, the tidy deletes, a checkpoint vanishes, and some processes are of a
version that cannot read what the others write. At the end everything must be as if it had come once, in order.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from greenlet import greenlet

from stockstream_lambda import partition as partition_module
from stockstream_lambda.alerts.rules import parse_rules
from stockstream_lambda.analysis.fold import Effects, Fold
from stockstream_lambda.analysis.state import States
from stockstream_lambda.aws.s3 import StoredObject
from stockstream_lambda.checkpoint import encode_checkpoint, read_checkpoint
from stockstream_lambda.clock import Clock, Deadline
from stockstream_lambda.config import Config
from stockstream_lambda.errors import ConsumerError, StoreUnavailableError
from stockstream_lambda.log import Accepted, Roll, read_entry
from stockstream_lambda.partition import Share
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.tidy.folders import Folders
from stockstream_lambda.tidy.run import close_over
from stockstream_wire import Quote, decode_quote, encode_quote, format_epoch_ms, storage
from tests.consumer.kinesis_events import FIRST_SEQUENCE, event, quote
from tests.consumer.twin import Crash, FakeTime, Memory, TwinStores

_OPEN_MS: Final = 1_795_185_000_000
_DAY_MS: Final = 86_400_000
_RULES: Final = {
    "defaults": {
        "move": {"threshold_percent": 5, "hysteresis": 1, "cooldown_seconds": 0},
        "gap": {"enabled": False},
        "spike": {"enabled": False},
        "volume": {"enabled": False},
        "level": {"levels": [{"price": 102, "when": "above"}, {"price": 101, "when": "below", "repeat": "each"}]},
    }
}
_NEWER: Final = str(storage.FORMAT + 1)
# What a newer version puts before its objects, and an older one cannot read.
_SECRET: Final = b"\x00newer\x00"
_MAX_STEPS: Final = 6_000


class ViolationError(AssertionError):
    """A schedule ended wrong."""


@contextmanager
def short_log() -> Iterator[None]:
    """Checkpoints every third revision, and windows to fit: what takes days happens within a few batches."""
    every, window = partition_module.CHECKPOINT_EVERY_REVISIONS, partition_module.LOAD_WINDOW
    partition_module.CHECKPOINT_EVERY_REVISIONS = partition_module.LOAD_WINDOW = 3  # type: ignore[misc]
    try:
        yield
    finally:
        partition_module.CHECKPOINT_EVERY_REVISIONS = every  # type: ignore[misc]
        partition_module.LOAD_WINDOW = window  # type: ignore[misc]


class Op(NamedTuple):
    """A call that an invocation is about to make."""

    name: str
    act: Callable[[], Any]


class SteppedStores(TwinStores):
    """Stores whose every call waits for the scheduler. A newer version writes what the older cannot read."""

    def __init__(self, memory: Memory, *, is_newer: bool) -> None:
        super().__init__(memory)
        self._is_newer = is_newer

    def _call(self, name: str, act: Callable[[], Any]) -> Any:
        return _give_way(Op(name, act))

    def put_new(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> bool:
        if self._is_newer and storage.FORMAT_HEADER in metadata:
            metadata, body = {**metadata, storage.FORMAT_HEADER: _NEWER}, _SECRET + body
        return super().put_new(key, body, content_type, metadata)

    def get_object(self, key: str) -> StoredObject | None:
        found = super().get_object(key)
        return _as_known(found) if self._is_newer else found


def _give_way(op: Op) -> Any:
    parent = greenlet.getcurrent().parent
    assert parent is not None
    result = parent.switch(op)
    if isinstance(result, Exception):
        raise result
    return result


def _as_known(found: StoredObject | None) -> StoredObject | None:
    if found is None or found.metadata.get(storage.FORMAT_HEADER) != _NEWER:
        return found
    known = {**found.metadata, storage.FORMAT_HEADER: str(storage.FORMAT)}
    return found._replace(metadata=known, body=found.body.removeprefix(_SECRET))


@dataclass(eq=False)
class Lane:
    """A shard as Lambda reads it: what is left of the batch under way, then the rest."""

    records: Sequence[bytes]
    number: int
    parent: "Lane | None" = None
    position: int = 0
    todo: list[tuple[int, int]] = field(default_factory=list)
    tries: int = 0
    busy: bool = False

    def is_done(self) -> bool:
        return self.position >= len(self.records) and not self.todo and not self.busy


@dataclass(eq=False)
class Invocation:
    """A running invocation; nobody waits for a zombie's answer."""

    run: greenlet
    op: Op
    container: "Container"
    lane: Lane | None
    born: int
    is_zombie: bool = False


@dataclass(eq=False)
class Container:
    """A process that Lambda may use again."""

    pipeline: Pipeline
    is_newer: bool
    busy: bool = False


class Schedule:
    """One random schedule."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.memory = Memory()
        self.time = FakeTime(1_798_700_000.0)
        self.memory.put_bytes(storage.ALERT_RULES_KEY, json.dumps(_RULES).encode())
        self.config = Config(
            partitions=rng.choice((1, 1, 2)), parallel_calls=1, alerts_topic_arn="arn:aws:sns:us-east-1:0:alerts"
        )
        self.is_tidied = rng.random() < 0.35
        length, strides = (rng.randint(8, 24), (1, 1, 3, 6)) if self.is_tidied else (rng.randint(2, 9), (1, 1, 1, 2, 5))
        self.quotes, self.lanes, self.is_ordered = _history(rng, length, strides)
        self.last_unit = 3 * length
        # Ten minutes are the age at which a container's knowledge is old; an invocation lives a little longer.
        self.step_seconds = rng.choice((5, 60)) if self.is_tidied else 10
        self.life_steps = 840 // self.step_seconds if self.is_tidied else 400
        self.has_versions = rng.random() < 0.15
        self.loses_checkpoint = rng.random() < 0.1
        # What a close did is not to be known from tidied objects; a checkpoint is made anew from them.
        self.closes_windows = not (self.is_tidied and self.loses_checkpoint)
        self.fault_rate = rng.choice((0, 0.02, 0.08, 0.2))
        self.max_tries = rng.choice((2, 4, 8))
        self.batch_max = rng.randint(1, 4)
        self.budget = rng.randint(5, 200)
        self.containers: list[Container] = []
        self.active: list[Invocation] = []
        self.wire: list[tuple[Op, int]] = []
        self.given_up: list[bytes] = []
        self.has_closed = False
        self.has_log = False
        self.step = 0

    @property
    def is_quiet(self) -> bool:
        """Nothing goes wrong any more."""
        return self.step > self.budget

    def run(self) -> Counter[str]:
        """Run to the end and check it.

        Raises:
            ViolationError: something is lost, twice, in the wrong place, or unlike a clean pass.
        """
        with short_log():
            self._run()
        check(self)
        self.counts["schedules"] += 1
        self.counts["steps"] += self.step
        self.counts["quotes"] += len(self.quotes)
        return self.counts

    def _run(self) -> None:
        while self._advance():
            if self.step > _MAX_STEPS:
                raise ViolationError("no progress")
        self._night()
        self.time.sleep(300)
        self._to_the_end(lambda: self._pipeline(is_newer=True).sweep())

    def _advance(self) -> bool:
        rng = self.rng
        self.step += 1
        self.time.seconds += self.step_seconds
        self._end_lives()
        if self.wire and rng.random() < 0.2:
            op, _ = self.wire.pop(rng.randrange(len(self.wire)))
            _attempt(op)
        if self.is_quiet:
            self._mend()
        if self._disturb():
            return True
        ready = [
            lane
            for lane in self.lanes
            if not lane.busy
            and (lane.todo or lane.position < len(lane.records))
            and (lane.parent is None or lane.parent.is_done())
        ]
        if not self.active and not ready:
            return self._redrive()
        if ready and (not self.active or rng.random() < 0.4):
            self._invoke(rng.choice(ready))
        else:
            self._go_on(rng.choice(self.active))
        return True

    def _disturb(self) -> bool:
        rng = self.rng
        # There is always a newest entry: once there is a log, there is one.
        has_log = self.has_log = self.has_log or any(map(storage.parse_log_key, self.memory.objects))
        if self.is_tidied and has_log and not self.active and rng.random() < 0.1:
            for _ in range(2):  # the market is closed
                self.time.seconds += 45 * 60
                with suppress(ConsumerError):
                    self._to_the_end(lambda: self._tidy(self._pipeline(is_newer=True)))
        tidies = sum(one.lane is None for one in self.active)
        may_tidy = has_log and (self.is_tidied or not self.is_quiet) and tidies < 2
        if may_tidy and rng.random() < (0.15 if self.is_tidied else 0.03):
            container = self._container()
            self._start(container, lambda: self._tidy(container.pipeline), None)
            return True
        if self.loses_checkpoint and has_log and not self.is_quiet and rng.random() < 0.02:
            partition = rng.choice(storage.partitions_of(self.config.partitions))
            self.memory.objects.pop(storage.checkpoint_key(partition), None)
            self.counts["checkpoints lost"] += 1
        return False

    def _tidy(self, pipeline: Pipeline) -> None:
        """The night's call."""
        turn = pipeline.turn(datetime.fromtimestamp(self.time.seconds, UTC), Deadline())
        for partition in storage.partitions_of(self.config.partitions):
            if self.closes_windows and self.rng.random() < 0.5:
                until = format_epoch_ms(_moment_ms(self.rng.randint(0, max(self.last_unit, 6))))
                self.has_closed = True  # or may have, should it die in between
                self.counts["closes"] += close_over(pipeline, partition, turn, until)
            if self.is_tidied:
                self._tidy_folders(pipeline, partition)

    def _tidy_folders(self, pipeline: Pipeline, partition: storage.Partition) -> None:
        revision = read_checkpoint(pipeline.stores, partition).checkpoint.revision
        folders = Folders(partition, pipeline.stores, pipeline.calls, pipeline.clock, covered_for_seconds=39 * 60)
        for _ in folders.tidy(revision, Deadline()):
            self.counts["folders tidied"] += 1

    def _pipeline(self, *, is_newer: bool) -> Pipeline:
        clock = Clock(lambda: self.time.seconds, lambda _: _give_way(Op("sleep", lambda: None)))
        return Pipeline(self.config, SteppedStores(self.memory, is_newer=is_newer), clock)

    def _container(self) -> Container:
        free = [one for one in self.containers if not one.busy]
        if free and self.rng.random() < (0.6 if self.is_tidied else 0.8):
            # Now and then the one that has slept longest.
            chosen = free[0] if self.rng.random() < 0.25 else self.rng.choice(free)
            self.containers.remove(chosen)
            self.containers.append(chosen)
            return chosen
        is_newer = self.has_versions and (self.is_quiet or self.rng.random() < 0.5)
        made = Container(self._pipeline(is_newer=is_newer), is_newer)
        self.containers.append(made)
        return made

    def _invoke(self, lane: Lane) -> None:
        if not lane.todo:
            end = min(len(lane.records), lane.position + self.rng.randint(1, self.batch_max))
            lane.todo, lane.position = [(lane.position, end)], end
        begin, end = lane.todo[0]
        container = self._container()
        batch = event(lane.records[begin:end], start=lane.number * 1_000_000 + begin)
        lane.busy = True
        self._start(container, lambda: container.pipeline.process(batch), lane)

    def _start(self, container: Container, act: Callable[[], Any], lane: Lane | None) -> None:
        container.busy = True
        run = greenlet(lambda _: act())
        self._resume(Invocation(run, Op("", lambda: None), container, lane, self.step, is_zombie=lane is None), None)

    def _resume(self, one: Invocation, value: Any) -> None:
        """Hand a call's result to an invocation, up to its next call or its end."""
        if one in self.active:
            self.active.remove(one)
        try:
            result = one.run.switch(value)
        except ConsumerError:
            one.container.busy = False
            self._finish(one, None)
            return
        if not one.run.dead:
            one.op = result
            self.active.append(one)
            return
        one.container.busy = False
        if one.lane is None or one.is_zombie:
            return
        failures = result.response["batchItemFailures"]
        self.counts["conflicts"] += result.tally.conflicts
        self.counts["recovered"] += result.tally.recovered
        self.counts["stopped"] += result.tally.stopped_partitions
        if failures:
            number = int(failures[0]["itemIdentifier"]) - FIRST_SEQUENCE - one.lane.number * 1_000_000
            self._finish(one, number)
        else:
            self._finish(one, one.lane.todo[0][1])

    def _finish(self, one: Invocation, done_until: int | None) -> None:
        """What Lambda makes of an answer, or of none: checkpoint, bisect, try again or give up."""
        lane = one.lane
        if lane is None or one.is_zombie:
            return
        lane.busy = False
        begin, end = lane.todo[0]
        begin = begin if done_until is None else done_until
        if begin >= end:
            lane.todo.pop(0)
            lane.tries = 0
            return
        lane.todo[0] = begin, end
        lane.tries += 1
        if lane.tries > self.max_tries and not self.is_quiet:
            self.given_up.extend(lane.records[begin:end])
            lane.todo.pop(0)
            lane.tries = 0
        elif end - begin > 1 and self.rng.random() < 0.5:
            middle = self.rng.randint(begin + 1, end - 1)
            lane.todo[:1] = [(begin, middle), (middle, end)]

    def _go_on(self, one: Invocation) -> None:
        rng, op = self.rng, one.op
        if not self.is_quiet and rng.random() < self.fault_rate:
            kind = rng.random()
            if kind < 0.4:
                self._kill(one)
                self._finish(one, None)
            elif kind < 0.7 and not one.is_zombie:
                self._finish(one, None)
                one.is_zombie = True
                self.containers.remove(one.container)
            else:
                if rng.random() < 0.5:
                    _attempt(op)
                self._resume(one, StoreUnavailableError(op.name))
            return
        self.counts[op.name] += 1
        self._resume(one, _attempt(op))

    def _kill(self, one: Invocation) -> None:
        """The process dies with a request under way: lost, done, or done later."""
        self.active.remove(one)
        if one.container in self.containers:
            self.containers.remove(one.container)
        fate = self.rng.random()
        if fate < 0.4:
            _attempt(one.op)
        elif fate < 0.6:
            self.wire.append((one.op, self.step))
        with suppress(Crash):
            one.run.throw(Crash)

    def _end_lives(self) -> None:
        for one in [one for one in self.active if self.step - one.born > self.life_steps and one.is_zombie]:
            self._kill(one)
        self.wire = [(op, born) for op, born in self.wire if self.step - born <= self.life_steps]

    def _mend(self) -> None:
        """What people do: the new version everywhere, the checkpoint made anew."""
        if self.has_versions and any(not one.is_newer for one in self.containers):
            self.containers = [one for one in self.containers if one.is_newer or one.busy]
        if storage.LAYOUT_KEY not in self.memory.objects:
            return
        for partition in storage.partitions_of(self.config.partitions):
            key = storage.checkpoint_key(partition)
            if key not in self.memory.objects:
                states, revision, folder = _rebuilt(self, partition)
                self.memory.put_bytes(key, encode_checkpoint(revision, folder, states))

    def _redrive(self) -> bool:
        """Send again what was given up, and what a stopped partition set aside; False where there is nothing."""
        self._mend()
        stopped = [
            key for key, content in self.memory.quarantined().items() if content["reason"] == storage.PARTITION_STOPPED
        ]
        records = [storage.decode_quarantined(self.memory.objects.pop(key).body).data for key in sorted(stopped)]
        records += self.given_up
        self.given_up = []
        if not records:
            return False
        self.is_ordered = False
        self.lanes.append(Lane(records, len(self.lanes)))
        return True

    def _night(self) -> None:
        """The next night's call: whatever the newest entry of a partition still owes is written."""

        def settle() -> None:
            pipeline = self._pipeline(is_newer=True)
            turn = pipeline.turn(datetime.fromtimestamp(self.time.seconds, UTC), Deadline())
            for partition in storage.partitions_of(self.config.partitions):
                pipeline.log_of(partition, turn).settle(Share(), turn)
                if self.is_tidied:
                    self._tidy_folders(pipeline, partition)

        self._to_the_end(settle)

    def _to_the_end(self, act: Callable[[], Any]) -> None:
        run = greenlet(lambda _: act())
        value: Any = None
        while True:
            result = run.switch(value)
            if run.dead:
                return
            value = _attempt(result)


def _attempt(op: Op) -> Any:
    try:
        return op.act()
    except ConsumerError as exc:
        return exc


def _moment_ms(unit: int) -> int:
    """Six units are a day, three a minute."""
    return _OPEN_MS + unit // 6 * _DAY_MS + unit % 6 * 20_000


def _quote(symbol: str, unit: int) -> Quote:
    price = "107" if random.Random(f"{symbol}{unit}").random() < 0.3 else f"{100 + unit % 3}"
    shape = {"open": "100", "high": "120", "low": "90", "volume": unit}
    return quote(symbol, format_epoch_ms(_moment_ms(unit)), price, **shape)


def _history(rng: random.Random, length: int, strides: Sequence[int]) -> tuple[list[Quote], list[Lane], bool]:
    """Quotes, the lanes that bring them, and whether every symbol comes in order."""
    symbols = ["A", "B", "C"][: rng.choice((1, 2, 2, 3))]
    clock = dict.fromkeys(symbols, 0)
    quotes = []
    for _ in range(length):
        symbol = rng.choice(symbols)
        clock[symbol] += rng.choice(strides)
        quotes.append(_quote(symbol, clock[symbol]))
    sent = []
    for one in quotes:
        sent.append(one)
        if rng.random() < 0.12:
            sent += sent[-rng.randint(1, 3) :]
    cut = {symbol: rng.randint(0, 1) for symbol in symbols}
    mode = rng.choice(("one", "one", "two", "foreign", "reshard"))
    if mode == "one":
        return quotes, [_lane(sent, 0)], True
    if mode == "two":
        return quotes, [_lane([one for one in sent if cut[one.symbol] == side], side) for side in (0, 1)], True
    if mode == "foreign":
        sides = [rng.randint(0, 1) for _ in sent]
        lanes = [_lane([one for one, of in zip(sent, sides, strict=True) if of == side], side) for side in (0, 1)]
        return quotes, lanes, False
    middle = rng.randint(1, len(sent))
    parent = _lane(sent[:middle], 0)
    children = [_lane([one for one in sent[middle:] if cut[one.symbol] == side], side + 1, parent) for side in (0, 1)]
    return quotes, [parent, *children], True


def _lane(quotes: Sequence[Quote], number: int, parent: Lane | None = None) -> Lane:
    return Lane([encode_quote(one) for one in quotes], number, parent)


def _rebuilt(schedule: Schedule, partition: storage.Partition) -> tuple[States, int, str]:
    """What `rebuild --checkpoints` writes: the fold of tidied days and of the log, but for the newest entry."""
    fold, rules = _fold()
    states: States = {}
    revision, folder = 0, storage.FIRST_FOLDER
    objects = schedule.memory.objects
    entries = schedule.memory.entries().get(partition, [])
    markers = [
        storage.decode_marker(stored.body)
        for key, stored in objects.items()
        if key.startswith(storage.marker_prefix(partition))
    ]
    if markers:
        last = max(markers, key=lambda marker: marker.last)
        revision, folder = last.last, last.next
        entries = [entry for entry in entries if entry[0] > revision]
    tidied = [
        (parsed, stored)
        for key, stored in objects.items()
        if (parsed := storage.parse_tidied_key(key)) and parsed.partition == partition and parsed.first <= revision
    ]
    for _, stored in sorted(tidied, key=lambda one: (one[0].symbol, one[0].first, one[0].run)):
        lines = storage.unpack_lines(stored.body.removeprefix(_SECRET))
        fold.apply(states, Accepted([decode_quote(line) for line in lines]), rules)
    for number, _, stored in entries[:-1]:
        known = _as_known(stored)
        assert known is not None
        entry = read_entry(known, "")
        fold.apply(states, entry, rules)
        revision, folder = number, entry.folder if isinstance(entry, Roll) else folder
    return states, revision, folder


def _fold() -> tuple[Fold, Any]:
    threshold = Config().anomaly_threshold_percent
    return Fold(threshold, 0), parse_rules(json.dumps(_RULES).encode(), threshold, "test")


def check(schedule: Schedule) -> None:
    """Everything that must hold at the end."""
    memory, quotes = schedule.memory, schedule.quotes
    for key, stored in memory.objects.items():
        memory.objects[key] = _as_known(stored) or stored
    wanted = {(one.symbol, one.timestamp) for one in quotes}
    archived = Counter(line for lines in memory.archived().values() for line in lines)
    _expect(max(archived.values(), default=1) == 1, "a quote is in the archive twice")
    _expect({_key(line) for line in archived} == wanted, "the archive lacks a quote, or has another")
    _expect(set(memory.tables["quotes"]) == wanted, "the table lacks a quote, or has another")
    _expect(not memory.rewritten, "an item was written again with other bytes")
    _expect(not memory.quarantined(), "a quote is left in quarantine")
    may_stop = schedule.counts["checkpoints lost"] or schedule.has_versions
    _expect(bool(may_stop) or not schedule.counts["stopped"], "a partition stopped for no reason")
    _check_log(memory)
    _check_tables(schedule)
    alerts = {f"{symbol}@{alert_id}" for symbol, alert_id in memory.tables["alerts"]}
    sent = Counter(memory.published())
    _expect(alerts == set(sent), "an alert was not sent")
    _expect(not any(storage.UNSENT in item for item in memory.tables["alerts"].values()), "an alert waits for ever")
    schedule.counts["alerts"] += len(alerts)
    schedule.counts["alerts sent twice"] += sum(count > 1 for count in sent.values())
    if not schedule.fault_rate and not schedule.is_tidied:
        schedule.counts["calm alerts"] += len(alerts)
        schedule.counts["calm alerts sent twice"] += sum(count > 1 for count in sent.values())


def _check_log(memory: Memory) -> None:
    for entries in memory.entries().values():
        revisions = [revision for revision, _, _ in entries]
        _expect(revisions == list(range(revisions[0], revisions[-1] + 1)), "the log has a hole, or a fork")
        folders = [folder.replace("first", "") for _, folder, _ in entries]
        _expect(folders == sorted(folders), "a closed folder grew")
        for _, folder, stored in entries:
            days = [_key(line)[1][:10] for line in storage.unpack_lines(stored.body)]
            _expect(all(day <= folder for day in days), "a quote lies in a folder before its day")
    for key in memory.objects:
        tidied = storage.parse_tidied_key(key)
        if tidied is not None:
            found = {(_key(line)[0], _key(line)[1][:10]) for line in storage.unpack_lines(memory.objects[key].body)}
            _expect(found == {(tidied.symbol, tidied.day)}, "a tidied object holds something else")


def _check_tables(schedule: Schedule) -> None:
    memory = schedule.memory
    fold, rules = _fold()
    found: list[Effects] = []
    if not any(key.startswith(storage.TIDY_PREFIX) for key in memory.objects):
        for entries in memory.entries().values():
            states: States = {}
            found += [fold.apply(states, read_entry(stored, ""), rules) for _, _, stored in entries]
    elif not schedule.has_closed:
        lines = [line for of_symbol in memory.archived().values() for line in of_symbol]
        found.append(fold.apply({}, Accepted([decode_quote(line) for line in lines]), rules))
        schedule.counts["rebuilt from tidied days"] += 1
    else:
        return
    _expect_tables(memory, found, "the tables differ from the log")
    if schedule.is_ordered and not schedule.has_closed:
        clean = fold.apply({}, Accepted(schedule.quotes), rules)
        _expect_tables(memory, [clean], "the tables differ from a clean pass")
        schedule.counts["compared with a clean pass"] += 1


def _expect_tables(memory: Memory, found: Sequence[Effects], message: str) -> None:
    for table in ("quotes", "candles"):
        items = {key: json.loads(item) for effects in found for key, item in getattr(effects, table)}
        _expect(memory.tables[table] == items, f"{message}: {table}")
    alerts = {alert.key for effects in found for alert in effects.alerts}
    _expect(set(memory.tables["alerts"]) == alerts, f"{message}: alerts")


def _key(line: bytes) -> tuple[str, str]:
    content = json.loads(line)
    return content["symbol"], content["timestamp"]


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise ViolationError(message)
