"""What keeps an audit from being made."""

from stockstream.errors import InputError


class AuditError(InputError):
    """The audit cannot be made: a day, a folder or a table that is not usable; the message names it."""
