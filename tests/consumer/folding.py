"""Folds quotes outside of any pipeline."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from stockstream_lambda.alerts.rules import AlertRules, SymbolRules, bundled_rules
from stockstream_lambda.analysis.fold import Effects, Fold
from stockstream_lambda.analysis.state import States, SymbolState
from stockstream_lambda.log import Accepted, Close
from stockstream_wire import Quote

THRESHOLD = Decimal(5)


class Folder:
    """A fold, entry by entry; `state` is that of the symbol that came last."""

    def __init__(self, rules: SymbolRules | None = None, retention_days: int = 0) -> None:
        self.states: States = {}
        self.rules = AlertRules(rules, {}, "") if rules else bundled_rules(THRESHOLD)
        self.effects: list[Effects] = []
        self._fold = Fold(THRESHOLD, retention_days)
        self._symbol = ""

    @property
    def state(self) -> SymbolState:
        return self.states[self._symbol]

    def add(self, quotes: Sequence[Quote]) -> "Folder":
        self._symbol = quotes[-1].symbol
        self.effects.append(self._fold.apply(self.states, Accepted(quotes), self.rules))
        return self

    def close(self, until: str) -> "Folder":
        self.effects.append(self._fold.apply(self.states, Close(until), self.rules))
        return self

    def items(self) -> list[dict[str, Any]]:
        return [plain(item) for effects in self.effects for _, item in effects.quotes]

    def closed_candles(self, interval: str) -> list[dict[str, Any]]:
        found = [plain(item) for effects in self.effects for _, item in effects.candles]
        return [item for item in found if item["interval"] == interval]

    def minutes(self) -> list[list[Any]]:
        """The closed minutes of all closed blocks."""
        return [minute for block in self.closed_candles("5m") for minute in block["minutes"]]

    def alerts(self) -> list[tuple[str, str, str]]:
        return [(a.kind, a.direction, a.severity) for effects in self.effects for a in effects.alerts]


def plain(item: bytes) -> dict[str, Any]:
    """A DynamoDB item as plain values: numbers as Decimal."""
    content: dict[str, dict[str, Any]] = msgspec.json.decode(item)
    return {name: plain_value(value) for name, value in content.items()}


def plain_value(typed: dict[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    if kind == "L":
        return [plain_value(element) for element in value]
    if kind == "NULL":
        return None
    return Decimal(value) if kind == "N" else value


def item_bytes(item: bytes) -> int:
    """An item's size by DynamoDB's rules (Developer Guide, "Item sizes and formats"): what a write is billed by."""
    content: dict[str, dict[str, Any]] = msgspec.json.decode(item)
    return sum(len(name.encode()) + _value_bytes(value) for name, value in content.items())


def _value_bytes(typed: dict[str, Any]) -> int:
    ((kind, value),) = typed.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        digits = Decimal(value).as_tuple().digits
        significant = len("".join(map(str, digits)).strip("0"))
        return (significant + 1) // 2 + 1 + (Decimal(value) < 0)
    if kind == "L":
        return 3 + sum(1 + _value_bytes(element) for element in value)
    return 1
