"""Symbols as a person asks for them."""

from collections.abc import Iterable

from stockstream.errors import InputError
from stockstream_wire import QuoteInvalidError, validate_symbol


def upper_symbols(symbols: Iterable[str]) -> list[str]:
    """Symbols in upper case, each once.

    Raises:
        InputError: naming one that is none.
    """
    upper = list(dict.fromkeys(symbol.upper() for symbol in symbols))
    for symbol in upper:
        try:
            validate_symbol(symbol)
        except QuoteInvalidError as exc:
            raise InputError(str(exc)) from exc
    return upper
