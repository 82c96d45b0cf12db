"""What can be wrong with an outbox. All of it needs a person, so all of it names the remedy."""

from stockstream.errors import OutboxError


class OutboxLockedError(OutboxError):
    """Another process has the outbox open."""


class OutboxCorruptError(OutboxError):
    """A file of the outbox may not be read, or is not what it was when it was opened."""


class OutboxWriteError(OutboxError):
    """The disk refused a write; the records of that call are not accepted."""


class OutboxFullError(OutboxError):
    """There is no room, and nobody waits for it any more: the records of that call are not accepted."""
