"""Bars as quotes of their sessions: an export of bars has no previous close, and its volumes are not cumulative."""

from collections import OrderedDict
from decimal import Decimal
from typing import Any, Final, NamedTuple

from stockstream.sources.replay._values import RowError
from stockstream_wire import Quote, session_facts

_SYMBOLS_MAX: Final = 100_000


class _Session(NamedTuple):
    date: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None
    previous_close: Decimal | None


class SessionBuilder:
    """Turns bars, in order of time, into quotes.

    Range and volume are those of the session so far, and the previous close is the last close of the session before.
    The first session of a symbol has none, and gives no quote.
    """

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def quote(self, fields: dict[str, Any]) -> Quote:
        """Make the quote of a bar.

        Args:
            fields: Of a quote, without `previous_close`; open, high, low and volume are the bar's.

        Raises:
            RowError: `previous_close_unknown`.
        """
        bar = Quote(**fields, previous_close=fields["price"])
        before = self._sessions.pop(bar.symbol, None)
        session = _advance(before, bar)
        if len(self._sessions) >= _SYMBOLS_MAX:
            self._sessions.popitem(last=False)
        self._sessions[bar.symbol] = session
        if session.previous_close is None:
            detail = (
                f"{bar.symbol} has no session before {session.date} in the file, and so no previous close. "
                "Remedy: add the session before, or a column previous_close"
            )
            raise RowError("previous_close_unknown", detail)
        return Quote(
            **{
                **fields,
                "open": session.open,
                "high": session.high,
                "low": session.low,
                "volume": session.volume,
                "previous_close": session.previous_close,
            }
        )


def _advance(before: _Session | None, bar: Quote) -> _Session:
    day = session_facts(bar).session_date
    if before is None or before.date != day:
        close = None if before is None else before.close
        return _Session(day, bar.open, bar.high, bar.low, bar.price, bar.volume, close)
    volume = before.volume if bar.volume is None else bar.volume + (before.volume or 0)
    return before._replace(
        high=max(before.high, bar.high), low=min(before.low, bar.low), close=bar.price, volume=volume
    )
