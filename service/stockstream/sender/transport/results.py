"""What botocore, a connection or an answer said, in our words."""

from typing import Any

from botocore.exceptions import ClientError

from stockstream.sender.failures import FailureKind, PutError, bare_code, classify
from stockstream.sender.transport.base import EntryResult


def as_put_error(exc: BaseException) -> PutError:
    """Classify what botocore or the connection raised."""
    if isinstance(exc, ClientError):
        error = exc.response.get("Error", {})
        code = bare_code(str(error.get("Code", "Unknown")))
        status = int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return PutError(classify(code, status), code, str(error.get("Message", "")))
    code = type(exc).__name__
    return PutError(classify(code, 0), code, str(exc))


def read_results(entries: Any, expected: int) -> list[EntryResult]:
    """Read the `Records` of an answer.

    Raises:
        PutError: the answer does not speak of every record, so that nothing is known of any.
    """
    speaks_of_all = isinstance(entries, list) and len(entries) == expected
    if not speaks_of_all or not all(isinstance(entry, dict) for entry in entries):
        raise PutError(FailureKind.TRANSIENT, "MalformedAnswer", f"expected {expected} results in the answer")
    results = []
    for entry in entries:
        code = entry.get("ErrorCode")
        if code:
            results.append(EntryResult("", bare_code(code), str(entry.get("ErrorMessage", ""))))
        elif entry.get("SequenceNumber"):
            results.append(EntryResult(str(entry.get("ShardId", ""))))
        else:
            results.append(EntryResult("", "MalformedAnswer", "neither a sequence number nor an error"))
    return results
