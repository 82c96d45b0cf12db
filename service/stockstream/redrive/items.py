"""What waits to be sent again: one quarantined record, or one batch that the event source gave up on."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

UserRecord = tuple[str, bytes]
PARTITION_KEY_MAX_CHARACTERS: Final = 256


class Origin(StrEnum):
    """Where an item was set aside."""

    QUARANTINE = "quarantine"
    QUEUE = "queue"
    BUCKET = "bucket"


class Standing(StrEnum):
    """What can be done with an item.

    READY: it can be sent again. STILL_BAD: sent again it would only be refused again. EXPIRED: the stream has
    dropped records of it. FOREIGN: it is of another stream. UNREADABLE: it is not of the form that it should be.
    """

    READY = "ready"
    STILL_BAD = "still_bad"
    EXPIRED = "expired"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing set aside.

    Attributes:
        origin: Where.
        handle: S3 key or receipt handle, by which it is removed once it is sent.
        label: Position in the stream, for a person: shard and sequence numbers.
        reason: Why it was set aside: the quarantine's reason, or the destination's condition.
        detail: The sentence for a person, and why it cannot be sent where it cannot.
        standing: What can be done with it.
        records: Partition key and bytes of each user record, in order.
        preview: The beginning of the first record, printable.
    """

    origin: Origin
    handle: str
    label: str
    reason: str
    detail: str
    standing: Standing
    records: Sequence[UserRecord] = ()
    preview: str = ""

    def as_json(self) -> dict[str, Any]:
        """The item as `--list --json` prints it."""
        return {
            "origin": self.origin.value,
            "position": self.label,
            "reason": self.reason,
            "detail": self.detail,
            "standing": self.standing.value,
            "records": len(self.records),
            "preview": self.preview,
        }


def sendable_key(key: str | None) -> str:
    """A partition key that Kinesis takes (1 to 256 characters): a user record in an aggregate may have had any."""
    return (key or "unknown")[:PARTITION_KEY_MAX_CHARACTERS]


def preview_of(data: bytes, limit: int = 120) -> str:
    """The beginning of bytes that may be anything, on one printable line."""
    text = data[:limit].decode("utf-8", errors="backslashreplace")
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return shown + ("…" if len(data) > limit else "")
