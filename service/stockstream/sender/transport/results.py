"""What botocore, a connection or an answer said, in our words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from botocore.exceptions import ClientError

from stockstream.sender.failures import FailureKind, PutError, classify
from stockstream.sender.transport.base import EntryResult
from stockstream_wire.aws.error_codes import bare_code, with_request_id

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


def as_put_error(exc: BaseException) -> PutError:
    """Classify what botocore or the connection raised."""
    if isinstance(exc, ClientError):
        error = exc.response.get("Error", {})
        code = bare_code(str(error.get("Code", "Unknown")))
        status = int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return PutError(classify(code, status), code, str(error.get("Message", "")))
    code = type(exc).__name__
    return PutError(classify(code, 0), code, str(exc))


def read_results(entries: Any, expected: int, headers: Mapping[str, str] = _NO_HEADERS) -> list[EntryResult]:
    """Read the `Records` of an answer.

    Args:
        entries: What stands there.
        expected: Entries of the request.
        headers: Of the answer, names in lower case: what goes wrong is told with the request's id.

    Raises:
        PutError: the answer does not speak of every record, so that nothing is known of any.
    """
    speaks_of_all = isinstance(entries, list) and len(entries) == expected
    if not speaks_of_all or not all(isinstance(entry, dict) for entry in entries):
        message = with_request_id(f"expected {expected} results in the answer", headers)
        raise PutError(FailureKind.TRANSIENT, "MalformedAnswer", message)
    results = []
    for entry in entries:
        code = entry.get("ErrorCode")
        if code:
            message = with_request_id(str(entry.get("ErrorMessage", "")), headers)
            results.append(EntryResult("", bare_code(code), message))
        elif entry.get("SequenceNumber"):
            results.append(EntryResult(str(entry.get("ShardId", ""))))
        else:
            results.append(EntryResult("", "MalformedAnswer", "neither a sequence number nor an error"))
    return results
