"""The fold: entries of the log, in order, onto the states of their symbols; what an entry makes are its effects.

A quote later than its symbol's latest is new, any other is late: that it is no duplicate was decided before it was
appended. Where entries begin and end makes no difference to what comes out. Nothing here raises: what is in the log
is a fact, and has an item.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Final

import structlog

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.detect import detect, start_session
from stockstream_lambda.alerts.kinds import VOLUME, Signals
from stockstream_lambda.alerts.rules import AlertRules, SymbolRules
from stockstream_lambda.analysis.averages import Averages
from stockstream_lambda.analysis.candles import Candles, window_starts
from stockstream_lambda.analysis.state import States, SymbolState
from stockstream_lambda.aws.dynamodb import Key
from stockstream_lambda.items import Indicators, attribute, expires_attribute, quote_attributes
from stockstream_lambda.log import Accepted, Close, Entry
from stockstream_lambda.published import Published, published_fields
from stockstream_wire import Quote, SessionFacts, is_old_news, session_facts
from stockstream_wire.exchanges import DEFAULT_ZONE, known_zone_of
from stockstream_wire.instruments import guess_kind
from stockstream_wire.openings import session_opening
from stockstream_wire.splits import Seen, Split, suspect_split
from stockstream_wire.storage import BACKFILL_SOURCE
from stockstream_wire.trading_day import day_rule, local_minute_of

_HUNDRED: Final = Decimal(100)
_LATE: Final = f',"late":{attribute(True)}'
_FOLD_FAILED: Final = f',"fold_failed":{attribute(True)}'

log = structlog.get_logger("stockstream.consumer.fold")


@dataclass(slots=True)
class Effects:
    """What an entry makes: items by their keys, the same whoever writes them, and alerts.

    Attributes:
        quotes: Items of quotes.
        candles: Items of windows that the entry closes.
        alerts: Alerts that it fires.
        late: How many of the quotes are late.
    """

    quotes: list[tuple[Key, bytes]] = field(default_factory=list)
    candles: list[tuple[Key, bytes]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    late: int = 0


class Fold:
    """Folds entries.

    Args:
        threshold_percent: The published rule's threshold.
        retention_days: Days until items expire, counted from the event time; 0 for never.
    """

    def __init__(self, threshold_percent: Decimal, retention_days: int) -> None:
        self._threshold_percent = threshold_percent
        self._retention_days = retention_days

    def apply(self, states: States, entry: Entry, rules: AlertRules) -> Effects:
        """Move the states by an entry and return its effects. Never raises."""
        effects = Effects()
        if isinstance(entry, Accepted):
            self._take(states, entry.quotes, rules, effects)
        elif isinstance(entry, Close):
            for symbol, state in sorted(states.items()):
                try:
                    over = state.candles.close(entry.until, state.day_rule)
                    effects.candles += state.candles.items_of(symbol, over, self._retention_days)
                except Exception:
                    log.exception("close_failed", symbol=symbol, until=entry.until)
        return effects

    def _take(self, states: States, quotes: Sequence[Quote], rules: AlertRules, effects: Effects) -> None:
        for quote in quotes:
            symbol, timestamp = quote.symbol, quote.timestamp
            state = states.get(symbol)
            if state is None:
                state = states[symbol] = SymbolState()
            candles, alerts = len(effects.candles), len(effects.alerts)
            is_new = timestamp > state.last_timestamp
            try:
                if is_new:
                    attributes = self._take_new(state, quote, rules.of(symbol), effects)
                else:
                    attributes = self._take_late(state, quote)
            except Exception:
                log.exception("fold_failed", symbol=symbol, timestamp=timestamp)
                del effects.candles[candles:], effects.alerts[alerts:]
                states[symbol] = _restarted(state, quote)
                attributes = self._plain(quote)
            effects.late += not is_new
            item = f"{{{attributes}{expires_attribute(timestamp, self._retention_days)}}}"
            effects.quotes.append(((symbol, timestamp), item.encode()))

    def _take_late(self, state: SymbolState, quote: Quote) -> str:
        facts = session_facts(quote)
        if not quote.stale:
            starts = window_starts(quote.timestamp[:16], facts.session_date)
            state.candles.correct(starts, quote.price, is_regular=facts.regular)
        return quote_attributes(quote, self._published(quote), {}, _marks(facts) + _LATE)

    def _take_new(self, state: SymbolState, quote: Quote, rules: SymbolRules, effects: Effects) -> str:
        facts = session_facts(quote)
        _locate(state, quote, facts)
        state.last_timestamp = quote.timestamp
        marks = _marks(facts)
        published = self._published(quote)
        if quote.stale:
            signals = Signals(quote, _adjusted_change(state, quote, published))
            effects.alerts += detect(state.alerts, signals, rules)
            return quote_attributes(quote, published, {}, marks)
        opens, split_label = _start_session_or_scale(state, quote, facts, rules)
        if split_label:
            marks += f',"split_suspected":{attribute(split_label)}'
        indicators, volume_ratio, open_candles = self._advance(state, quote, facts, rules, effects)
        returns = state.returns
        signals = Signals(
            quote,
            _adjusted_change(state, quote, published),
            _gap(state, quote) if opens else None,
            returns.z,
            returns.last_return * 100,
            volume_ratio,
        )
        alerts = detect(state.alerts, signals, rules)
        # What is no news is remembered like any quote (no second alert when the feed goes on) and rings nobody's phone.
        if quote.source != BACKFILL_SOURCE and not is_old_news(quote):
            effects.alerts += alerts
        return quote_attributes(quote, published, indicators, marks + open_candles)

    def _advance(
        self, state: SymbolState, quote: Quote, facts: SessionFacts, rules: SymbolRules, effects: Effects
    ) -> tuple[Indicators, float | None, str]:
        """Move candles and statistics by a tick.

        Returns the indicators that are warm, the minute's volume ratio, and the attributes that show open candles.
        """
        price, minute = quote.price, quote.timestamp[:16]
        value = float(price)
        indicators: Indicators = {}
        state.averages.add(price, value, indicators)
        state.returns.add(value)
        state.returns.tell(indicators)
        traded = volume_ratio = None
        if facts.session_date == state.session:  # before the opening it has no volume yet
            volume = state.volume
            local_minute = _local_minute(minute, state.kind, state.zone)
            if quote.volume is not None and facts.volume_kind == "session":
                traded = volume.add(price, quote.volume, minute, local_minute)
            volume.tell(indicators)
            volume_ratio = volume.ratio(local_minute, rules[VOLUME].minimum_sessions)
        if facts.regular:
            _tell_of_the_day(indicators, quote)
        if volume_ratio is not None:
            indicators["volume_ratio"] = volume_ratio
        candles, starts = state.candles, window_starts(minute, facts.session_date)
        over, shown = candles.add(starts, price, traded, is_regular=facts.regular)
        if over:
            effects.candles += candles.items_of(quote.symbol, over, self._retention_days)
        return indicators, volume_ratio, shown

    def _published(self, quote: Quote) -> Published:
        return published_fields(quote, self._threshold_percent)

    def _plain(self, quote: Quote) -> str:
        try:
            return quote_attributes(quote, self._published(quote), {}, _FOLD_FAILED)
        except Exception:
            log.exception("item_failed", symbol=quote.symbol, timestamp=quote.timestamp)
            return (
                f'"symbol":{{"S":"{quote.symbol}"}},"timestamp":{{"S":"{quote.timestamp}"}},'
                f'"price":{{"N":"{quote.price!s}"}},"fold_failed":{{"BOOL":true}}'
            )


def _restarted(state: SymbolState, quote: Quote) -> SymbolState:
    """Statistics anew, but for what must not be forgotten: how far the symbol is, and which windows are over."""
    closed = [candle if candle is not None and candle.is_closed else None for candle in state.candles.newest]
    latest = max(state.last_timestamp, quote.timestamp)
    anew = SymbolState(latest, state.session, state.zone or DEFAULT_ZONE, candles=Candles(closed))
    anew.day, anew.kind, anew.is_guessed = state.day, state.kind, state.is_guessed
    # What traded before is the day's alone.
    anew.volume.last = state.volume.last
    return anew


@lru_cache(maxsize=256)
def _marks(facts: SessionFacts) -> str:
    marks = f',"session":{attribute(facts.session_date)}'
    if not facts.regular:
        marks += f',"regular":{attribute(False)}'
    if facts.volume_kind != "session":
        marks += f',"volume_kind":{attribute(facts.volume_kind)}'
    return marks


def _locate(state: SymbolState, quote: Quote, facts: SessionFacts) -> None:
    """Where and what the instrument is; said once where it is but a guess."""
    if not state.zone or quote.exchange is not None:
        state.zone, state.kind = _place_of(quote.symbol, quote.exchange, quote.kind)
    if facts.guessed and not state.is_guessed:
        state.is_guessed = True
        log.info("session_guessed", symbol=quote.symbol, exchange=quote.exchange, zone=state.zone)


@lru_cache(maxsize=16_384)
def _place_of(symbol: str, exchange: str | None, kind: str | None) -> tuple[str, str]:
    """Zone and kind of an instrument."""
    return known_zone_of(symbol, exchange) or DEFAULT_ZONE, kind or guess_kind(symbol, exchange)


def _tell_of_the_day(indicators: Indicators, quote: Quote) -> None:
    span, close = float(quote.high - quote.low), float(quote.previous_close)
    if close > 0:
        indicators["day_range_percent"] = span / close * 100
    if span:
        indicators["day_range_position"] = float(quote.price - quote.low) / span


@lru_cache(maxsize=8192)
def _local_minute(minute: str, kind: str, zone: str) -> int:
    return local_minute_of(minute, day_rule(kind, zone).zone)


def _start_session_or_scale(
    state: SymbolState, quote: Quote, facts: SessionFacts, rules: SymbolRules
) -> tuple[bool, str]:
    """Begin anew what a session or a new scale of prices ends.

    Returns whether the quote opens its session, and the label of the split that is suspected, or an empty one.

    A session opens with its first quote of regular hours. The day of alerts begins with the first quote at all: before
    the opening the previous close is the new one already.
    """
    session = facts.session_date
    is_new_day = session > state.day and session > state.session
    opens = facts.regular and session > state.session
    split = None
    # Not a comparison with None: to a Decimal that is the slowest of all.
    if state.split_old_close is None or state.split_old_close != quote.previous_close:
        if state.split_old_close is not None:
            state.split_ratio = state.split_old_close = None
        split = _split(state, quote, is_new_session=is_new_day or opens)
    if split is not None:
        ratio, state.split_label, state.split_old_close = split
        state.split_ratio = ratio if state.split_old_close is not None else None
    if facts.regular or split is not None:
        state.last_price, state.last_open, state.last_previous_close = quote.price, quote.open, quote.previous_close
    if is_new_day or opens or split is not None:
        state.averages = Averages()
        state.returns.start_session()
    if is_new_day:
        state.day = session
        start_session(state.alerts, rules)
    if opens:
        state.session = session
        is_placed = quote.exchange is None or known_zone_of(quote.symbol, quote.exchange) is not None
        state.volume.start_session(session_opening(session, state.day_rule) if is_placed else "")
    is_suspected = split is not None or state.split_ratio is not None
    return opens, state.split_label if is_suspected else ""


def _split(state: SymbolState, quote: Quote, *, is_new_session: bool) -> Split | None:
    if state.last_price is None or state.last_open is None or state.last_previous_close is None:
        return None
    seen = Seen(state.last_price, state.last_open, state.last_previous_close)
    return suspect_split(quote, seen, new_session=is_new_session)


def _gap(state: SymbolState, quote: Quote) -> Decimal | None:
    close = _scaled_close(state, quote)
    return (quote.open - close) / close * _HUNDRED if close > 0 else None


def _adjusted_change(state: SymbolState, quote: Quote, published: Published) -> Decimal | None:
    if state.split_ratio is None:
        return published.change_percent
    close = _scaled_close(state, quote)
    return (quote.price - close) / close * _HUNDRED


def _scaled_close(state: SymbolState, quote: Quote) -> Decimal:
    ratio = state.split_ratio
    return quote.previous_close if ratio is None else quote.previous_close / ratio
