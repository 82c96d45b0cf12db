"""Price levels in the file of alert rules (`config/alert-rules.json`): what one is, and from when on it is in force.

A level is in force for the quotes that were seen from its `since` on: a quote's own `polled_at`, or its event time
where it has none. So which levels judge a quote is written in the log and in the file, and no clock, restart or replay
of records changes it. The editor sets `since` a lead ahead, within which every consumer reads the file again.
"""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from stockstream_wire.quote import Quote

RULES_VERSION: Final = 1
# Consumers look at the file this often (one GET each); a level is in force from two such looks after it was added:
# the second is for clocks that differ.
RULES_READ_SECONDS: Final = 5.0
RULES_LEAD_SECONDS: Final = 10.0
# Rules of their own for five thousand symbols are this much; read again and again, they should be little.
RULES_MAX_BYTES: Final = 1024 * 1024
# Levels of one symbol.
LEVELS_MAX: Final = 50
LEVEL_KIND: Final = "level"
# More digits than any price has.
_PRICE_DIGITS_MAX: Final = 20
# A replayed file is history and has no moment at which it was seen: its quotes are judged by what is in the file.
_REPLAY_SOURCE: Final = "replay"

Side = Literal["above", "below"]


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A price that an alert waits for.

    Attributes:
        price: The level.
        when: The side that the price must come to; the level itself counts as reached.
        since: From which moment on it is in force, in the form of a quote's timestamp; empty: always was.
        start: Where the price stood when the level was added: from there, a crossing before the level is in force is
            told by the first quote after. Empty: the first quote says where it stands.
        repeat: Once, or each time.
    """

    price: Decimal
    when: Side
    since: str = ""
    start: Literal["", "above", "below"] = ""
    repeat: Literal["once", "each"] = "once"

    def __post_init__(self) -> None:
        if not self.price.is_finite() or len(f"{self.price:f}") > _PRICE_DIGITS_MAX:
            raise ValueError(f"price must be a number of at most {_PRICE_DIGITS_MAX} digits")

    @property
    def name(self) -> str:
        """`above-200`: a symbol has one level of a name."""
        return f"{self.when}-{self.price.normalize():f}"

    def is_reached(self, price: Decimal) -> bool:
        return price >= self.price if self.when == "above" else price <= self.price

    def is_in_force(self, quote: Quote) -> bool:
        seen_at = quote.polled_at or quote.timestamp
        return quote.source == _REPLAY_SOURCE or seen_at >= self.since
