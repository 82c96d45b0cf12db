"""Kinds of instruments: which prices may be zero or negative, and what a volume counts, where nobody said so."""

import re
from functools import lru_cache
from typing import Final, Literal, get_args

Kind = Literal["equity", "etf", "fund", "index", "currency", "crypto", "future", "option", "rate", "spread", "other"]
VolumeKind = Literal["session", "rolling", "none"]

KINDS: Final[tuple[str, ...]] = get_args(Kind)
# A future may settle below zero (WTI, 2020-04-20: -37.63), a rate may be negative, a spread is a difference. Yahoo
# files yields (^IRX) and breadth (differences of counts) under indices.
_SIGNED_KINDS: Final = frozenset({"future", "index", "rate", "spread"})
# Cumulative in the session unless listed: crypto's figure is that of the last 24 hours, and nobody counts all of FX.
_VOLUME_KINDS: Final[dict[str, VolumeKind]] = {"crypto": "rolling", "currency": "none", "rate": "none", "fund": "none"}

# Yahoo's spelling: GC=F, EURUSD=X, ^GSPC, BTC-USD, AAPL261218C00200000.
_CRYPTO_QUOTED_IN: Final = (
    "-USD", "-EUR", "-GBP", "-JPY", "-KRW", "-INR", "-CAD", "-AUD", "-CNY", "-USDT", "-USDC", "-BTC", "-ETH",
)  # fmt: skip
_OPTION: Final = re.compile(r"[A-Z]{1,6}[0-9]{6}[CP][0-9]{8}")
_CRYPTO_EXCHANGE: Final = "CCC"
_CURRENCY_EXCHANGE: Final = "CCY"


@lru_cache(maxsize=16_384)
def guess_kind(symbol: str, exchange: str | None = None) -> Kind:
    """Guess an instrument's kind from its exchange code and Yahoo's spelling of symbols; `equity` where nothing says.

    Args:
        symbol: Ticker as Yahoo spells it.
        exchange: Yahoo's exchange code, where known.
    """
    if exchange == _CRYPTO_EXCHANGE:
        return "crypto"
    if exchange == _CURRENCY_EXCHANGE or symbol.endswith("=X"):
        return "currency"
    if symbol.endswith("=F"):
        return "future"
    if symbol.startswith("^"):
        return "index"
    if exchange is None and symbol.endswith(_CRYPTO_QUOTED_IN):
        return "crypto"
    if _OPTION.fullmatch(symbol):
        return "option"
    return "equity"


def may_be_negative(kind: str) -> bool:
    """Tell whether a price of the kind may be zero or below."""
    return kind in _SIGNED_KINDS


def usual_volume_kind(kind: str) -> VolumeKind:
    """What the volume of the kind counts: `session` (cumulative), `rolling` (of the last 24 hours), `none`."""
    return _VOLUME_KINDS.get(kind, "session")
