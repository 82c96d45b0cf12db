"""Minute bars from Yahoo's chart API, through yfinance's session. Importing this does not import yfinance."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote as quote_url

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import SourceError
from stockstream.redaction import redact
from stockstream.settings import Settings
from stockstream.sources.base import Rejection
from stockstream.sources.history import MINUTE_MS, SESSION_MAX, MinuteBar, SymbolHistory
from stockstream.sources.yahoo.errors import FailureKind, YahooCallError
from stockstream.sources.yahoo.instrument import instrument_of_chart
from stockstream.sources.yahoo.numbers import float32_decimal
from stockstream.sources.yahoo.reply import decode_json
from stockstream_wire import format_epoch_ms
from stockstream_wire.trading_day import DayRule, session_date_of

if TYPE_CHECKING:
    from stockstream.sources.yahoo._session import GuardedSession

# Yahoo: "1m data: only 7 days worth of data per request, within the last 30 days" (its own error texts, HTTP 422).
REQUEST_MAX: Final = timedelta(days=7)
KEEPS_DAYS: Final = 30
# Enough daily bars to have a close before the first session, over holidays.
_DAILY_LEAD: Final = timedelta(days=14)
_ATTEMPTS_MAX: Final = 5
_BACKOFF_FIRST_SECONDS: Final = 2.0
_BACKOFF_MAX_SECONDS: Final = 60.0
_CHART_URL: Final = "https://query2.finance.yahoo.com/v8/finance/chart/"
_TIMEOUT_SECONDS: Final = 20.0


def yahoo_history(settings: Settings) -> "YahooHistory":
    """Make the provider that the settings describe."""
    return YahooHistory(requests_per_second=settings.yahoo_requests_per_second)


class YahooHistory:
    """A `HistoryProvider` on Yahoo's chart API: one request for each week of a symbol, and one for its daily closes.

    Args:
        requests_per_second: Pace.
        clock: Pace and waits.
        rng: Randomness of the waits after a failure.
    """

    label = "Yahoo"
    keeps_days = KEEPS_DAYS

    def __init__(
        self,
        *,
        requests_per_second: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
        rng: Random | None = None,
    ) -> None:
        self._interval_seconds = 1 / requests_per_second
        self._clock = clock
        self._rng = rng if rng is not None else Random()
        # One thread: curl's handles are thread-local, and history is not in a hurry.
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="yahoo-history")
        self._session: GuardedSession | None = None
        self._next_request_at = float("-inf")

    async def history(self, symbol: str, start: datetime, end: datetime) -> SymbolHistory:
        """Fetch the bars of the sessions that the range touches.

        Raises:
            YahooCallError: Yahoo cannot be reached or limits us, after some patience.
            SourceError: Yahoo has no such chart.
        """
        bars: dict[int, MinuteBar] = {}
        rejected: list[Rejection] = []
        meta: Mapping[str, Any] = {}
        # A session that the range cuts is fetched whole: its open, its high and its volume count from its start.
        since, known_until = start - SESSION_MAX, min(self._clock.now(), end + SESSION_MAX)
        while since < known_until:
            until = min(known_until, since + REQUEST_MAX)
            chart = await self._chart(symbol, since, until, "1m")
            meta = chart["meta"]
            found, bad = parse_bars(symbol, chart)
            bars |= {bar.start_ms: bar for bar in finished(found, meta)}
            rejected += bad
            since = until
        daily, _ = parse_bars(symbol, await self._chart(symbol, start - _DAILY_LEAD, end, "1d"))
        ordered = [bars[key] for key in sorted(bars)]
        return SymbolHistory(
            symbol=symbol,
            bars=ordered,
            previous_closes=previous_closes(ordered, daily),
            known_until_ms=int(known_until.timestamp() * 1000),
            running_session=running_session(meta),
            currency=_text(meta.get("currency")),
            exchange=_text(meta.get("exchangeName")),
            kind=instrument_of_chart(meta, symbol).wire_kind,
            rejected=rejected,
        )

    async def aclose(self) -> None:
        """Let the thread and the session go. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            # In its own thread, where curl's handle is: from another one the connection would stay open.
            await asyncio.get_running_loop().run_in_executor(self._pool, session.close)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _chart(self, symbol: str, start: datetime, end: datetime, interval: str) -> Mapping[str, Any]:
        params = {
            "period1": str(int(start.timestamp())),
            "period2": str(int(end.timestamp())),
            "interval": interval,
            "includePrePost": "false",
        }
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            await self._clock.sleep(max(0.0, self._next_request_at - self._clock.monotonic()))
            self._next_request_at = self._clock.monotonic() + self._interval_seconds
            try:
                body = await asyncio.get_running_loop().run_in_executor(self._pool, self._get, symbol, params)
            except YahooCallError as exc:
                if exc.kind is FailureKind.BAD_REQUEST:
                    raise SourceError(f"{symbol}: Yahoo has no such history: {exc.detail}") from exc
                if attempt == _ATTEMPTS_MAX:
                    raise
                # Full jitter, and never sooner than the server asked for.
                bound_seconds = min(_BACKOFF_MAX_SECONDS, _BACKOFF_FIRST_SECONDS * 2**attempt)
                wait_seconds = max(exc.retry_after_seconds or 0.0, self._rng.uniform(0, bound_seconds))
                self._next_request_at = self._clock.monotonic() + wait_seconds
            else:
                return chart_of(symbol, body)
        raise AssertionError  # the last attempt returned or raised

    def _get(self, symbol: str, params: dict[str, str]) -> object:
        # Here and not above: the import takes 0.5-0.8 s and 99 MB, and a wrong argument should be told before.
        from stockstream.sources.yahoo._session import GuardedSession  # noqa: PLC0415

        # A chart needs neither cookie nor crumb, so the request goes around yfinance, whose state is the whole
        # process's: the source may be polling with it.
        if self._session is None:
            self._session = GuardedSession(_TIMEOUT_SECONDS)
        try:
            response = self._session.get(_CHART_URL + quote_url(symbol, safe=""), params=params)
        except OSError as exc:  # curl's errors are OSErrors
            raise YahooCallError(FailureKind.UNREACHABLE, f"{type(exc).__name__}: {redact(str(exc))[:200]}") from exc
        return decode_json(bytes(response.content))


