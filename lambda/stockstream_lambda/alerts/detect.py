"""When an alert fires: on the edge, again only if it grows worse, and not in every breath."""

import msgspec

from stockstream_lambda.alerts.alert import SEVERITIES, Alert
from stockstream_lambda.alerts.kinds import KINDS, Judgement, Signals
from stockstream_lambda.alerts.rules import SymbolRules, Watch
from stockstream_wire import session_facts, timestamp_to_epoch_ms


class AlertMemory(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of what is watched: whether it is on, how severe, when it last fired."""

    active: bool = False
    severity: int = 0
    direction: str = ""
    fired_at: str = ""


# By the key of what is watched: the kind, but for levels.
Memories = dict[str, AlertMemory]


def detect(memories: Memories, signals: Signals, rules: SymbolRules) -> list[Alert]:
    """Judge a quote by its symbol's rules; moves the memories and returns what fired."""
    fired: list[Alert] = []
    for watch in rules.watches:
        judgement = watch.judge(signals, watch.rule)
        if judgement is None:
            continue
        key = watch.key
        memory = memories.get(key)
        if memory is None:
            if key not in KINDS:
                # Where a level stood at first must be known later: whether it was reached since is the question.
                is_on = judgement.starts_on
                memory = memories[key] = AlertMemory(is_on, judgement.level, judgement.side if is_on else "")
            elif judgement.level:
                memory = memories[key] = AlertMemory()
            else:
                continue
        if not judgement.level:
            if memory.active and judgement.is_calm:
                memory.active, memory.severity = False, 0
            continue
        fires = _fires(memory, judgement, signals.quote.timestamp)
        if fires:
            fired.append(_alert(watch, signals, judgement))
            memory.fired_at = signals.quote.timestamp
            memory.active, memory.severity, memory.direction = True, judgement.level, judgement.side
    return fired


def start_session(memories: Memories, rules: SymbolRules) -> None:
    """Begin a session: a new edge of every kind, for the close it is measured against is another one.

    A level's edge is the level; one that is watched no more is forgotten.
    """
    for key, memory in list(memories.items()):
        if key in KINDS:
            memory.active, memory.severity = False, 0
        elif key not in rules.keys:
            del memories[key]


def _fires(memory: AlertMemory, judgement: Judgement, timestamp: str) -> bool:
    if memory.active and judgement.side == memory.direction:
        # Still on: only a step up in severity is news, and that does not wait for the cooldown.
        return judgement.level > memory.severity
    if not memory.fired_at:
        return True
    elapsed_ms = timestamp_to_epoch_ms(timestamp) - timestamp_to_epoch_ms(memory.fired_at)
    return elapsed_ms >= judgement.cooldown_seconds * 1000


def _alert(watch: Watch, signals: Signals, judgement: Judgement) -> Alert:
    quote = signals.quote
    return Alert(
        symbol=quote.symbol,
        alert_id=f"{quote.timestamp}-{watch.name}",
        kind=watch.kind,
        direction=judgement.direction or judgement.side,
        severity=SEVERITIES[judgement.level - 1],
        timestamp=quote.timestamp,
        price=str(quote.price),
        change_percent=None if signals.change_percent is None else float(signals.change_percent),
        value=judgement.value,
        threshold=judgement.threshold,
        previous_close=str(quote.previous_close),
        volume=quote.volume,
        currency=quote.currency,
        exchange=quote.exchange,
        source=quote.source,
        session=session_facts(quote).session_date,
        silent_symbols=quote.silent_symbols,
    )
