"""What can go wrong in the consumer.

    ConsumerError
    ├── ConfigError                 the environment or the rules file is not usable (names variable, value, range)
    ├── LogNewerError               the log holds what only a later version of this code reads: the batch comes again
    ├── PartitionStoppedError       a partition's log is damaged; waiting does not help, a person must look
    └── StoreError                  a dependency did not do what was asked; never a reason for quarantine
        ├── StoreUnavailableError   throttled, 5xx, no connection: the same call may succeed later
        │   └── OutOfTimeError      the invocation ends soon: the rest comes again
        └── StoreRefusedError       access denied, no such table: a person must change something first

What is wrong with a record's bytes is a `stockstream_wire.WireError` or a `BadRecord`, and ends in quarantine.
"""


class ConsumerError(Exception):
    """Root of all errors of the consumer."""


class ConfigError(ConsumerError):
    """A variable or a rules file is missing or out of range; the message names it, the value and the range."""


class LogNewerError(ConsumerError):
    """An object of the log, or a checkpoint, is of a format or holds a quote that this version cannot read."""


class PartitionStoppedError(ConsumerError):
    """A partition takes nothing any more; `code` is log_hole, log_newer or checkpoint_lost."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class StoreError(ConsumerError):
    """A store did not do what was asked; the records behind it are handed back to Lambda."""


class StoreUnavailableError(StoreError):
    """Throttled, a server error or no connection, after the retries of one call were used up."""


class OutOfTimeError(StoreUnavailableError):
    """Too little of the invocation is left to begin anything more."""


class StoreRefusedError(StoreError):
    """The service understood and refused: access denied, no such table, a malformed request."""

    def __init__(self, operation: str, code: str, message: str, status: int) -> None:
        super().__init__(f"{operation}: {code} (HTTP {status}): {message}")
        self.operation = operation
        self.code = code
        self.status = status
