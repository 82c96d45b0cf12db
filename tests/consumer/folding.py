"""Folds quotes outside of any pipeline."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from stockstream_lambda.alerts.rules import SymbolRules, bundled_rules
from stockstream_lambda.analysis.fold import Segment, SymbolFold
from stockstream_lambda.analysis.state import SymbolState
from stockstream_lambda.records import Position, UserQuote
from stockstream_wire import Quote, encode_quote

THRESHOLD = Decimal(5)


class Folder:
    """One symbol's fold, quote by quote."""

    def __init__(self, rules: SymbolRules | None = None) -> None:
        self.state = SymbolState()
        self.rules = rules or bundled_rules(THRESHOLD).of("ANY")
        self.segments: list[Segment] = []
        self._count = 0

    def add(self, quotes: Sequence[Quote], stored: Sequence[str] = ()) -> "Folder":
        fold = SymbolFold(quotes[0].symbol, self.state, self.rules, THRESHOLD, 0)
        users = []
        for quote in quotes:
            self._count += 1
            position = Position("shardId-000000000000", str(self._count), 0, 0)
            users.append(UserQuote(quote, encode_quote(quote), position, 0))
        offset = 0
        while offset < len(users):
            segment = fold.fold(users[offset:], set(stored))
            self.segments.append(segment)
            offset += segment.consumed
        return self

    def items(self) -> list[dict[str, Any]]:
        return [plain(item) for segment in self.segments for item in segment.quote_items]

    def closed_candles(self, interval: str) -> list[dict[str, Any]]:
        found = [plain(item) for segment in self.segments for item in segment.closed_candles]
        return [item for item in found if item["interval"] == interval]

    def alerts(self) -> list[tuple[str, str, str]]:
        return [(a.kind, a.direction, a.severity) for segment in self.segments for a in segment.alerts]


def plain(item: bytes) -> dict[str, Any]:
    """A DynamoDB item as plain values: numbers as Decimal."""
    convert = {"N": Decimal, "S": str, "BOOL": bool}
    content: dict[str, dict[str, Any]] = msgspec.json.decode(item)
    return {name: convert[kind](value) for name, typed in content.items() for kind, value in typed.items()}
