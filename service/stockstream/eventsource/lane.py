"""One lane of a shard: at most one batch in flight, retried in place, so that order per partition key holds.

Pure: time and randomness are passed in, and the caller does what `due` says. A shard has ParallelizationFactor lanes.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from stockstream.eventsource.config import PAYLOAD_MAX_BYTES, UNLIMITED, EventSourceConfig
from stockstream.eventsource.records import ENVELOPE_BYTES, StreamRecord
from stockstream.eventsource.response import Failed, NotInvoked, Outcome, Succeeded


class DiscardCondition(StrEnum):
    """Why a batch goes to the on-failure destination; the words are AWS's."""

    RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
    RECORD_AGE_EXCEEDED = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are invoked together.

    Attributes:
        records: In the order of the shard.
        failures: Tries that failed at the record that is first now; the retry quota counts them.
        invocations: Invocations that held these records, for `approximateInvokeCount`.
        not_before_seconds: Monotonic time before which it is not tried again.
        deferrals: Times in a row that the function could not be invoked at all.
        last_failure: What the last try said.
    """

    records: tuple[StreamRecord, ...]
    failures: int = 0
    invocations: int = 0
    not_before_seconds: float = 0.0
    deferrals: int = 0
    last_failure: Failed | None = None


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke the function on the batch, then call `finish`."""

    lane: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Discard:
    """Deliver the batch to the on-failure destination, then call `discarded`."""

    lane: int
    batch: Batch
    condition: DiscardCondition


Action = Invoke | Discard


class Lane:
    """Queue, batch in hand and what is to be done next."""

    def __init__(self, number: int, config: EventSourceConfig, random: Callable[[], float]) -> None:
        self._number = number
        self._config = config
        self._random = random
        self._queue: deque[StreamRecord] = deque()
        self._gathering_since_seconds = 0.0
        self._batches: deque[Batch] = deque()
        self._in_flight: Action | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an action was handed out and is not finished."""
        return self._in_flight is not None

    def offer(self, record: StreamRecord, now_seconds: float) -> None:
        if not self._queue:
            self._gathering_since_seconds = now_seconds
        self._queue.append(record)

    def due(self, now_seconds: float, epoch_seconds: float, *, flush: bool) -> Action | None:
        """Say what to do now, if anything. `flush`: the shard has ended, so no batching window is worth waiting for."""
        if self._in_flight is not None:
            return None
        if not self._batches:
            batch = self._form_batch(now_seconds, flush=flush)
            if batch is None:
                return None
            self._batches.append(batch)
        action = self._next_action(now_seconds, epoch_seconds)
        self._in_flight = action
        return action

    def wake_at_seconds(self) -> float | None:
        """Monotonic time at which `due` may say something new by itself, or None."""
        if self._in_flight is not None:
            return None
        if self._batches:
            return self._batches[0].not_before_seconds
        if self._queue:
            return self._gathering_since_seconds + self._config.maximum_batching_window_seconds
        return None

    def finish(self, outcome: Outcome, now_seconds: float) -> tuple[StreamRecord, ...]:
        """Take in how the invocation ended; returns the records that are done."""
        batch = self._batches.popleft()
        self._in_flight = None
        match outcome:
            case Succeeded():
                return batch.records
            case NotInvoked():
                self._batches.appendleft(self._deferred(batch, now_seconds))
                return ()
            case Failed():
                return self._failed(replace(batch, invocations=batch.invocations + 1), outcome, now_seconds)
        assert_never(outcome)

    def discarded(self) -> tuple[StreamRecord, ...]:
        """Take in that the batch in hand is at its destination; returns its records."""
        action = self._in_flight
        self._in_flight = None
        return action.batch.records if action is not None else ()

    def _next_action(self, now_seconds: float, epoch_seconds: float) -> Action | None:
        batch = self._batches[0]
        expired = self._expired_count(batch, epoch_seconds)
        if expired:
            self._batches.popleft()
            if expired < len(batch.records):
                self._batches.appendleft(replace(batch, records=batch.records[expired:]))
            old = replace(batch, records=batch.records[:expired])
            return Discard(self._number, old, DiscardCondition.RECORD_AGE_EXCEEDED)
        if self._is_exhausted(batch):
            self._batches.popleft()
            return Discard(self._number, batch, DiscardCondition.RETRY_ATTEMPTS_EXHAUSTED)
        if now_seconds < batch.not_before_seconds:
            return None
        return Invoke(self._number, batch)

    def _form_batch(self, now_seconds: float, *, flush: bool) -> Batch | None:
        count, is_full = self._batch_length()
        window_ends = self._gathering_since_seconds + self._config.maximum_batching_window_seconds
        if not count or not (is_full or flush or now_seconds >= window_ends):
            return None
        records = tuple(self._queue.popleft() for _ in range(count))
        self._gathering_since_seconds = now_seconds
        return Batch(records)

    def _batch_length(self) -> tuple[int, bool]:
        total_bytes = ENVELOPE_BYTES
        for count, record in enumerate(self._queue):
            total_bytes += record.size_bytes
            if count == self._config.batch_size:
                return count, True
            if total_bytes > PAYLOAD_MAX_BYTES:
                return max(count, 1), True
        return len(self._queue), len(self._queue) == self._config.batch_size

    def _failed(self, batch: Batch, outcome: Failed, now_seconds: float) -> tuple[StreamRecord, ...]:
        done, rest = batch.records[: outcome.first_failed], batch.records[outcome.first_failed :]
        # A try that got further is the first failure of the record it now stops at: each has its own quota.
        failures = 0 if done else batch.failures
        batch = replace(batch, records=rest, failures=failures, deferrals=0, last_failure=outcome)
        if self._config.bisect_batch_on_function_error and len(rest) > 1:
            # "Splitting batches doesn't consume the retry quota." With a partial failure the split is where the
            # function said; where it stopped at the first record, or failed whole, the batch is halved.
            parts = [rest] if done else [rest[: (len(rest) + 1) // 2], rest[(len(rest) + 1) // 2 :]]
            for part in reversed(parts):
                self._batches.appendleft(replace(batch, records=part, not_before_seconds=now_seconds))
            return done
        failures += 1
        pause = self._pause_seconds(failures)
        self._batches.appendleft(replace(batch, failures=failures, not_before_seconds=now_seconds + pause))
        return done

    def _deferred(self, batch: Batch, now_seconds: float) -> Batch:
        deferrals = batch.deferrals + 1
        return replace(batch, deferrals=deferrals, not_before_seconds=now_seconds + self._pause_seconds(deferrals))

    def _pause_seconds(self, tries: int) -> float:
        ceiling: float = min(
            self._config.retry_backoff_cap_seconds, self._config.retry_backoff_base_seconds * 2 ** min(tries - 1, 30)
        )
        return self._random() * ceiling

    def _is_exhausted(self, batch: Batch) -> bool:
        if batch.records[0].size_bytes + ENVELOPE_BYTES > PAYLOAD_MAX_BYTES:
            return True  # no retry makes one record fit into an invocation
        limit = self._config.maximum_retry_attempts
        return limit != UNLIMITED and batch.failures > limit

    def _expired_count(self, batch: Batch, epoch_seconds: float) -> int:
        limit = self._config.maximum_record_age_seconds
        if limit == UNLIMITED:
            return 0
        count = 0
        for record in batch.records:
            if epoch_seconds - record.arrival_epoch_seconds <= limit:
                break
            count += 1
        return count
