"""What can go wrong in the event-source runner.

StockstreamError
├── RetryableError
│   ├── InvokerUnavailableError       the function could not be invoked at all (throttled, unreachable)
│   ├── DestinationUnavailableError   the on-failure destination did not take a discarded batch
│   └── StreamUnavailableError        Kinesis cannot be reached, or throttles
└── PermanentError
    ├── EventSourceConfigError        a parameter of the mapping is out of AWS's range, or not supported here
    ├── EventSourceError              the runner was used out of order
    └── StreamRecreatedError          the stream was deleted and made again; the runner starts over by itself
"""

from stockstream.errors import PermanentError, RetryableError
from stockstream.exit_codes import ExitCode


class InvokerUnavailableError(RetryableError):
    """The function was not invoked. Lambda retries this without spending the retry quota; so does the runner."""


class DestinationUnavailableError(RetryableError):
    """The on-failure destination did not take a discarded batch; the lane waits, so that nothing is lost."""


class StreamUnavailableError(RetryableError):
    """Kinesis cannot be reached, throttles, or has no such stream yet."""


class StreamMissingError(StreamUnavailableError):
    """There is no such stream, or no such shard, now."""


class IteratorExpiredError(RetryableError):
    """The shard iterator is no longer valid; get a new one behind the last record read."""


class PositionInvalidError(RetryableError):
    """The shard does not know the sequence number to start after."""


class EventSourceConfigError(PermanentError):
    """A parameter is out of AWS's range or not supported here; the message names it, its value and the range."""

    exit_code = ExitCode.USAGE


class EventSourceError(PermanentError):
    """The runner was used out of order, or stopped before what was asked of it had happened."""


class StreamRecreatedError(PermanentError):
    """The stream under this name is not the one that the checkpoints speak of."""
