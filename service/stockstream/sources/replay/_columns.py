"""Which column of a file is which: our own names, those of common exports, and those the user gives.

| Export | Columns |
|---|---|
| ours, and our archive | timestamp symbol open high low price previous_close volume … |
| Yahoo's download, `yfinance` to CSV | Date or Datetime, Open High Low Close Adj Close Volume |
| Alpaca bars | symbol timestamp open high low close volume |
| Stooq | <TICKER> <DATE> <TIME> <OPEN> <HIGH> <LOW> <CLOSE> <VOL>, or Date Open High Low Close Volume |
| Nasdaq | Date Close/Last Volume Open High Low |
| Investing.com | Date Price Open High Low Vol. Change % |
| Polygon's flat files | ticker volume open close high low window_start transactions |
"""

from collections.abc import Mapping, Sequence
from typing import Final

from stockstream.errors import InputError

REQUIRED_COLUMNS: Final = ("timestamp", "symbol", "open", "high", "low", "price", "previous_close", "volume")
# Used where a file has them. `source` is not among them: a replayed quote says that it is one.
OPTIONAL_COLUMNS: Final = (
    "bid", "ask", "currency", "exchange", "market_state", "polled_at", "delayed_by_seconds", "stale",
    "session_date", "volume_kind", "regular", "kind",
)  # fmt: skip
# A file may do without: one symbol is named by the user; bars have no previous close.
DISPENSABLE_COLUMNS: Final = frozenset({"symbol", "previous_close"})
# A file whose price is called so, and that has no previous close, is one of bars.
_CLOSES: Final = frozenset({"close", "close/last", "c"})
# Investing.com's alone has both: its price is a bar's close.
_INVESTING_MARKS: Final = frozenset({"vol.", "change %"})
# The clock beside a date in a column of its own.
TIME_OF_DAY: Final = "time_of_day"

# In the order of preference; compared in lower case, without < > and with one blank where there are more.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "timestamp": ("timestamp", "datetime", "date/time", "date time", "date", "time", "window_start", "t"),
    "symbol": ("symbol", "ticker", "act symbol", "s"),
    "open": ("open", "open price", "o"),
    "high": ("high", "high price", "day high", "h"),
    "low": ("low", "low price", "day low", "l"),
    "price": ("price", "close", "close/last", "last", "last price", "c"),
    "previous_close": (
        "previous_close",
        "previous close",
        "prev close",
        "prev_close",
        "prevclose",
        "previousclose",
        "pc",
    ),
    "volume": ("volume", "vol", "vol.", "v"),
}
# Nasdaq's export alone has this column, and writes its dates as 11/25/2026; so does Investing.com's.
_NASDAQ_MARK: Final = "close/last"


def plain_name(name: str) -> str:
    """A column's name as it is compared: lower case, without <>, blanks and quotes around."""
    return " ".join(name.strip().strip("<>\"'").lower().split())


def name_columns(file_name: str, found: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """Give the columns of a file our names; those that mean nothing to us keep theirs.

    Args:
        file_name: As the user gave it.
        found: Names in the file.
        chosen: Our name to the file's, as the user gave them.

    Raises:
        InputError: a column that the user named is not there.
    """
    plain = [plain_name(name) for name in found]
    named = list(plain)
    taken: set[int] = set()
    for ours, theirs in chosen.items():
        if plain_name(theirs) not in plain:
            shown = ", ".join(ascii(name)[1:-1] for name in found[:20])
            raise InputError(f"{file_name}: --columns {ours}={theirs}: no such column; found: {shown}")
        index = plain.index(plain_name(theirs))
        named[index] = ours
        taken.add(index)
    for ours, names in _NAMES.items():
        if ours in chosen:
            continue
        index = next((plain.index(name) for name in names if name in plain and plain.index(name) not in taken), -1)
        if index >= 0:
            named[index] = ours
            taken.add(index)
    # A date and a time of day are one moment in two columns.
    for index, name in enumerate(plain):
        if name == "time" and index not in taken and TIME_OF_DAY not in named:
            named[index] = TIME_OF_DAY
    return named


def has_bars(found: Sequence[str], named: Sequence[str]) -> bool:
    """Tell whether rows are bars, each with a range and a volume of its own, and not quotes of a session.

    Args:
        found: Names in the file.
        named: Our names for them.
    """
    is_close = any(ours == "price" and plain_name(name) in _CLOSES for ours, name in zip(named, found, strict=True))
    return (is_close or _is_of_investing(found)) and "previous_close" not in named


def has_american_dates(found: Sequence[str]) -> bool:
    """Tell whether the columns are those of an export that writes month, day, year."""
    return _NASDAQ_MARK in {plain_name(name) for name in found} or _is_of_investing(found)


def _is_of_investing(found: Sequence[str]) -> bool:
    return {plain_name(name) for name in found} >= _INVESTING_MARKS


def check_columns(file_name: str, columns: Sequence[str], *, symbol_known: bool = False, bars: bool = False) -> None:
    """Stop a replay whose file cannot give quotes.

    Args:
        file_name: As the user gave it.
        columns: Our names, as `name_columns` gives them.
        symbol_known: The user has named the one symbol that the file is of.
        bars: The rows are bars, whose previous close is that of the session before.

    Raises:
        InputError: naming the file and the columns that are missing, or there twice.
    """
    dispensable = {"symbol": symbol_known, "previous_close": bars}
    missing = [name for name in REQUIRED_COLUMNS if name not in columns and not dispensable.get(name, False)]
    if missing:
        found = ", ".join(ascii(name)[1:-1] for name in columns[:20])
        noun = "column" if len(missing) == 1 else "columns"
        remedy = f"A replay file needs {','.join(REQUIRED_COLUMNS)}, in any order; --columns price=NAME names one"
        if missing == ["symbol"]:
            remedy = "Name the symbol that the file is of: --symbols AAPL; or the column: --columns symbol=NAME"
        raise InputError(f"{file_name}: {noun} {', '.join(missing)} missing; found: {found}. {remedy}")
    known = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
    twice = [name for name in known if list(columns).count(name) > 1]
    if twice:
        raise InputError(f"{file_name}: column {twice[0]} is there twice. Remove or rename one")
