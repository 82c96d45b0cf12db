"""Yahoo's replies as bytes: JSON with the digits kept, and the envelope around the results. Pure."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from stockstream.sources.yahoo.errors import FailureKind, YahooCallError

# Prices keep the text Yahoo wrote: no float in between.
_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)
_SHOWN_BYTES: Final = 120


def decode_json(content: bytes) -> object:
    """Decode a JSON body, numbers with a point or an exponent as Decimal.

    `NaN` and `Infinity` are not JSON, but servers write them; they become such decimals, for the mapping to reject one
    symbol by name where a strict parser would lose the other 89 of the batch.

    Raises:
        YahooCallError: HTML, truncated JSON, or anything else that is no JSON (kind MALFORMED).
    """
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError) as exc:
        shown = content[:_SHOWN_BYTES].decode("utf-8", "replace")
        raise YahooCallError(FailureKind.MALFORMED, f"{exc} in {len(content)} bytes: {shown!r}") from exc


def v7_results(body: object) -> list[Any]:
    """Return the results of a v7 quote reply; unknown symbols are simply not among them.

    Raises:
        YahooCallError: an error envelope (UNAUTHORIZED, RATE_LIMITED or SERVER by its code), or another shape
            (MALFORMED).
    """
    if not isinstance(body, Mapping):
        raise YahooCallError(FailureKind.MALFORMED, f"the reply is a {type(body).__name__}, not an object")
    for envelope in ("quoteResponse", "finance"):
        inner = body.get(envelope)
        if isinstance(inner, Mapping) and inner.get("error"):
            raise YahooCallError(_kind_of_code(inner["error"]), repr(inner["error"])[:200])
    inner = body.get("quoteResponse")
    results = inner.get("result") if isinstance(inner, Mapping) else None
    if not isinstance(results, list):
        raise YahooCallError(FailureKind.MALFORMED, f"no quoteResponse.result in {sorted(map(str, body))[:5]}")
    return results


def _kind_of_code(error: object) -> FailureKind:
    code = str(error.get("code", "")) if isinstance(error, Mapping) else str(error)
    if "unauthorized" in code.lower():
        return FailureKind.UNAUTHORIZED
    if "too many" in code.lower():
        return FailureKind.RATE_LIMITED
    return FailureKind.SERVER
