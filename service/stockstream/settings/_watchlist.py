"""Watchlists as people save them: one symbol a line, a table, a broker's list, JSON; in any of their encodings."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Final

from stockstream_wire import QuoteInvalidError, validate_symbol

# Names of a column of symbols in a header line.
_HEADERS: Final = frozenset({"symbol", "symbols", "ticker", "tickers", "ticker symbol", "yahoo symbol", "code"})
# Of them what was a company's symbol.
_SYMBOLS_TOO: Final = frozenset({"CODE"})
# So many lines may stand above a table's header.
_LINES_ABOVE_MAX: Final = 12
_COMMENT_STARTS: Final = ("#", ";", "//", "--")
# Headings among the symbols of a TradingView list.
SECTION: Final = re.compile(r"###[^,]*,?")
# Outside a table these separate symbols; no symbol of Yahoo's holds one.
_SEPARATORS: Final = re.compile(r"[,;|\t]")
# Nothing, and what stands before the items of a list in Markdown and YAML.
_BULLETS: Final = frozenset({"", "-", "*", "\u2022"})
# $AAPL, as people write on forums.
_CASHTAG: Final = re.compile(r"^\$(?=[A-Z])")
_QUOTES: Final = "\"'`\u201c\u201d"
# Exchanges that stand before a colon in lists of other programs, and whose symbols Yahoo writes bare.
_AMERICAN: Final = frozenset(
    ("NASDAQ", "NYSE", "AMEX", "NYSEARCA", "NYSEAMERICAN", "NYSEMKT", "ARCA", "BATS", "CBOE", "OTC", "OTCMKTS", "US")
)
_LIKE: Final = "LSE:VOD is VOD.L at Yahoo, TSX:SHOP is SHOP.TO; see finance.yahoo.com"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_SHOWN_CHARACTERS: Final = 60

Found = tuple[int, str]


def decode_text(data: bytes) -> str:
    """Decode a text file by its byte order mark, as UTF-16 where every other byte is 0, else as UTF-8.

    Raises:
        UnicodeDecodeError: none of them.
    """
    mark, encoding = encoding_of(data)
    return data[len(mark) :].decode(encoding)


def encoding_of(data: bytes) -> tuple[bytes, str]:
    """The byte order mark that a text file begins with, which may be none, and its encoding."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return mark, encoding
    if data[1:2] == b"\0":
        return b"", "utf-16-le"
    return b"", "utf-16-be" if data[:1] == b"\0" else "utf-8"


def read_symbols(text: str) -> tuple[list[str], list[str]]:
    """Read the symbols out of a watchlist's text.

    Returns:
        Symbols, in upper case, in the order of the file, each once; and what could not be read, as `line: reason`.
    """
    symbols: dict[str, None] = {}
    skipped: list[str] = []
    try:
        parts = list(_parts(text))
    except json.JSONDecodeError as exc:
        return [], [f"{exc.lineno}: begins like JSON and is none: {exc.msg}"]
    for number, part in parts:
        symbol, reason = meant_symbol(part)
        if symbol:
            symbols[symbol] = None
        elif reason:
            skipped.append(f"{number}: {reason}")
    return list(symbols), skipped


def locate_symbols(text: str) -> list[Found]:
    """The symbols of a watchlist's text with the line that each stands in; of JSON the first, whatever its lines."""
    try:
        found = [(number, meant_symbol(part)[0]) for number, part in _parts(text)]
    except json.JSONDecodeError:
        return []
    return [(number, symbol) for number, symbol in found if symbol]


def _parts(text: str) -> Iterator[Found]:
    """What may be symbols, with the number of the line of each."""
    if text.lstrip().startswith(("[", "{")):
        yield from _json_parts(text)
        return
    lines = [(number, SECTION.sub("", line).strip()) for number, line in enumerate(text.splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith(_COMMENT_STARTS)]
    header, column = _find_table(lines)
    if column is not None:
        separator, index = column
        for number, line in lines[header + 1 :]:
            try:
                cells = next(csv.reader(io.StringIO(line), delimiter=separator))
            except csv.Error:  # a cell of 128 KiB: no row of symbols
                yield number, line[:_SHOWN_CHARACTERS]
                continue
            yield number, cells[index] if index < len(cells) else ""
        return
    if lines and lines[0][1].strip(_QUOTES + ",;").lower() in _HEADERS:
        lines = lines[1:]
    for number, line in lines:
        for part in _SEPARATORS.split(line.split("#", 1)[0]):
            # Symbols in capitals with blanks between them are symbols; other words are a name or a sentence.
            words = part.split() if part == part.upper() else [part]
            for word in words:
                yield number, word


def _find_table(lines: list[Found]) -> tuple[int, tuple[str, int] | None]:
    """Where a table's header is, and its column of symbols; brokers write a few lines of their own above it."""
    for place, (_, line) in enumerate(lines[:_LINES_ABOVE_MAX]):
        column = _table_column(line)
        if column is not None:
            return place, column
    return 0, None


def _table_column(header: str) -> tuple[str, int] | None:
    """The separator of a table and the place of its symbols, where the line is such a header."""
    for separator in (",", ";", "\t", "|"):
        cells = [cell.strip().strip(_QUOTES) for cell in header.split(separator)]
        named = [index for index, cell in enumerate(cells) if cell.lower() in _HEADERS and cell not in _SYMBOLS_TOO]
        if len(cells) > 1 and named:
            return separator, named[0]
    return None


def _json_parts(text: str) -> Iterator[Found]:
    try:
        content = json.loads(text)
    except RecursionError as exc:
        raise json.JSONDecodeError("too many brackets in one another", text, 0) from exc
    if isinstance(content, dict):  # {"symbols": [...]}, {"watchlist": [...]}
        lists = [value for value in content.values() if isinstance(value, list)]
        content = lists[0] if len(lists) == 1 else [content]
    for item in content:
        if isinstance(item, dict):
            item = next((value for key, value in item.items() if key.lower() in _HEADERS), item)  # noqa: PLW2901
        yield 1, item if isinstance(item, str) else json.dumps(item)


def meant_symbol(part: str) -> tuple[str, str]:
    """The symbol that a text means, or why it means none; both empty where there is nothing."""
    text = part.strip().strip(_QUOTES).strip().upper()
    if text in _BULLETS:
        return "", ""
    text = _CASHTAG.sub("", text)
    exchange, colon, rest = text.partition(":")
    if colon and exchange in _AMERICAN:
        # Other programs write a class of shares with a point: NYSE:BRK.B.
        text = rest.replace(".", "-").replace("/", "-")
    elif colon:
        return "", f"{text[:40]!a} names an exchange before a colon; Yahoo writes it as a suffix: {_LIKE}"
    try:
        validate_symbol(text)
    except QuoteInvalidError as exc:
        return "", str(exc)
    return text, ""
