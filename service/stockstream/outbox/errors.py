"""What can be wrong with an outbox. All of it needs a person, so all of it names the remedy."""

from stockstream.errors import OutboxError


class OutboxLockedError(OutboxError):
    """Another process has the outbox open."""


class OutboxCorruptError(OutboxError):
    """A file of the outbox is not what this code wrote, beyond what a power loss explains."""


class OutboxWriteError(OutboxError):
    """The disk refused a write; the records of that call are not accepted."""
