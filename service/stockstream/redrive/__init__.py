"""Sends quarantined records and failed batches through the stream again (docs/redrive.md)."""

from stockstream.redrive.engine import RedriveResult, Resend, listing, redrive
from stockstream.redrive.errors import RedriveError, RedriveIncompleteError
from stockstream.redrive.failed_batches import waiting_messages
from stockstream.redrive.items import Item, Origin, Standing
from stockstream.redrive.places import Places, Selection
from stockstream.redrive.resend import SenderResend

__all__ = [
    "Item",
    "Origin",
    "Places",
    "RedriveError",
    "RedriveIncompleteError",
    "RedriveResult",
    "Resend",
    "Selection",
    "SenderResend",
    "Standing",
    "listing",
    "redrive",
    "waiting_messages",
]
