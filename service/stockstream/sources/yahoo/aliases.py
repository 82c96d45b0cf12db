"""Spellings: the names under which Yahoo answers for a symbol, and what it would rather have been asked. Pure."""

import re
from collections.abc import Iterable
from typing import Final

# Yahoo drops the dollar in front: asked for USDJPY=X, it answers JPY=X.
_DOLLAR_PAIR: Final = re.compile(r"(?:USD)?([A-Z]{3}=X)")
# BRK.B, RDS.A: a class of shares after a point. One letter is an exchange as well where Yahoo has such a suffix.
_SHARE_CLASS: Final = re.compile(r"([A-Z]{1,5})[./]([A-Z])")
_ONE_LETTER_SUFFIXES: Final = frozenset("FLTV")
_CURRENCY_PAIR: Final = re.compile(r"([A-Z]{3})[/-]?([A-Z]{3})")
_CURRENCIES: Final = frozenset(
    ("USD", "EUR", "JPY", "GBP", "CHF", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "PLN", "TRY", "ZAR", "MXN", "CNY")
)
_COIN: Final = re.compile(r"(BTC|ETH|XRP|SOL|BNB|DOGE|ADA|LTC|DOT)/?(USD)T?")


def canonical(symbol: str) -> str:
    """The one name of what several spellings mean: `USDJPY=X` and `JPY=X` are both `JPY=X`."""
    pair = _DOLLAR_PAIR.fullmatch(symbol)
    return pair[1] if pair else symbol


def by_answer(symbols: Iterable[str]) -> dict[str, list[str]]:
    """Symbols as they were asked for, by the name under which the answer may come."""
    asked: dict[str, list[str]] = {}
    for symbol in symbols:
        asked.setdefault(canonical(symbol), []).append(symbol)
    return asked


def hint(symbol: str) -> str:
    """What to try where Yahoo does not know a symbol, as a sentence; empty where nothing comes to mind."""
    share = _SHARE_CLASS.fullmatch(symbol)
    if share and share[2] not in _ONE_LETTER_SUFFIXES:
        return f"Yahoo writes a class of shares with a hyphen: {share[1]}-{share[2]}"
    pair = _CURRENCY_PAIR.fullmatch(symbol)
    if pair and {pair[1], pair[2]} <= _CURRENCIES:
        return f"Yahoo writes a currency pair with =X: {pair[1]}{pair[2]}=X"
    coin = _COIN.fullmatch(symbol)
    if coin:
        return f"Yahoo writes a coin with its currency behind a hyphen: {coin[1]}-{coin[2]}"
    return ""
