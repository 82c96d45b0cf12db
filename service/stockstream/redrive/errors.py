"""What keeps a redrive from going on.

StockstreamError
├── RetryableError
│   └── RedriveIncompleteError    Kinesis did not take the records in time; what was not taken is still set aside
└── PermanentError
    └── RedriveError              a queue, bucket or stream that is not usable
"""

from stockstream.errors import PermanentError, RetryableError


class RedriveIncompleteError(RetryableError):
    """Kinesis did not take the records in time; nothing that it did not take was removed. Run the redrive again."""


class RedriveError(PermanentError):
    """A queue, a bucket or a stream is not usable; the message names it."""
