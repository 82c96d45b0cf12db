"""One cycle of v7 requests: spread out, rationed, cured, halved, and stopped by the breaker."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from stockstream.clock import Clock
from stockstream.sources.yahoo.aliases import by_answer, canonical
from stockstream.sources.yahoo.batches import BatchSizer, cut, start_offset_seconds
from stockstream.sources.yahoo.breaker import Breaker, BreakerState
from stockstream.sources.yahoo.bucket import TokenBucket
from stockstream.sources.yahoo.client import REQUESTS_IN_FLIGHT, QuoteApi, Reply
from stockstream.sources.yahoo.errors import FailureKind, YahooCallError

# Requests a cycle may spend on halves and short answers, beside a tenth of its batches: enough for a bad reply or
# two, and not a storm.
_SPARE_REQUESTS: Final = 4
# At the start no symbol is known yet; an answer that lacks more than this share is short, not full of typing errors.
_SHORT_AT_START_FRACTION: Final = 1 / 3
# An answer that lacks more known symbols than this share, and more than one, has lost them; they have not gone.
_SHORT_ANSWER_FRACTION: Final = 0.1

_SMALLER_MAY_HELP: Final = frozenset({FailureKind.SERVER, FailureKind.MALFORMED, FailureKind.BAD_REQUEST})

log = structlog.get_logger("stockstream.yahoo")


@dataclass(slots=True)
class CycleReport:
    """What a cycle came to.

    Attributes:
        missing: Asked for in a good reply and not in it.
        doubtful: Lost by a short answer, twice; known before, and no sign that they are gone.
        failed: Never answered: their request failed, or the breaker opened before it.
        calls: Calls made; each is one or more HTTP requests.
        failures: Calls that failed.
        failures_untold: Those of them that no delivery has told of.
        failure: Why the last of them did.
    """

    missing: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    calls: int = 0
    failures: int = 0
    failures_untold: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Batch:
    symbols: list[str]
    offset_seconds: float = 0.0
    second_try: bool = False


class Poller:
    """Runs cycles against one address.

    Args:
        api: Yahoo.
        clock: Time.
        rng: Randomness of the breaker's waits.
        bucket: Rations requests.
        sizer: Remembers how large a batch Yahoo answers.
        in_flight: Requests under way at most.
    """

    def __init__(
        self,
        api: QuoteApi,
        *,
        clock: Clock,
        rng: random.Random,
        bucket: TokenBucket | None = None,
        sizer: BatchSizer | None = None,
        in_flight: int = REQUESTS_IN_FLIGHT,
    ) -> None:
        self._api = api
        self._clock = clock
        self.bucket = bucket or TokenBucket()
        self.sizer = sizer or BatchSizer()
        self.breaker = Breaker(rng)
        self._slots = asyncio.Semaphore(in_flight)
        self._curing = asyncio.Lock()
        self._cures = 0
        self._strategy = "basic"
        self.http_requests_total = 0
        self.failures_total = 0

    async def poll(
        self,
        symbols: Sequence[str],
        *,
        spread_seconds: float,
        is_known: Callable[[str], bool],
        deliver: Callable[[list[Mapping[str, Any]], int], Awaitable[None]],
    ) -> CycleReport:
        """Ask for every symbol once.

        Args:
            symbols: Upper case, each once.
            spread_seconds: The starts of the requests are spread over this.
            is_known: Whether Yahoo has answered for a symbol before; known ones missing make an answer short.
            deliver: Takes the results of each good reply (only of symbols asked for), and failures since the last.
        """
        report = CycleReport()
        pieces = cut(symbols, self.sizer.size)
        pending = deque(
            _Batch(piece, start_offset_seconds(index, len(pieces), spread_seconds))
            for index, piece in enumerate(pieces)
        )
        cycle = _Cycle(self, report, pending, is_known, deliver, spare=_SPARE_REQUESTS + len(pieces) // 10)
        started_seconds = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            running: set[asyncio.Task[None]] = set()
            while pending or running:
                if not pending:
                    _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    continue
                batch = pending.popleft()
                if not await self._wait_turn(started_seconds + batch.offset_seconds):
                    report.failed.extend(batch.symbols)
                    continue
                # The first call after an outage goes alone.
                alone = self.breaker.state(self._clock.monotonic()) is BreakerState.HALF_OPEN
                if alone and running:
                    await asyncio.wait(running)
                await self._slots.acquire()
                task = group.create_task(cycle.run(batch))
                running = {other for other in running if not other.done()} | {task}
                if alone:
                    await asyncio.wait({task})
        return report

    async def chart(self, symbol: str) -> Reply | None:
        """Ask for one symbol's chart, within the same ration and breaker; None where that failed."""
        if not await self._wait_turn(self._clock.monotonic()):
            return None
        async with self._slots:
            try:
                return self._count(await self._charged(self._api.chart(symbol)))
            except YahooCallError as exc:
                self.note_failure(exc)
                return None

    async def ask(self, symbols: list[str]) -> Reply:
        """Ask v7 once; on a 401 cure once, and ask once more, unless the cookie refused was a new one already.

        Raises:
            YahooCallError: of any kind; UNAUTHORIZED only where a new cookie was refused.
        """
        cures = self._cures
        try:
            return await self._ask_once(symbols)
        except YahooCallError as exc:
            if exc.kind is not FailureKind.UNAUTHORIZED:
                raise
            log.warning("yahoo_session_refused", detail=exc.detail, new_cookie=exc.fresh_cookie)
            await self._cure(cures, refused_anew=exc.fresh_cookie)
            if exc.fresh_cookie:
                raise
            self.http_requests_total += exc.http_requests
        cures = self._cures
        try:
            return await self._ask_once(symbols)
        except YahooCallError as exc:
            if exc.kind is FailureKind.UNAUTHORIZED:
                await self._cure(cures, refused_anew=True)
            raise

    async def _ask_once(self, symbols: list[str]) -> Reply:
        return self._count(await self._charged(self._api.quotes(symbols)))

    def note_success(self) -> None:
        """Tell the breaker of a good reply."""
        if self.breaker.on_success(self._clock.monotonic()):
            log.info("breaker_closed")

    def note_failure(self, exc: YahooCallError) -> None:
        """Tell the breaker, the counters and the log of a failed call."""
        now_seconds = self._clock.monotonic()
        self.failures_total += 1
        self.http_requests_total += exc.http_requests
        log.warning("yahoo_call_failed", kind=exc.kind.value, status=exc.status, detail=exc.detail)
        if self.breaker.on_failure(now_seconds, exc.kind, exc.retry_after_seconds):
            wait_seconds = round(self.breaker.wait_seconds(now_seconds), 1)
            log.warning("breaker_opened", reason=exc.kind.value, wait_seconds=wait_seconds)

    def release(self) -> None:
        """Give back the slot that `poll` took for a batch."""
        self._slots.release()

    async def _wait_turn(self, start_seconds: float) -> bool:
        """Wait for the start time and a token; False where the breaker is open by then."""
        while True:
            now_seconds = self._clock.monotonic()
            if self.breaker.state(now_seconds) is BreakerState.OPEN:
                return False
            wait_seconds = max(start_seconds - now_seconds, self.bucket.wait_seconds(now_seconds))
            if wait_seconds <= 0:
                self.bucket.charge(now_seconds, 1)
                return True
            await self._clock.sleep(wait_seconds)

    async def _charged(self, call: Awaitable[Reply]) -> Reply:
        """Charge the bucket with what a call took beyond the one request it had a token for."""
        try:
            reply = await call
        except YahooCallError as exc:
            self.bucket.charge(self._clock.monotonic(), max(0, exc.http_requests - 1))
            raise
        self.bucket.charge(self._clock.monotonic(), max(0, reply.http_requests - 1))
        return reply

    def _count(self, reply: Reply) -> Reply:
        self.http_requests_total += reply.http_requests
        return reply

    async def _cure(self, cures_before: int, *, refused_anew: bool) -> None:
        async with self._curing:
            if self._cures != cures_before:
                return  # another call of the same volley has cured it meanwhile
            # yfinance has two ways to a cookie; where one has just been refused, the next try takes the other.
            if refused_anew:
                self._strategy = "csrf" if self._strategy == "basic" else "basic"
            await self._api.cure(self._strategy)
            self._cures += 1
            log.info("yahoo_session_dropped", next_cookie_by=self._strategy)


