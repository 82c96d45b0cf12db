"""The rules file: rules per kind, for all symbols and for some; bundled, or from the bucket, and validated."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from stockstream_lambda.alerts.kinds import KINDS, LEVEL, MOVE, Judgement, Kind, Signals, judge_level
from stockstream_lambda.errors import ConfigError
from stockstream_wire.storage import RULES_VERSION

R = TypeVar("R")

# A symbol's entry of the file: a field for each kind.
_Rules: Final = msgspec.defstruct(
    "_Rules",
    [(kind.name, type(kind.rule), msgspec.field(default=kind.rule)) for kind in KINDS.values()],
    frozen=True,
    forbid_unknown_fields=True,
)


class Watch(msgspec.Struct, frozen=True):
    """One thing that each quote is judged by.

    Attributes:
        kind: Name of its kind.
        name: The end of its alerts' ids, unique within a symbol: the kind, or `level-above-200`.
        key: Of its memory. A level that is taken away and added anew is another one.
        judge: How.
        rule: By what.
    """

    kind: str
    name: str
    key: str
    judge: Callable[[Signals, Any], Judgement | None]
    rule: Any


class SymbolRules:
    """The rules of one symbol.

    Attributes:
        watches: What is on, in the order of the table.
        keys: Their keys.
    """

    def __init__(self, by_kind: Mapping[str, Any]) -> None:
        self._by_kind = by_kind
        self.watches = [
            Watch(name, name, name, kind.judge, by_kind[name])
            for name, kind in KINDS.items()
            if by_kind[name].enabled and kind is not LEVEL
        ]
        levels = by_kind[LEVEL.name].levels if by_kind[LEVEL.name].enabled else ()
        for level in levels:
            name = f"{LEVEL.name}-{level.name}"
            self.watches.append(Watch(LEVEL.name, name, f"{name}@{level.since}", judge_level, level))
        self.keys = frozenset(watch.key for watch in self.watches)

    def __getitem__(self, kind: Kind[R]) -> R:
        rule: R = self._by_kind[kind.name]
        return rule


class _RulesFile(msgspec.Struct, forbid_unknown_fields=True):
    v: int = RULES_VERSION
    defaults: dict[str, dict[str, Any]] = {}
    symbols: dict[str, dict[str, dict[str, Any]]] = {}


class AlertRules:
    """Rules by symbol; a symbol without rules of its own has the defaults.

    Args:
        defaults: Rules of every symbol not named.
        by_symbol: Rules of those that are.
        fingerprint: Short hash of the file and the published threshold, for logs.
    """

    def __init__(self, defaults: SymbolRules, by_symbol: Mapping[str, SymbolRules], fingerprint: str) -> None:
        self._defaults = defaults
        self._by_symbol = by_symbol
        self.fingerprint = fingerprint

    def of(self, symbol: str) -> SymbolRules:
        return self._by_symbol.get(symbol, self._defaults)


def parse_rules(data: bytes, anomaly_threshold_percent: Decimal, source: str) -> AlertRules:
    """Parse and validate a rules file; a symbol's entry overrides single values of the defaults.

    Args:
        data: The file.
        anomaly_threshold_percent: The published threshold, for move rules that name none.
        source: The file's name, for messages.

    Raises:
        ConfigError: not JSON, an unknown field or a value out of range; names the place.
    """
    try:
        content = msgspec.json.decode(data, type=_RulesFile)
        if content.v != RULES_VERSION:
            raise ConfigError(f"alert rules {source}: v={content.v}: must be {RULES_VERSION}")
        defaults = _convert(content.defaults, anomaly_threshold_percent)
        by_symbol: dict[str, SymbolRules] = {}
        for symbol, kinds in content.symbols.items():
            merged = {
                kind: {**content.defaults.get(kind, {}), **kinds.get(kind, {})} for kind in {*content.defaults, *kinds}
            }
            try:
                by_symbol[symbol] = _convert(merged, anomaly_threshold_percent)
            except msgspec.ValidationError as exc:
                raise ConfigError(f"alert rules {source}: symbols.{symbol}: {exc}") from exc
    except msgspec.DecodeError as exc:
        raise ConfigError(f"alert rules {source}: {exc}") from exc
    fingerprint = sha256(data + str(anomaly_threshold_percent).encode()).hexdigest()[:12]
    return AlertRules(defaults, by_symbol, fingerprint)


@cache
def bundled_rules(anomaly_threshold_percent: Decimal) -> AlertRules:
    """The rules that ship with the consumer."""
    data = Path(__file__).with_name("default_rules.json").read_bytes()
    return parse_rules(data, anomaly_threshold_percent, "default_rules.json")


def _convert(content: Mapping[str, Any], threshold_percent: Decimal) -> SymbolRules:
    by_kind = msgspec.structs.asdict(msgspec.convert(content, _Rules))
    move = by_kind[MOVE.name]
    if move.threshold_percent is None:
        by_kind[MOVE.name] = msgspec.structs.replace(move, threshold_percent=float(threshold_percent))
    return SymbolRules(by_kind)
