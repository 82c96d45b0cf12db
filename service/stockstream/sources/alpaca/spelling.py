"""Our symbols are spelt as Yahoo does; Alpaca writes a class and a series of shares with a point. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from stockstream.sources.base import Rejection

# One symbol that is none to Alpaca has the whole request refused, so those that cannot be one are never asked for.
_THEIRS: Final = re.compile(r"[A-Z]{1,6}(?:\.(?:[A-Z]|PR[A-Z]|WS|RT))?")
_CLASS: Final = re.compile(r"([A-Z]{1,5})-([A-Z])")
_PREFERRED: Final = re.compile(r"([A-Z]{1,5})-P([A-Z])")
# Suffixes of exchanges outside the United States are points too, and some look like a class: they win.
_FOREIGN: Final = frozenset({"L", "F", "T", "V"})
_UNKNOWN: Final = "Alpaca has shares and ETFs of the United States: no indices, funds, futures, currencies and coins"


@dataclass(frozen=True, slots=True)
class Spellings:
    """A watchlist in Alpaca's words.

    Attributes:
        ours: Alpaca's spelling to ours.
        refused: What cannot be a symbol of Alpaca's, by name.
    """

    ours: Mapping[str, str]
    refused: tuple[Rejection, ...]


def their_spelling(symbol: str) -> str | None:
    """Alpaca's spelling of one of our symbols (`BRK-B` is `BRK.B`, `BAC-PL` is `BAC.PRL`), or None."""
    if preferred := _PREFERRED.fullmatch(symbol):
        return f"{preferred[1]}.PR{preferred[2]}"
    if share_class := _CLASS.fullmatch(symbol):
        return f"{share_class[1]}.{share_class[2]}"
    if _THEIRS.fullmatch(symbol) and symbol.partition(".")[2] not in _FOREIGN:
        return symbol
    return None


def spell(symbols: Iterable[str]) -> Spellings:
    """Spell a watchlist as Alpaca does."""
    ours: dict[str, str] = {}
    refused: list[Rejection] = []
    for symbol in symbols:
        theirs = their_spelling(symbol)
        if theirs is None:
            refused.append(Rejection(symbol, "unknown_symbol", _UNKNOWN))
        elif theirs in ours:
            refused.append(
                Rejection(symbol, "duplicate_symbol", f"the same share as {ours[theirs]}, which is followed")
            )
        else:
            ours[theirs] = symbol
    return Spellings(ours, tuple(refused))
