"""Alert rules: thresholds per kind, for all symbols and for some; bundled, or from the bucket, and validated."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from stockstream_lambda.errors import ConfigError

RULES_VERSION: Final = 1

_Percent = Annotated[float, msgspec.Meta(gt=0, le=1000)]
_Fraction = Annotated[float, msgspec.Meta(gt=0, le=1)]
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400)]
_Ratio = Annotated[float, msgspec.Meta(gt=1, le=10_000)]
_Score = Annotated[float, msgspec.Meta(gt=0, le=1000)]
_Sessions = Annotated[int, msgspec.Meta(ge=1, le=250)]


class MoveRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Change against the previous close. Without a threshold the published one applies (the consumer's setting)."""

    enabled: bool = True
    threshold_percent: _Percent | None = None
    hysteresis: _Fraction = 0.8
    cooldown_seconds: _Seconds = 900


class SpikeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One return far outside the usual noise: by robust z-score, and of a size that matters."""

    enabled: bool = True
    threshold_z: _Score = 6.0
    minimum_return_percent: _Percent = 0.25
    hysteresis: _Fraction = 0.5
    cooldown_seconds: _Seconds = 300


class VolumeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Volume of a minute against its usual at that time of day."""

    enabled: bool = True
    threshold_ratio: _Ratio = 5.0
    minimum_sessions: _Sessions = 5
    hysteresis: _Fraction = 0.6
    cooldown_seconds: _Seconds = 1800


class GapRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Opening price against the previous close; once a session."""

    enabled: bool = True
    threshold_percent: _Percent = 3.0


class StaleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The feed went silent in an open session, as the service says."""

    enabled: bool = True
    cooldown_seconds: _Seconds = 900


class SymbolRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one symbol."""

    move: MoveRule = MoveRule()
    spike: SpikeRule = SpikeRule()
    volume: VolumeRule = VolumeRule()
    gap: GapRule = GapRule()
    stale: StaleRule = StaleRule()


class _RulesFile(msgspec.Struct, forbid_unknown_fields=True):
    v: int = RULES_VERSION
    defaults: dict[str, dict[str, Any]] = {}
    symbols: dict[str, dict[str, dict[str, Any]]] = {}


class AlertRules:
    """Rules by symbol; a symbol without rules of its own has the defaults.

    Args:
        defaults: Rules of every symbol not named.
        by_symbol: Rules of those that are.
        anomaly_threshold_percent: The published threshold, for move rules that name none.
    """

    def __init__(
        self, defaults: SymbolRules, by_symbol: dict[str, SymbolRules], anomaly_threshold_percent: Decimal
    ) -> None:
        self._defaults = _with_threshold(defaults, anomaly_threshold_percent)
        self._by_symbol = {name: _with_threshold(r, anomaly_threshold_percent) for name, r in by_symbol.items()}

    def of(self, symbol: str) -> SymbolRules:
        return self._by_symbol.get(symbol, self._defaults)


def parse_rules(data: bytes, anomaly_threshold_percent: Decimal, source: str) -> AlertRules:
    """Parse and validate a rules file; a symbol's entry overrides single values of the defaults.

    Raises:
        ConfigError: not JSON, an unknown field or a value out of range; names the place.
    """
    try:
        content = msgspec.json.decode(data, type=_RulesFile)
        if content.v != RULES_VERSION:
            raise ConfigError(f"alert rules {source}: v={content.v}: must be {RULES_VERSION}")
        defaults = msgspec.convert(content.defaults, SymbolRules)
        by_symbol: dict[str, SymbolRules] = {}
        for symbol, kinds in content.symbols.items():
            merged = {
                kind: {**content.defaults.get(kind, {}), **kinds.get(kind, {})} for kind in {*content.defaults, *kinds}
            }
            try:
                by_symbol[symbol] = msgspec.convert(merged, SymbolRules)
            except msgspec.ValidationError as exc:
                raise ConfigError(f"alert rules {source}: symbols.{symbol}: {exc}") from exc
    except msgspec.DecodeError as exc:
        raise ConfigError(f"alert rules {source}: {exc}") from exc
    return AlertRules(defaults, by_symbol, anomaly_threshold_percent)


@cache
def bundled_rules(anomaly_threshold_percent: Decimal) -> AlertRules:
    """The rules that ship with the consumer."""
    data = Path(__file__).with_name("default_rules.json").read_bytes()
    return parse_rules(data, anomaly_threshold_percent, "default_rules.json")


def _with_threshold(rules: SymbolRules, threshold_percent: Decimal) -> SymbolRules:
    if rules.move.threshold_percent is not None:
        return rules
    move = msgspec.structs.replace(rules.move, threshold_percent=float(threshold_percent))
    return msgspec.structs.replace(rules, move=move)