def chart_of(symbol: str, body: object) -> Mapping[str, Any]:
    """The one result of a chart reply.

    Raises:
        SourceError: Yahoo says that there is none, or the reply is no chart.
    """
    chart = body.get("chart") if isinstance(body, Mapping) else None
    results = chart.get("result") if isinstance(chart, Mapping) else None
    if not isinstance(results, list) or not results or not isinstance(results[0].get("meta"), Mapping):
        error = chart.get("error") if isinstance(chart, Mapping) else body
        raise SourceError(f"{symbol}: Yahoo has no such history: {str(error)[:200]}")
    first: Mapping[str, Any] = results[0]
    return first


def parse_bars(symbol: str, chart: Mapping[str, Any]) -> tuple[list[MinuteBar], list[Rejection]]:
    """The bars of a chart, of whatever interval; those without a trade (nulls) are left out, broken ones named."""
    meta = chart["meta"]
    offset_seconds = _integer(meta.get("gmtoffset")) or 0
    # A day's bar has the date of its session for its own.
    rule = None if meta.get("dataGranularity") == "1d" else instrument_of_chart(meta, symbol).rule
    hint = _integer(meta.get("priceHint"))
    times = chart.get("timestamp") or []
    columns = (chart.get("indicators", {}).get("quote") or [{}])[0]
    bars: list[MinuteBar] = []
    rejected: list[Rejection] = []
    values = (columns.get(name) or [None] * len(times) for name in ("open", "high", "low", "close", "volume"))
    for seconds, open_, high, low, close, volume in zip(times, *values, strict=False):
        if close is None or open_ is None:
            continue
        try:
            prices = [float32_decimal(float(value), hint) for value in (open_, high, low, close)]
            session = _session(int(seconds), rule, offset_seconds)
            bar = MinuteBar(
                int(seconds) * 1000, session, prices[0], max(prices), min(prices), prices[3], int(volume or 0)
            )
        except (TypeError, ValueError, OverflowError) as exc:
            rejected.append(Rejection(f"{symbol}@{seconds}", "bar_malformed", str(exc)))
        else:
            bars.append(bar)
    return bars, rejected


def finished(bars: Sequence[MinuteBar], meta: Mapping[str, Any]) -> list[MinuteBar]:
    """Without what is still being traded, so that filling the same hour twice gives the same quotes.

    Yahoo ends a running session with a row of the last trade, off the minute's grid; and the minute of the last trade
    may not be over while the exchange is open.
    """
    unfinished_from_ms = float("inf")
    if running_session(meta) is not None:
        unfinished_from_ms = meta["regularMarketTime"] * 1000 - MINUTE_MS
    return [bar for bar in bars if bar.start_ms % MINUTE_MS == 0 and bar.start_ms <= unfinished_from_ms]


def running_session(meta: Mapping[str, Any]) -> str | None:
    """The session that is not over by the time of its last trade, or None."""
    last_trade_seconds = _integer(meta.get("regularMarketTime"))
    period = meta.get("currentTradingPeriod")
    regular = period.get("regular") if isinstance(period, Mapping) else None
    close_seconds = _integer(regular.get("end")) if isinstance(regular, Mapping) else None
    if last_trade_seconds is None or close_seconds is None or last_trade_seconds >= close_seconds:
        return None
    rule = instrument_of_chart(meta, _text(meta.get("symbol")) or "").rule
    return _session(last_trade_seconds, rule, _integer(meta.get("gmtoffset")) or 0)


def previous_closes(bars: Sequence[MinuteBar], daily: Sequence[MinuteBar]) -> dict[str, Decimal]:
    """For each session of the minutes, the close of the last daily bar before it."""
    closes = {bar.session: bar.close for bar in daily}
    days = sorted(closes)
    found = {}
    for session in {bar.session for bar in bars}:
        earlier = [day for day in days if day < session]
        if earlier:
            found[session] = closes[earlier[-1]]
    return found


def _session(seconds: int, rule: DayRule | None, offset_seconds: int) -> str:
    return _day(seconds + offset_seconds) if rule is None else session_date_of(format_epoch_ms(seconds * 1000), rule)


def _day(local_seconds: int) -> str:
    return datetime.fromtimestamp(local_seconds, UTC).date().isoformat()


def _integer(value: object) -> int | None:
    return value if type(value) is int else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
