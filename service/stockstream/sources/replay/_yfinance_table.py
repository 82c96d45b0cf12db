"""The table that `yfinance.download(…).to_csv()` writes: two lines of header, a group of columns for each symbol.

Price,Close,Close,High,High,…        or, with `group_by="ticker"`:  Ticker,AAPL,AAPL,…
Ticker,AAPL,MSFT,AAPL,MSFT,…                                        Price,Open,High,…
Date,,,,,…                                                          Date,,,…
2026-11-24,249.2,…
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from stockstream.sources.replay._values import RowError

FIRST_CELLS: Final = frozenset({"price", "ticker"})
_DEFAULT_INDEX: Final = "Date"


@dataclass(frozen=True, slots=True)
class YfinanceTable:
    """Gives a row of one symbol for each symbol of a line.

    Attributes:
        fields: Names of the values of a symbol, without repetition.
        places: Of each symbol, where each of the fields stands in a line; -1 where it has none.
        width: How many values a line has.
        index: Name of the first column, the time.
    """

    fields: tuple[str, ...]
    places: dict[str, tuple[int, ...]]
    width: int
    index: str = _DEFAULT_INDEX

    @classmethod
    def of(cls, first: Sequence[str], second: Sequence[str]) -> "YfinanceTable | None":
        """The table that two lines of header make, or None where they are no such lines."""
        lines = {line[0].strip().lower(): line[1:] for line in (first, second) if line}
        if lines.keys() != FIRST_CELLS or len(first) != len(second):
            return None
        pairs = [(ticker.strip(), field.strip()) for ticker, field in zip(lines["ticker"], lines["price"], strict=True)]
        at = {pair: index for index, pair in enumerate(pairs, start=1)}
        fields = tuple(dict.fromkeys(field for _, field in pairs))
        symbols = dict.fromkeys(ticker for ticker, _ in pairs)
        places = {symbol: tuple(at.get((symbol, field), -1) for field in fields) for symbol in symbols}
        return cls(fields, places, len(first))

    @property
    def columns(self) -> list[str]:
        """Names of the values of a row."""
        return [self.index, "Ticker", *self.fields]

    def rows(self, values: Sequence[str]) -> Iterator[list[str] | RowError]:
        """One row a symbol; none for a symbol that has no value in this line."""
        if len(values) != self.width:
            yield RowError("column_count", f"has {len(values)} values where the header has {self.width}")
            return
        for symbol, places in self.places.items():
            row = [values[place] if place > 0 else "" for place in places]
            if any(row):
                yield [values[0], symbol, *row]
