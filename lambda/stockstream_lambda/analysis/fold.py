"""The fold: one symbol's quotes in order, onto its state. Decides what each quote is, and what there is to write.

A quote is known by symbol and event time. Later than the latest: it is new. Otherwise it is a duplicate if it is
stored already, else late. Where batches begin and end makes no difference to what comes out.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from stockstream_lambda.alerts import detect
from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.rules import SymbolRules
from stockstream_lambda.analysis.averages import Averages
from stockstream_lambda.analysis.candles import INTERVALS, Candle, window_starts
from stockstream_lambda.analysis.sessions import local_minute, zone_of
from stockstream_lambda.analysis.splits import Seen, Split, suspect_split
from stockstream_lambda.analysis.state import SymbolState
from stockstream_lambda.analysis.volume import VolumeProfile
from stockstream_lambda.items import Indicators, expires_attribute, quote_attributes
from stockstream_lambda.published import Published, published_fields
from stockstream_lambda.records import UserQuote
from stockstream_wire import Quote

# What one commit may carry: its redo log lives in the symbol's item until it is done (DynamoDB: 400 KB an item).
SEGMENT_MAX_QUOTES: Final = 500
SEGMENT_MAX_BYTES: Final = 96 * 1024

# A transaction holds 100 items, five of them the symbol and its open candles; one quote fires at most five alerts.
SEGMENT_MAX_ALERTS: Final = 50

# What `stockstream backfill` writes into `source`.
BACKFILL_SOURCE: Final = "backfill"
_HUNDRED: Final = Decimal(100)


@dataclass(slots=True)
class Segment:
    """What one commit of a symbol writes.

    Attributes:
        base_revision: Revision of the state it was folded onto.
        accepted: Quotes to archive, in order.
        quote_items: Their items.
        closed_candles: Items of candles that closed.
        alerts: Alerts that fired.
        latest_attributes: Attributes of the latest quote; None where no quote was newer.
        duplicates: Quotes that were stored already.
        late: Quotes stored out of order.
        consumed: Quotes of the input that are dealt with.
    """

    base_revision: int
    accepted: list[UserQuote] = field(default_factory=list)
    quote_items: list[bytes] = field(default_factory=list)
    closed_candles: list[bytes] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    latest_attributes: str | None = None
    duplicates: int = 0
    late: int = 0
    consumed: int = 0


class SymbolFold:
    """Folds one symbol's quotes; moves the state it is given.

    Args:
        symbol: Ticker.
        state: The symbol's state; changed in place.
        rules: The symbol's alert rules.
        threshold_percent: The published rule's threshold.
        retention_days: Days until items expire, counted from the event time; 0 for never.
    """

    def __init__(
        self, symbol: str, state: SymbolState, rules: SymbolRules, threshold_percent: Decimal, retention_days: int
    ) -> None:
        self._symbol = symbol
        self._state = state
        self._rules = rules
        self._threshold_percent = threshold_percent
        self._retention_days = retention_days
        self._profile = VolumeProfile(state.volume.profile)
        self._taken: set[str] = set()

    def fold(self, quotes: Sequence[UserQuote], stored: Container[str]) -> Segment:
        """Fold quotes until a commit is full or its day of the archive ends.

        Args:
            quotes: What came, in stream order.
            stored: Event times, among those not newer than the state, that are in the table already.
        """
        state = self._state
        segment = Segment(state.revision)
        day, size = "", 0
        for user_quote in quotes:
            timestamp = user_quote.quote.timestamp
            if segment.accepted and (
                timestamp[:10] != day
                or size >= SEGMENT_MAX_BYTES
                or len(segment.accepted) >= SEGMENT_MAX_QUOTES
                or len(segment.alerts) >= SEGMENT_MAX_ALERTS
            ):
                break
            segment.consumed += 1
            if timestamp > state.last_timestamp:
                self._fold_new(user_quote.quote, segment)
            elif timestamp in stored or timestamp in self._taken:
                segment.duplicates += 1
                continue
            else:
                self._fold_late(user_quote.quote, segment)
            state.revision += 1
            state.shard_id, state.sequence_number, state.subsequence_number, _ = user_quote.position
            self._taken.add(timestamp)
            segment.accepted.append(user_quote)
            day, size = timestamp[:10], size + len(user_quote.data)
        state.volume.profile = self._profile.pack()
        return segment

    def _fold_late(self, quote: Quote, segment: Segment) -> None:
        state = self._state
        if not quote.stale:
            session = local_minute(quote.timestamp[:16], state.zone).session
            starts = window_starts(quote.timestamp, session)
            for candle, start in zip(state.candles, starts, strict=True):
                if candle is not None and candle.window_start == start:
                    candle.correct(quote.price)
        attributes = quote_attributes(quote, self._published(quote), [], {"late": True})
        self._store(quote, attributes, segment)
        segment.late += 1

    def _fold_new(self, quote: Quote, segment: Segment) -> None:
        state = self._state
        if not state.zone or quote.exchange is not None:
            state.zone = zone_of(quote.symbol, quote.exchange)
        session, minute = local_minute(quote.timestamp[:16], state.zone)
        new_session = session > state.session
        marks: dict[str, str | bool] = {}
        if quote.stale:
            state.last_timestamp = quote.timestamp
            published = self._published(quote)
            change_percent = self._adjusted_change(quote, published)
            segment.alerts += detect.detect_stale(state, quote, change_percent, self._rules)
            self._store_latest(quote, published, [], marks, segment)
            return
        state.last_timestamp = quote.timestamp
        self._start_session_or_scale(quote, session, marks, new_session=new_session)
        indicators = self._advance(quote, session, minute, segment)
        published = self._published(quote)
        change_percent = self._adjusted_change(quote, published)
        gap_percent = self._gap(quote, new_session=new_session)
        returns = state.returns
        signals = detect.Signals(
            change_percent,
            gap_percent,
            returns.z,
            returns.last_return * 100,
            state.volume.ratio(self._profile, self._rules.volume.minimum_sessions),
        )
        stale = state.alerts.get("stale")
        if stale is not None:
            stale.active = False
        alerts = detect.detect(state, quote, signals, self._rules)
        # History is remembered like any quote (no second alert when the live feed goes on) and rings nobody's phone.
        if quote.source != BACKFILL_SOURCE:
            segment.alerts += alerts
        self._store_latest(quote, published, indicators, marks, segment)
        state.last_price, state.last_open, state.last_previous_close = quote.price, quote.open, quote.previous_close

    def _split(self, quote: Quote, *, new_session: bool) -> Split | None:
        state = self._state
        if state.last_price is None or state.last_open is None or state.last_previous_close is None:
            return None
        if quote.previous_close == state.split_old_close:
            return None  # known already
        seen = Seen(state.last_price, state.last_open, state.last_previous_close)
        return suspect_split(quote, seen, new_session=new_session)

    def _start_session_or_scale(
        self, quote: Quote, session: str, marks: dict[str, str | bool], *, new_session: bool
    ) -> None:
        state = self._state
        split = self._split(quote, new_session=new_session)
        if quote.previous_close != state.split_old_close:
            state.split_ratio = state.split_old_close = None
        if split is not None:
            ratio, state.split_label, state.split_old_close = split
            state.split_ratio = ratio if state.split_old_close is not None else None
            state.split_at = quote.timestamp
            marks["split_suspected"] = state.split_label
        elif state.split_ratio is not None:
            marks["split_suspected"] = state.split_label
        if new_session or split is not None:
            state.averages = Averages()
            state.returns.start_session()
        if new_session:
            if state.session:
                state.volume.start_session(self._profile)
            state.session = session
            detect.start_session(state)

    def _advance(self, quote: Quote, session: str, minute: int, segment: Segment) -> Indicators:
        state, price = self._state, quote.price
        state.averages.add(price)
        state.returns.add(float(price))
        cumulative = state.volume.last if quote.volume is None else quote.volume
        difference = state.volume.add(price, cumulative, minute, self._profile)
        candles = state.candles
        for index, start in enumerate(window_starts(quote.timestamp, session)):
            candle = candles[index]
            if candle is not None and candle.window_start == start:
                candle.add(price, difference)
                continue
            if candle is not None:
                expires_at = expires_attribute(candle.window_start, self._retention_days)
                segment.closed_candles.append(
                    candle.item(self._symbol, INTERVALS[index], closed=True, expires_at=expires_at)
                )
            candles[index] = Candle(start, price, price, price, price, difference, 1)
        span = quote.high - quote.low
        found = state.averages.warm()
        found += state.returns.warm()
        found += state.volume.warm(self._profile, self._rules.volume.minimum_sessions)
        found.append(("day_range_percent", float(span / quote.previous_close) * 100))
        if span:
            found.append(("day_range_position", float((price - quote.low) / span)))
        return found

    def _gap(self, quote: Quote, *, new_session: bool) -> Decimal | None:
        if not new_session:
            return None
        close = self._scaled_close(quote)
        return (quote.open - close) / close * _HUNDRED

    def _published(self, quote: Quote) -> Published:
        return published_fields(quote, self._threshold_percent)

    def _adjusted_change(self, quote: Quote, published: Published) -> Decimal:
        if self._state.split_ratio is None:
            return published.change_percent
        close = self._scaled_close(quote)
        return (quote.price - close) / close * _HUNDRED

    def _scaled_close(self, quote: Quote) -> Decimal:
        ratio = self._state.split_ratio
        return quote.previous_close if ratio is None else quote.previous_close / ratio

    def _store_latest(
        self,
        quote: Quote,
        published: Published,
        indicators: Indicators,
        marks: dict[str, str | bool],
        segment: Segment,
    ) -> None:
        segment.latest_attributes = quote_attributes(quote, published, indicators, marks)
        self._store(quote, segment.latest_attributes, segment)

    def _store(self, quote: Quote, attributes: str, segment: Segment) -> None:
        expires_at = expires_attribute(quote.timestamp, self._retention_days)
        segment.quote_items.append(f"{{{attributes}{expires_at}}}".encode())