class _Cycle:
    """The batches of one cycle, and what each came to."""

    def __init__(
        self,
        poller: Poller,
        report: CycleReport,
        pending: deque[_Batch],
        is_known: Callable[[str], bool],
        deliver: Callable[[list[Mapping[str, Any]], int], Awaitable[None]],
        *,
        spare: int,
    ) -> None:
        self._poller = poller
        self._report = report
        self._pending = pending
        self._is_known = is_known
        self._deliver = deliver
        self._spare = spare

    async def run(self, batch: _Batch) -> None:
        self._report.calls += 1
        try:
            reply = await self._poller.ask(batch.symbols)
        except YahooCallError as exc:
            self._on_failure(batch, exc)
            return
        finally:
            self._poller.release()
        self._poller.note_success()
        await self._on_reply(batch, reply)

    def _on_failure(self, batch: _Batch, exc: YahooCallError) -> None:
        self._poller.note_failure(exc)
        self._report.failures += 1
        self._report.failures_untold += 1
        self._report.failure = str(exc)
        if exc.kind in _SMALLER_MAY_HELP:
            self._poller.sizer.halve()
            if len(batch.symbols) > 1 and self._try_again(cut(batch.symbols, -(-len(batch.symbols) // 2))):
                return
            if exc.kind is FailureKind.BAD_REQUEST and len(batch.symbols) == 1:
                self._report.missing.extend(batch.symbols)
                return
        self._report.failed.extend(batch.symbols)

    async def _on_reply(self, batch: _Batch, reply: Reply) -> None:
        # Who asked for USDJPY=X is answered for JPY=X, and keeps his spelling.
        asked = by_answer(batch.symbols)
        results: list[Mapping[str, Any]] = []
        for result in reply.value:
            symbol = result.get("symbol") if isinstance(result, Mapping) else None
            if not isinstance(symbol, str):
                continue
            spellings = asked.pop(canonical(symbol.upper()), ())
            results += [{**result, "symbol": spelling} if spelling != symbol else result for spelling in spellings]
        missing = [symbol for symbol in batch.symbols if canonical(symbol) in asked]
        if not self._is_short(batch, missing):
            self._poller.sizer.grow()
            self._report.missing.extend(missing)
        else:
            self._poller.sizer.halve()
            if batch.second_try or not self._try_again(cut(missing, self._poller.sizer.size)):
                for symbol in missing:
                    (self._report.doubtful if self._is_known(symbol) else self._report.missing).append(symbol)
        failures, self._report.failures_untold = self._report.failures_untold, 0
        await self._deliver(results, failures)

    def _is_short(self, batch: _Batch, missing: list[str]) -> bool:
        known = sum(self._is_known(symbol) for symbol in missing)
        if known:
            return known > max(1.0, _SHORT_ANSWER_FRACTION * len(batch.symbols))
        return len(missing) > max(1.0, _SHORT_AT_START_FRACTION * len(batch.symbols))

    def _try_again(self, pieces: list[list[str]]) -> bool:
        if len(pieces) > self._spare:
            return False
        self._spare -= len(pieces)
        self._pending.extend(_Batch(piece, second_try=True) for piece in pieces)
        return True
