"""What a feed writes, taken with care: a damaged message costs itself and nothing else."""

from decimal import Decimal
from typing import Final

import msgspec

from stockstream_wire.quote import VOLUME_MAX

# Why JSON of theirs cannot be read; a nest of ten thousand brackets is the last.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def whole(amount: Decimal | None) -> int | None:
    """Whole units of a volume; None of what is none: no number, below 0, or more than a quote holds.

    `int` of 1e9999999, ten characters of a message, takes minutes: the bound comes first.
    """
    if amount is None or not amount.is_finite() or not 0 <= amount <= VOLUME_MAX:
        return None
    return int(amount)
