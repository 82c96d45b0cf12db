"""The table of alert kinds: of each its rule, the number it judges and how, and what it says to whom.

A new kind is one entry of `KINDS`: a rule with its defaults, a function from `Signals` to a `Judgement`, a headline and
an explanation. The rules file, the detection, the messages and the tests go by the table.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from stockstream_wire import Quote, is_old_news
from stockstream_wire.storage import BACKFILL_SOURCE, LEVEL_KIND, LEVELS_MAX, Level

_Percent = Annotated[float, msgspec.Meta(gt=0, le=1000)]
_Fraction = Annotated[float, msgspec.Meta(gt=0, le=1)]
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400)]
_Ratio = Annotated[float, msgspec.Meta(gt=1, le=10_000)]
_Score = Annotated[float, msgspec.Meta(gt=0, le=1000)]
_Sessions = Annotated[int, msgspec.Meta(ge=1, le=250)]

# info, warning, critical: from one, two and three times the threshold.
_SEVERITY_LEVELS: Final = 3
# A level was asked for by somebody: a warning.
_LEVEL_SEVERITY: Final = 2
# A price that dances on a level rings once in so long; a level asked for once rings once in all time.
_EACH_TIME_SECONDS: Final = 60
_ONCE_SECONDS: Final = 10**11


class Signals(msgspec.Struct, frozen=True, gc=False):
    """What a quote says, ready to be judged.

    Attributes:
        quote: The quote.
        change_percent: Against the previous close, the close rescaled where a split is suspected; None of one at or
            below 0.
        gap_percent: Opening gap, in the first quote of a session only.
        return_z: Robust z-score of the latest return; None until warm.
        return_percent: The latest return.
        volume_ratio: Volume of the minute over its usual; None until warm.
    """

    quote: Quote
    change_percent: Decimal | None
    gap_percent: Decimal | None = None
    return_z: float | None = None
    return_percent: float = 0.0
    volume_ratio: float | None = None


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """What a kind says of a quote.

    Attributes:
        level: 0 for nothing, else the severity from 1 on.
        is_calm: It is far enough below the threshold for an alert that is on to end.
        value: The number that was judged.
        threshold: What it was judged against.
        side: up, down or none: an alert that is on is on for one side.
        cooldown_seconds: Event time until the next edge may fire.
        direction: What the alert says, where it is not the side.
        starts_on: What is judged for the first time is on already, and no edge.
    """

    level: int
    is_calm: bool
    value: float
    threshold: float
    side: str
    cooldown_seconds: int
    direction: str = ""
    starts_on: bool = False


# What nearly every quote says.
_CALM: Final = Judgement(0, True, 0.0, 0.0, "none", 0)


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


class LevelRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices that somebody waits for; see `stockstream_wire.storage.alert_rules`."""

    enabled: bool = True
    levels: Annotated[tuple[Level, ...], msgspec.Meta(max_length=LEVELS_MAX)] = ()


R = TypeVar("R")


class Kind(NamedTuple, Generic[R]):
    """One kind of alert; `rule` holds its defaults, and `judge` is asked only where the rule is enabled.

    Headline and explanation are templates over symbol, change, price, direction, value and threshold.
    """

    name: str
    rule: R
    judge: Callable[[Signals, R], Judgement | None]
    headline: str
    explanation: str


def direction_of(value: float | Decimal) -> str:
    return "up" if value > 0 else "down" if value < 0 else "none"


def _beyond(value: float, threshold: float, release: float, cooldown_seconds: int) -> Judgement:
    size = abs(value)
    if size < release:
        return _CALM
    level = min(_SEVERITY_LEVELS, int(size / threshold)) if size > threshold else 0
    return Judgement(level, False, value, threshold, direction_of(value), cooldown_seconds)


def _move(signals: Signals, rule: MoveRule) -> Judgement | None:
    threshold, change_percent = rule.threshold_percent, signals.change_percent
    if threshold is None or change_percent is None or signals.quote.stale:
        return None
    return _beyond(float(change_percent), threshold, threshold * rule.hysteresis, rule.cooldown_seconds)


def _spike(signals: Signals, rule: SpikeRule) -> Judgement | None:
    if signals.return_z is None:
        return None
    if abs(signals.return_percent) < rule.minimum_return_percent:
        return _CALM
    return _beyond(signals.return_z, rule.threshold_z, rule.threshold_z * rule.hysteresis, rule.cooldown_seconds)


def _volume(signals: Signals, rule: VolumeRule) -> Judgement | None:
    if signals.volume_ratio is None:
        return None
    threshold = rule.threshold_ratio
    found = _beyond(signals.volume_ratio, threshold, threshold * rule.hysteresis, rule.cooldown_seconds)
    if not found.level:
        return found
    return msgspec.structs.replace(found, direction=direction_of(signals.change_percent or 0.0))


def _gap(signals: Signals, rule: GapRule) -> Judgement | None:
    if signals.gap_percent is None:
        return None
    return _beyond(float(signals.gap_percent), rule.threshold_percent, 0.0, 0)


def _stale(signals: Signals, rule: StaleRule) -> Judgement | None:
    return Judgement(1, False, 1.0, 1.0, "none", rule.cooldown_seconds) if signals.quote.stale else _CALM


def judge_level(signals: Signals, level: Level) -> Judgement | None:
    """Judge one level of a `LevelRule`. What is no news is not judged: the first news after it is the edge."""
    quote = signals.quote
    if quote.stale or quote.source == BACKFILL_SOURCE or not level.is_in_force(quote) or is_old_news(quote):
        return None
    is_reached = level.is_reached(quote.price)
    return Judgement(
        _LEVEL_SEVERITY if is_reached else 0,
        not is_reached,
        float(quote.price),
        float(level.price),
        "up" if level.when == "above" else "down",
        _ONCE_SECONDS if level.repeat == "once" else _EACH_TIME_SECONDS,
        starts_on=level.start == level.when if level.start else is_reached,
    )


MOVE: Final = Kind(
    "move",
    MoveRule(),
    _move,
    "{symbol} {change:+.2f}% at {price}",
    "The price is more than {threshold:g}% away from the previous close.",
)
SPIKE: Final = Kind(
    "spike",
    SpikeRule(),
    _spike,
    "{symbol} jumped {direction} to {price} (z {value:+.1f})",
    "The last return is more than {threshold:g} robust standard deviations from the usual one.",
)
VOLUME: Final = Kind(
    "volume",
    VolumeRule(),
    _volume,
    "{symbol} volume {value:.1f}x its usual",
    "This minute's volume is more than {threshold:g} times what is usual at this time of day.",
)
GAP: Final = Kind(
    "gap",
    GapRule(),
    _gap,
    "{symbol} opened {value:+.2f}% from its last close",
    "The session opened more than {threshold:g}% away from the previous close.",
)
STALE: Final = Kind(
    "stale",
    StaleRule(),
    _stale,
    "{symbol} has gone silent at {price}",
    "The feed sends nothing for this symbol although its exchange is open.",
)
LEVEL: Final = Kind(
    LEVEL_KIND,
    LevelRule(),
    lambda _signals, _rule: None,  # its levels are judged one by one
    "{symbol} crossed {threshold:.10g} going {direction}: {price}",
    "The price has come to a level that was asked for: {threshold:.10g}.",
)

# In the order in which one quote's alerts are fired.
KINDS: Final[dict[str, Kind[Any]]] = {kind.name: kind for kind in (MOVE, SPIKE, VOLUME, GAP, STALE, LEVEL)}
