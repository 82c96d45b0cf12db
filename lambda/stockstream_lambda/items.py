"""DynamoDB items as JSON bytes, in DynamoDB's attribute notation.

Written by templates: a symbol and a timestamp are of a validated alphabet that JSON never escapes, and a number's text
needs no escaping; every other string goes through the JSON encoder.
"""

from functools import lru_cache
from typing import Final

import msgspec

from stockstream_lambda.published import Published
from stockstream_wire import Quote
from stockstream_wire.storage import EXPIRES_AT, expires_at_seconds

_encode: Final = msgspec.json.encode

# By name.
Indicators = dict[str, float]


def quote_attributes(quote: Quote, published: Published, indicators: Indicators, marks: str) -> str:
    """The attributes of a stored quote without the braces: the twelve published fields first, then our own.

    Args:
        quote: The quote.
        published: Its derived fields.
        indicators: Our indicators; those not warm are left out.
        marks: Ready attributes, each with a comma before it.
    """
    q, percent = quote, published.change_percent
    head = (
        f'"symbol":{{"S":"{q.symbol}"}},"timestamp":{{"S":"{q.timestamp}"}},'
        f'"open":{{"N":"{q.open!s}"}},"high":{{"N":"{q.high!s}"}},"low":{{"N":"{q.low!s}"}},'
        f'"price":{{"N":"{q.price!s}"}},"previous_close":{{"N":"{q.previous_close!s}"}},'
        f'"change":{{"N":"{published.change!s}"}},"moving_average":{{"N":"{published.moving_average!s}"}},'
        f'"anomaly":{{"S":"{"Yes" if published.anomaly else "No"}"}}'
    )
    if percent is not None:
        head += f',"change_percent":{{"N":"{percent!s}"}}'
    if q.volume is not None:
        head += f',"volume":{{"N":"{q.volume}"}}'
    if q.bid is not None:
        head += f',"bid":{{"N":"{q.bid!s}"}}'
    if q.ask is not None:
        head += f',"ask":{{"N":"{q.ask!s}"}}'
    if q.delayed_by_seconds is not None:
        head += f',"delayed_by_seconds":{{"N":"{q.delayed_by_seconds}"}}'
    if q.silent_symbols is not None:
        head += f',"silent_symbols":{{"N":"{q.silent_symbols}"}}'
    if q.polled_at is not None:
        head += f',"polled_at":{{"S":"{q.polled_at}"}}'
    described = _described(q.source, q.currency, q.exchange, q.market_state, q.stale)
    told = _template(tuple(indicators)) % tuple(indicators.values()) if indicators else ""
    return f"{head}{described}{told}{marks}"


@lru_cache(maxsize=1024)  # of a few sources, currencies and exchanges
def _described(
    source: str | None, currency: str | None, exchange: str | None, market_state: str | None, stale: bool
) -> str:
    texts = {"source": source, "currency": currency, "exchange": exchange, "market_state": market_state}
    parts = [f',"{name}":{attribute(text)}' for name, text in texts.items() if text is not None]
    if stale:
        parts.append(f',"stale":{attribute(True)}')
    return "".join(parts)


@lru_cache(maxsize=1024)  # of some ways to be warm
def _template(names: tuple[str, ...]) -> str:
    # A third faster than a format string a number, a dozen times a quote.
    return "".join([f',"{name}":{{"N":"%.10g"}}' for name in names])


def attribute(value: str | bool) -> str:
    """One attribute value of type S or BOOL."""
    if isinstance(value, str):
        return f'{{"S":{_encode(value).decode()}}}'
    return f'{{"BOOL":{"true" if value else "false"}}}'


def expires_attribute(timestamp: str, retention_days: int) -> str:
    """The TTL attribute with a leading comma: event time plus retention in epoch seconds; empty where kept for ever."""
    if not retention_days:
        return ""
    return _expires(timestamp[:16], retention_days)


@lru_cache(maxsize=4096)
def _expires(minute: str, retention_days: int) -> str:
    return f',"{EXPIRES_AT}":{{"N":"{expires_at_seconds(minute, retention_days)}"}}'
