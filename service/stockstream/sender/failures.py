"""Which failures time cures, which Kinesis asks us to slow down for, and which only a person can cure."""

from enum import Enum
from typing import Final

from stockstream_wire.aws.error_codes import ErrorKind, kind_of


class FailureKind(Enum):
    """What to do about a failed call or record."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    # The request itself is at fault: sent again in smaller parts, so that one record cannot hold the others.
    INVALID = "invalid"
    PERMANENT = "permanent"


class PutError(Exception):
    """A PutRecords call failed as a whole.

    Args:
        kind: What to do about it.
        code: AWS's error code, or the name of the exception where no answer came.
        message: For a person.
    """

    def __init__(self, kind: FailureKind, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.kind = kind
        self.code = code
        self.message = message


_INVALID: Final = frozenset({"InvalidArgumentException", "ValidationException", "SerializationException"})

_CREDENTIALS: Final = "give the process valid credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID or a task role)"
_REMEDY_OF_KIND: Final = {
    ErrorKind.ACCESS: "allow kinesis:PutRecords and kinesis:ListShards on the stream in the role's policy",
    ErrorKind.CREDENTIALS: _CREDENTIALS,
    ErrorKind.EXPIRED: f"the session has expired: {_CREDENTIALS}",
    ErrorKind.CLOCK: "check the key and secret, and that the machine's clock is right to within five minutes",
    ErrorKind.KMS: "allow kms:GenerateDataKey on the stream's KMS key, and enable the key",
    ErrorKind.ENDPOINT: "set AWS_ENDPOINT_URL to an endpoint that speaks Kinesis",
    ErrorKind.OPT_IN: "subscribe the account to Kinesis in this region",
}
# Of the stream, and of botocore's own before a call: exceptions by their names.
_REMEDY_OF_CODE: Final = {
    "ResourceNotFoundException": "create the stream, or set STOCKSTREAM_STREAM and the region to where it is",
    "NoCredentialsError": _CREDENTIALS,
    "PartialCredentialsError": _CREDENTIALS,
    "CredentialRetrievalError": _CREDENTIALS,
    "TokenRetrievalError": _CREDENTIALS,
    "SSOTokenLoadError": "log in again with `aws sso login`",
    "UnauthorizedSSOTokenError": "log in again with `aws sso login`",
    "ProfileNotFound": "set AWS_PROFILE to a profile that exists",
}


def classify(code: str, status: int) -> FailureKind:
    """Decide what an error code (AWS's, or an exception's name) and an HTTP status ask for.

    Args:
        code: Without decorations, which `stockstream_wire.aws.error_codes.bare_code` cuts off.
        status: HTTP status; 0 where there was no answer, 200 for an entry of an answer.
    """
    kind = kind_of(code, status)
    if kind is ErrorKind.THROTTLED:
        return FailureKind.THROTTLED
    if kind in _REMEDY_OF_KIND or code in _REMEDY_OF_CODE:
        return FailureKind.PERMANENT
    if code in _INVALID or status == 413:
        return FailureKind.INVALID
    if status in {401, 403, 404}:
        return FailureKind.PERMANENT
    return FailureKind.TRANSIENT


def remedy(code: str) -> str:
    """What a person can do about a permanent failure."""
    kind = kind_of(code, 0)
    found = _REMEDY_OF_CODE.get(code) or (_REMEDY_OF_KIND.get(kind) if kind else None)
    return found or "see the error; the data waits in the outbox until it is cured"
