"""What can go wrong in the service.

    StockstreamError                    root; `exit_code` is what the command line ends with
    ├── RetryableError                  the same call may succeed later
    │   ├── SourceUnavailableError      the market data source cannot be reached, or limits us
    │   ├── AwsUnavailableError         an AWS service cannot be reached, or throttles
    │   └── AnswerTooLargeError         what was read is longer than anything of its kind
    └── PermanentError                  a person must change something first
        ├── SettingsError               a setting is missing or out of range (exit code 2)
        ├── InputError                  a file or argument of the user's is not usable (exit code 2)
        ├── SourceError                 the source can never deliver what was asked for
        ├── AwsSetupError               no such stream, access denied, expired credentials
        ├── OutboxError                 the outbox is locked, full or corrupt
        └── LocalModeError              the emulator or its state cannot be used

Rooms with errors of their own (sender, outbox, eventsource) subclass these beside the code that raises them.
"""

from typing import ClassVar, Final

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130


class StockstreamError(Exception):
    """Root of all errors of the service."""

    exit_code: ClassVar[int] = EXIT_FAILURE


class RetryableError(StockstreamError):
    """The same call may succeed later."""


class SourceUnavailableError(RetryableError):
    """The market data source cannot be reached, or limits us."""


class AwsUnavailableError(RetryableError):
    """An AWS service cannot be reached, or throttles."""


class AnswerTooLargeError(RetryableError):
    """What was read is longer than anything of its kind: a damaged or a hostile answer, cut off.

    Args:
        what: What was read, with its name.
        max_bytes: The bound.
    """

    def __init__(self, what: str, max_bytes: int) -> None:
        super().__init__(
            f"{what} is larger than {max_bytes} bytes, more than it can honestly be. "
            "Remedy: see what answers there (a proxy, another server, a damaged object), and try again"
        )


class PermanentError(StockstreamError):
    """A person must change something before the same call can succeed."""


class SettingsError(PermanentError):
    """A setting is missing or out of range; the message names the variable, the value and the range."""

    exit_code = EXIT_USAGE


class InputError(PermanentError):
    """A file or an argument of the user's is not usable; the message names it and the remedy."""

    exit_code = EXIT_USAGE


class SourceError(PermanentError):
    """The source can never deliver what was asked for."""


class AwsSetupError(PermanentError):
    """No such stream, access denied, expired credentials: what no retry cures."""


class OutboxError(PermanentError):
    """The outbox is locked by another process, full or corrupt."""


class LocalModeError(PermanentError):
    """The embedded emulator or its state cannot be used."""


def first_error(error: BaseException) -> BaseException:
    """The first error of a group, however nested, where callers know single errors; any other as it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def only_error(group: BaseException) -> StockstreamError | None:
    """Find the one error of ours in a group of one, however nested, so that callers can catch it by its name."""
    found = group
    while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
        found = found.exceptions[0]
    return found if isinstance(found, StockstreamError) else None
