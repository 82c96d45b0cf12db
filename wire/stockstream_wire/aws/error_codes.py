"""AWS's error codes, and what each asks for: one table for the service and the function.

Sources: botocore's retry tables (a test compares), the error lists of the API references of Kinesis, DynamoDB, S3, SNS
and KMS, and those common to all services. AWS names one thing differently in each service and protocol.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class ErrorKind(Enum):
    """What an error asks of the caller; what is not in the table is a refusal of the request itself."""

    THROTTLED = "throttled"  # the same request, later, and fewer of them
    AGAIN = "again"  # the same request, later
    ACCESS = "access"
    CREDENTIALS = "credentials"
    EXPIRED = "expired"
    CLOCK = "clock"
    KMS = "kms"
    ENDPOINT = "endpoint"
    OPT_IN = "opt_in"


_CODES: Final = {
    ErrorKind.THROTTLED: (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "KMS.ThrottlingException",
        "KMSThrottling",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ),
    ErrorKind.AGAIN: (
        "BadDigest",
        "ConditionalRequestConflict",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "OperationAborted",
        "PriorRequestNotComplete",
        "ReplicatedWriteConflictException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "TransactionConflictException",
        "TransactionInProgressException",
    ),
    ErrorKind.ACCESS: (
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "NotAuthorized",
        "UnauthorizedOperation",
    ),
    ErrorKind.CREDENTIALS: (
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    ),
    ErrorKind.EXPIRED: ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
    ErrorKind.CLOCK: (
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    ),
    ErrorKind.KMS: (
        "KMS.DisabledException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
        "KMSAccessDenied",
        "KMSAccessDeniedException",
        "KMSDisabled",
        "KMSDisabledException",
        "KMSInvalidState",
        "KMSInvalidStateException",
        "KMSNotFound",
        "KMSNotFoundException",
        "KMSOptInRequired",
    ),
    ErrorKind.ENDPOINT: ("InvalidAction", "UnknownOperationException"),
    ErrorKind.OPT_IN: ("OptInRequired",),
}
_KIND_OF: Final = {code: kind for kind, codes in _CODES.items() for code in codes}


def kind_of(code: str, status: int) -> ErrorKind | None:
    """What an error asks for; None where it is neither in the table nor told by its status.

    Args:
        code: Without decorations, see `bare_code`.
        status: HTTP status; 0 where there was no answer, 200 for an entry of an answer.
    """
    kind = _KIND_OF.get(code)
    if kind is None and status == 429:
        return ErrorKind.THROTTLED
    # 408: the server gave up on an idle connection just as it was used.
    if kind is None and (status >= 500 or status == 408):
        return ErrorKind.AGAIN
    return kind


def passes_with_time(code: str, status: int) -> bool:
    """Whether the same request may succeed later without anybody doing anything."""
    return kind_of(code, status) in {ErrorKind.THROTTLED, ErrorKind.AGAIN}


def bare_code(code: str) -> str:
    """Cut AWS's decorations off: `com.amazonaws.dynamodb.v20120810#Code`, `Code:http://internal.amazon.com/...`."""
    return code.rsplit("#", 1)[-1].split(":", 1)[0]


def with_request_id(message: str, headers: Mapping[str, str]) -> str:
    """Add to an error's message what AWS's support asks for first.

    Args:
        message: AWS's words, for a person.
        headers: Of the answer, names in lower case.
    """
    request_id = headers.get("x-amzn-requestid") or headers.get("x-amz-request-id")
    host_id = headers.get("x-amz-id-2")
    names = [f"request id {request_id}"] if request_id else []
    names += [f"host id {host_id}"] if host_id else []
    return f"{message} ({', '.join(names)})".lstrip() if names else message
