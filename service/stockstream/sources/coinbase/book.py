"""What is known of each product between messages, and the quote that a message makes of it. Pure.

A session is the UTC day. The feed's own figures are of the last 24 hours: `open_24h` is the price of 24 hours ago and
no previous close, `low_24h` and `high_24h` are no day's range, and none of the three is stored. Open, range and
previous close are the UTC day's, from the candles at the start and from trades after that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from stockstream.sources.amounts import whole
from stockstream.sources.coinbase.messages import Heartbeat, Ticker, event_time
from stockstream.sources.coinbase.rest import Day
from stockstream_wire import Quote, format_timestamp, validate_quote

LABEL: Final = "coinbase"
EXCHANGE: Final = "COINBASE"
# A trade is told by ticker and heartbeat at once: a second heartbeat ahead of the tickers has seen what we missed.
_HEARTBEATS_BEHIND: Final = 2


class Held(StrEnum):
    """Why a tick made no quote; the values are names of counters."""

    NO_DAY = "tick_without_day"
    OUT_OF_ORDER = "tick_out_of_order"


@dataclass(slots=True)
class _Product:
    session: date
    day: Day
    previous_close: Decimal
    sequence: int = -1
    # Of the newest trade of this connection.
    at: datetime | None = None
    trade_id: int = 0
    heartbeats_behind: int = 0
    # Every trade since the last one is known: then the last price before midnight is the close.
    is_unbroken: bool = True


class CoinbaseBook:
    """The products followed."""

    def __init__(self) -> None:
        self._products: dict[str, _Product] = {}

    def knows(self, symbol: str) -> bool:
        """Whether ticks of the product can be made quotes."""
        return symbol in self._products

    def forget(self, symbol: str) -> None:
        """Drop a product that has left the watchlist."""
        self._products.pop(symbol, None)

    def set_days(self, symbol: str, days: Mapping[date, Day], now: datetime) -> bool:
        """Take a product's newest day and the close before it; False where it has traded on one day only, or on none.

        A product that has not traded today stands where its last day left it, and opens with its next trade.
        """
        today = now.astimezone(UTC).date()
        known = self._products.get(symbol)
        # The candles may be some seconds behind what the feed has told of the same day.
        ahead = known.day if known is not None and known.session == today else None
        session = today if ahead is not None else max((one for one in days if one <= today), default=today)
        earlier = [one for one in days if one < session]
        if not earlier:
            return False
        previous_close = days[max(earlier)].close
        day = days.get(session) or ahead
        if day is None:
            return False
        if ahead is not None:
            day = Day(day.open, max(day.high, ahead.high), min(day.low, ahead.low), ahead.close)
        if known is None:
            self._products[symbol] = _Product(session, day, previous_close)
        else:
            known.session, known.day, known.previous_close = session, day, previous_close
            known.is_unbroken = True
        return True

    def connection_lost(self) -> None:
        """Note that trades may have been missed, of every product."""
        for product in self._products.values():
            product.is_unbroken = False
            product.sequence, product.at, product.trade_id, product.heartbeats_behind = -1, None, 0, 0

    def needs_days(self, symbol: str) -> bool:
        """Whether the candles must be asked, for the product's day or for trades that were missed."""
        product = self._products.get(symbol)
        return product is None or not product.is_unbroken

    def take_heartbeat(self, heartbeat: Heartbeat) -> bool:
        """Note a heartbeat; True where it has seen a trade that no ticker told of."""
        product = self._products.get(heartbeat.product_id)
        if product is None:
            return False
        if not product.trade_id:  # of a new connection: trades before it are nothing that it keeps from us
            product.trade_id = heartbeat.last_trade_id
        if heartbeat.last_trade_id <= product.trade_id:
            product.heartbeats_behind = 0
            return False
        product.heartbeats_behind += 1
        if product.heartbeats_behind != _HEARTBEATS_BEHIND:
            return False
        product.is_unbroken = False
        return True

    def tickers_are_mute(self, symbol: str, heartbeats: int) -> bool:
        """Whether so many heartbeats in a row have told of trades that the ticker channel kept from us."""
        product = self._products.get(symbol)
        return product is not None and product.heartbeats_behind >= heartbeats

    def quote_of(self, ticker: Ticker, polled_at: datetime) -> Quote | Held:
        """Make a quote of a tick; `take` it, where nothing is wrong with it.

        Raises:
            QuoteInvalidError: its figures are no quote.
        """
        product = self._products.get(ticker.product_id)
        if product is None:
            return Held.NO_DAY
        moment = event_time(ticker)
        # A trade that is later, under a lower number, is no older message: the exchange counts anew.
        if ticker.sequence <= product.sequence and (product.at is None or moment <= product.at):
            return Held.OUT_OF_ORDER
        session = moment.astimezone(UTC).date()
        price = ticker.price
        is_price = price.is_finite() and price > 0  # what is none is refused under its own name
        day, previous_close = product.day, product.previous_close
        if session > product.session:
            if not product.is_unbroken:  # the close may be among the trades that were missed: the candles will tell
                return Held.NO_DAY
            previous_close, day = product.day.close, Day(price, price, price, price)
        elif session < product.session:
            return Held.OUT_OF_ORDER
        quote = Quote(
            symbol=ticker.product_id,
            timestamp=format_timestamp(moment),
            open=day.open,
            high=max(day.high, price) if is_price else day.high,
            low=min(day.low, price) if is_price else day.low,
            price=price,
            previous_close=previous_close,
            volume=whole(ticker.volume_24h),  # coins: what is less than one is cut off
            bid=_positive(ticker.best_bid),
            ask=_positive(ticker.best_ask),
            currency=ticker.product_id.rpartition("-")[2] or None,
            exchange=EXCHANGE,
            market_state="REGULAR",
            polled_at=format_timestamp(polled_at),
            source=LABEL,
            session_date=session.isoformat(),
            volume_kind="rolling",
            kind="crypto",
        )
        validate_quote(quote)
        return quote

    def take(self, ticker: Ticker, quote: Quote) -> None:
        """Remember a tick, with the quote that was made of it."""
        product = self._products[ticker.product_id]
        is_counted_anew = ticker.sequence <= product.sequence
        product.trade_id = ticker.trade_id if is_counted_anew else max(product.trade_id, ticker.trade_id)
        product.sequence, product.at = ticker.sequence, event_time(ticker)
        product.heartbeats_behind = 0
        product.session, product.previous_close = event_time(ticker).astimezone(UTC).date(), quote.previous_close
        product.day = Day(quote.open, quote.high, quote.low, quote.price)


def _positive(price: Decimal | None) -> Decimal | None:
    return price if price is not None and price.is_finite() and price > 0 else None
