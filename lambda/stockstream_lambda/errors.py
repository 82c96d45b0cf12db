"""What can go wrong in the consumer.

    ConsumerError
    ├── ConfigError                 the environment or the rules file is not usable (names variable, value, range)
    ├── SymbolStateError            a symbol's item cannot be read or folded: a fault of ours, kept to that symbol
    └── StoreError                  a dependency did not do what was asked; never a reason for quarantine
        ├── StoreUnavailableError   throttled, 5xx, no connection: the same call may succeed later
        ├── StoreRefusedError       access denied, no such table: a person must change something first
        └── ConditionFailedError    the item has moved on since it was read

What is wrong with a record's bytes is a `stockstream_wire.WireError` or a `BadRecord`, and ends in quarantine.
"""


class ConsumerError(Exception):
    """Root of all errors of the consumer."""


class ConfigError(ConsumerError):
    """A variable or a rules file is missing or out of range; the message names it, the value and the range."""


class SymbolStateError(ConsumerError):
    """A symbol's item cannot be read or its quotes cannot be folded; other symbols go on."""


class StoreError(ConsumerError):
    """A store did not do what was asked; the records behind it are handed back to Lambda."""


class StoreUnavailableError(StoreError):
    """Throttled, a server error or no connection, after the retries of one call were used up."""


class StoreRefusedError(StoreError):
    """The service understood and refused: access denied, no such table, a malformed request."""

    def __init__(self, operation: str, code: str, message: str, status: int) -> None:
        super().__init__(f"{operation}: {code} (HTTP {status}): {message}")
        self.operation = operation
        self.code = code
        self.status = status


class ConditionFailedError(StoreError):
    """A conditional write found another revision than the one that was read."""
