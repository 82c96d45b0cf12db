"""When an alert fires: on the edge, again only if it grows worse, and not in every breath."""

from decimal import Decimal
from typing import NamedTuple

from stockstream_lambda.alerts.alert import SEVERITIES, Alert
from stockstream_lambda.alerts.rules import SymbolRules
from stockstream_lambda.analysis.state import AlertMemory, SymbolState
from stockstream_wire import Quote, timestamp_to_epoch_ms


class Finding(NamedTuple):
    """One judged number: how it compares, and what it takes for the alert to end."""

    kind: str
    value: float
    threshold: float
    release: float
    cooldown_seconds: int


class Signals(NamedTuple):
    """What the quote says, ready to be judged.

    Attributes:
        change_percent: Against the previous close, the close rescaled where a split is suspected.
        gap_percent: Opening gap, in the first quote of a session only.
        return_z: Robust z-score of the latest return; None until warm.
        return_percent: The latest return.
        volume_ratio: Volume of the minute over its usual; None until warm.
    """

    change_percent: Decimal
    gap_percent: Decimal | None
    return_z: float | None
    return_percent: float
    volume_ratio: float | None


def detect(state: SymbolState, quote: Quote, signals: Signals, rules: SymbolRules) -> list[Alert]:
    """Judge a tick by its symbol's rules; moves the memory in `state.alerts` and returns what fired."""
    fired: list[Alert] = []
    for finding in _findings(signals, rules):
        memory = state.alerts.get(finding.kind)
        size = abs(finding.value)
        if size <= finding.threshold:
            if memory is not None and memory.active and size < finding.release:
                memory.active, memory.severity = False, 0
            continue
        if memory is None:
            memory = state.alerts[finding.kind] = AlertMemory()
        severity = min(len(SEVERITIES), int(size / finding.threshold))
        direction = "up" if finding.value > 0 else "down"
        if _fires(memory, severity, direction, quote.timestamp, finding.cooldown_seconds):
            fired.append(_alert(quote, signals, finding, severity, direction))
            memory.fired_at = quote.timestamp
            memory.active, memory.severity, memory.direction = True, severity, direction
    return fired


def detect_stale(state: SymbolState, quote: Quote, change_percent: Decimal, rules: SymbolRules) -> list[Alert]:
    """Judge a stale fact: the first one fires, until a tick has come in between."""
    if not rules.stale.enabled:
        return []
    memory = state.alerts.setdefault("stale", AlertMemory())
    fires = _fires(memory, 1, "none", quote.timestamp, rules.stale.cooldown_seconds)
    memory.active, memory.severity, memory.direction = True, 1, "none"
    if not fires:
        return []
    memory.fired_at = quote.timestamp
    signals = Signals(change_percent, None, None, 0.0, None)
    return [_alert(quote, signals, Finding("stale", 1.0, 1.0, 1.0, 0), 1, "none")]


def start_session(state: SymbolState) -> None:
    """A new session is a new edge: the close it is measured against is another one."""
    for memory in state.alerts.values():
        memory.active, memory.severity = False, 0


def _fires(memory: AlertMemory, severity: int, direction: str, timestamp: str, cooldown_seconds: int) -> bool:
    if memory.active and direction == memory.direction:
        # Still on: only a step up in severity is news, and that does not wait for the cooldown.
        return severity > memory.severity
    if not memory.fired_at:
        return True
    elapsed_ms = timestamp_to_epoch_ms(timestamp) - timestamp_to_epoch_ms(memory.fired_at)
    return elapsed_ms >= cooldown_seconds * 1000


def _findings(signals: Signals, rules: SymbolRules) -> list[Finding]:
    found: list[Finding] = []
    move, spike, volume = rules.move, rules.spike, rules.volume
    if move.enabled and move.threshold_percent is not None:
        threshold = move.threshold_percent
        value = float(signals.change_percent)
        found.append(Finding("move", value, threshold, threshold * move.hysteresis, move.cooldown_seconds))
    if spike.enabled and signals.return_z is not None:
        z = signals.return_z if abs(signals.return_percent) >= spike.minimum_return_percent else 0.0
        release = spike.threshold_z * spike.hysteresis
        found.append(Finding("spike", z, spike.threshold_z, release, spike.cooldown_seconds))
    if volume.enabled and signals.volume_ratio is not None:
        release = volume.threshold_ratio * volume.hysteresis
        found.append(Finding("volume", signals.volume_ratio, volume.threshold_ratio, release, volume.cooldown_seconds))
    if rules.gap.enabled and signals.gap_percent is not None:
        found.append(Finding("gap", float(signals.gap_percent), rules.gap.threshold_percent, 0.0, 0))
    return found


def _alert(quote: Quote, signals: Signals, finding: Finding, severity: int, direction: str) -> Alert:
    return Alert(
        symbol=quote.symbol,
        alert_id=f"{quote.timestamp}-{finding.kind}",
        kind=finding.kind,
        direction=direction if finding.kind != "volume" else _direction_of(signals.change_percent),
        severity=SEVERITIES[severity - 1],
        timestamp=quote.timestamp,
        price=str(quote.price),
        change_percent=float(signals.change_percent),
        value=finding.value,
        threshold=finding.threshold,
        previous_close=str(quote.previous_close),
        volume=quote.volume or 0,
        currency=quote.currency,
        source=quote.source,
    )


def _direction_of(change_percent: Decimal) -> str:
    return "up" if change_percent > 0 else "down" if change_percent < 0 else "none"
