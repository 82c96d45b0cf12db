"""Takes requests from the scheduler, keeps several in flight, and tells the lanes what became of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final

import structlog

from stockstream.sender.backoff import full_jitter_seconds
from stockstream.sender.breaker import Breaker
from stockstream.sender.failures import FailureKind, PutError, classify, remedy
from stockstream.sender.lane import KinesisRecord, Lane
from stockstream.sender.limits import PAYLOAD_UNIT_BYTES
from stockstream.sender.scheduler import Scheduler
from stockstream.sender.silence import Silence
from stockstream.sender.stats import Counters
from stockstream.sender.transport import EntryResult, Transport

# While an answer is awaited, and in full flow, a request that is not full waits this long for more: lanes whose answers
# come one by one would otherwise travel one by one ever after.
PARTIAL_REQUEST_SECONDS: Final = 0.025
# A reshard is seen by many lanes at once; one look at the stream serves them all.
REFRESH_INTERVAL_SECONDS: Final = 5.0

log = structlog.get_logger("stockstream.sender")


class Dispatcher:
    """The sender's one loop.

    Args:
        scheduler: Decides what goes when.
        transport: Carries requests.
        counters: Counts.
        requests_in_flight: Calls at the same time.
        call_timeout_seconds: Of a call as a whole.
        away_after_seconds: Nothing stored for so long, while something waits, is an outage.
        refresh_shards: Lists the shards anew after a reshard.
        on_resolved: Told, with the lane, whenever records of it are acknowledged.
        monotonic: The clock.
        rng: Randomness of backoff and probes.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        transport: Transport,
        counters: Counters,
        *,
        requests_in_flight: int,
        call_timeout_seconds: float,
        away_after_seconds: float,
        refresh_shards: Callable[[], Awaitable[None]],
        on_resolved: Callable[[Lane], None],
        monotonic: Callable[[], float],
        rng: Random,
    ) -> None:
        self._scheduler = scheduler
        self._transport = transport
        self._counters = counters
        self._max_in_flight = requests_in_flight
        self._call_timeout_seconds = call_timeout_seconds
        self._silence = Silence(away_after_seconds)
        self._refresh_shards = refresh_shards
        self._on_resolved = on_resolved
        self._monotonic = monotonic
        self._rng = rng
        self._wake = asyncio.Event()
        self._in_flight = 0
        self._refresh_due = False
        self._refreshed_at = float("-inf")
        self._awaits_probe = False
        # When `run` looks again by itself.
        self._planned_at: float | None = None
        # Lanes whose record Kinesis finds fault with even alone; said once for each.
        self._stuck_lanes: set[int] = set()
        self.breaker = Breaker(rng)
        self.blocked_by = ""
        self._last_failure = ""

    @property
    def in_flight(self) -> int:
        """Calls that have not been answered."""
        return self._in_flight

    def wake(self) -> None:
        """More is to be sent: look again, unless that would change nothing before the look that is planned."""
        if not self._awaits_probe and self._in_flight < self._max_in_flight and self._is_due_before_planned():
            self._wake.set()

    def _is_due_before_planned(self) -> bool:
        scheduler, planned_at = self._scheduler, self._planned_at
        if planned_at is None:
            return True
        if not scheduler.has_ready:
            due_at = scheduler.next_due_at()
            return due_at is not None and due_at < planned_at
        return not self._gathers or self._partial_request_at < planned_at or scheduler.fills_request

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as calls:
            while True:
                self._wake.clear()
                now = self._monotonic()
                self._scheduler.advance(now)
                self._look_for_silence(now)
                self._start_calls(calls, now)
                if self._refresh_due and now - self._refreshed_at >= REFRESH_INTERVAL_SECONDS:
                    self._refresh_due = False
                    self._refreshed_at = now
                    calls.create_task(self._refresh_shards_logged())
                until = self._next_look_at(now)
                self._planned_at = until
                self._awaits_probe = until is not None and until == self.breaker.next_probe_at()
                await self._sleep(until, now)

    async def _sleep(self, until: float | None, now: float) -> None:
        timer = None
        if until is not None:
            timer = asyncio.get_running_loop().call_later(max(0.0, until - now), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _start_calls(self, calls: asyncio.TaskGroup, now: float) -> None:
        while self._in_flight < self._max_in_flight and self.breaker.allows(now):
            if self._gathers and now < self._partial_request_at and not self._scheduler.fills_request:
                return
            probing = self.breaker.state != "closed"
            request = self._scheduler.next_request(now, max_records=1 if probing else None)
            if not request:
                return
            self.breaker.on_start()
            self._in_flight += 1
            self._counters.calls += 1
            calls.create_task(self._call(request))

    @property
    def _gathers(self) -> bool:
        return self._in_flight > 0 or self._scheduler.is_full_flow

    @property
    def _partial_request_at(self) -> float:
        return self._scheduler.ready_since + PARTIAL_REQUEST_SECONDS

    def _next_look_at(self, now: float) -> float | None:
        moments = [self._refreshed_at + REFRESH_INTERVAL_SECONDS] if self._refresh_due else []
        if self._in_flight < self._max_in_flight:
            probe_at = self.breaker.next_probe_at()
            due_at = self._scheduler.next_due_at()
            if self._scheduler.has_ready:
                due_at = self._partial_request_at if self._gathers else now
            if due_at is not None and self.breaker.state != "probing":
                moments.append(due_at if probe_at is None else max(due_at, probe_at))
        silent_at = self._silence.ends_at()
        if silent_at is not None and self.breaker.state == "closed":
            moments.append(silent_at)
        return min(moments, default=None)

    def _look_for_silence(self, now: float) -> None:
        """An outage by the one measure that no form of it escapes: something waits, and nothing is stored."""
        if not self._scheduler.pending_records:
            self._silence.rest()
        elif self._silence.is_over(now) and self.breaker.trip(now):
            seconds = self._silence.seconds
            message = f"nothing was stored for {seconds:g} s; last: {self._last_failure or 'no answer'}"
            self._say_away("NothingStored", message)

    def _say_away(self, code: str, message: str) -> None:
        log.warning("kinesis_away", code=code, error=message, unsent=self._scheduler.pending_records)

    async def _call(self, request: Sequence[KinesisRecord]) -> None:
        started = self._monotonic()
        try:
            results = await self._put(request)
        except PutError as exc:
            self._on_call_failed(request, exc)
        else:
            now = self._monotonic()
            self._counters.latencies_ms.append((now - started) * 1000)
            self._on_answer(request, results, now)
        finally:
            self._in_flight -= 1
            self._wake.set()

    async def _put(self, request: Sequence[KinesisRecord]) -> Sequence[EntryResult]:
        seconds = self._call_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._transport.put_records(request)
        except TimeoutError as exc:
            raise PutError(FailureKind.TRANSIENT, "CallTimeout", f"the call was not over after {seconds:g} s") from exc

    def _on_answer(self, request: Sequence[KinesisRecord], results: Sequence[EntryResult], now: float) -> None:
        counters = self._counters
        permanent: EntryResult | None = None
        stored = 0
        for record, result in zip(request, results, strict=True):
            if result.error_code:
                kind = classify(result.error_code, 200)
                counters.throttled += kind is FailureKind.THROTTLED
                counters.retried += 1
                self._last_failure = f"{result.error_code}: {result.message}"
                if kind is FailureKind.PERMANENT:
                    permanent = result
                self._scheduler.on_failed(record, kind, now)
                continue
            stored += 1
            counters.sent += record.count
            counters.kinesis_records += 1
            counters.payload_units += -(-len(record.data) // PAYLOAD_UNIT_BYTES)
            self._stuck_lanes.discard(record.lane.index)
            if self._scheduler.on_stored(record, result.shard_id, now):
                self._refresh_due = True
            self._on_resolved(record.lane)
        if stored:
            self._silence.broken(now)
        if permanent is not None:
            self.breaker.on_failure(now, permanent=True)
            self._say_blocked(permanent.error_code, permanent.message)
            return
        if not stored and self.breaker.state != "closed":
            # It answers, and stores nothing: not back yet.
            self.breaker.on_failure(now)
            return
        if self.breaker.on_success():
            log.info("kinesis_back", unsent=self._scheduler.pending_records)
        if self.blocked_by:
            log.info("sender_unblocked", was=self.blocked_by)
            self.blocked_by = ""

    def _on_call_failed(self, request: Sequence[KinesisRecord], failure: PutError) -> None:
        now = self._monotonic()
        permanent = failure.kind is FailureKind.PERMANENT
        self._last_failure = str(failure)
        self._counters.failed_calls += 1
        self._counters.retried += len(request)
        self._counters.throttled += failure.kind is FailureKind.THROTTLED
        # One delay for all, so that they can travel together again; alone where the request itself is at fault.
        delay = full_jitter_seconds(min(record.attempts for record in request), self._rng)
        stuck = failure.kind is FailureKind.INVALID and len(request) == 1
        if permanent:
            delay = 0.0  # the breaker keeps the time
        for record in request:
            self._scheduler.on_failed(record, failure.kind, now, None if stuck else delay)
        if permanent:
            self._say_blocked(failure.code, failure.message)
        if stuck and request[0].lane.index not in self._stuck_lanes:
            self._stuck_lanes.add(request[0].lane.index)
            log.error("record_refused_by_kinesis", code=failure.code, error=failure.message, lane=request[0].lane.index)
        if failure.kind is FailureKind.INVALID:
            self._silence.broken(now)  # it has read the request, and speaks of it
        if self.breaker.on_failure(now, permanent=permanent) and not permanent:
            self._say_away(failure.code, failure.message)

    def _say_blocked(self, code: str, message: str) -> None:
        if code != self.blocked_by:
            self.blocked_by = code
            log.error("sender_blocked", code=code, error=message, remedy=remedy(code))

    async def _refresh_shards_logged(self) -> None:
        await self._refresh_shards()
        self._wake.set()
