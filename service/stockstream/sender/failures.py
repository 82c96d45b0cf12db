"""Which failures time cures, which Kinesis asks us to slow down for, and which only a person can cure."""

from enum import Enum
from typing import Final

from stockstream.errors import AwsSetupError


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


class SenderSetupError(AwsSetupError):
    """The sender cannot start: no such stream, access denied, no credentials. The message names the remedy."""


_THROTTLES: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "KMSThrottlingException",
        "LimitExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_INVALID: Final = frozenset({"InvalidArgumentException", "ValidationException", "SerializationException"})

_CREDENTIALS: Final = "give the process valid credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID or a task role)"
_ACCESS: Final = "allow kinesis:PutRecords and kinesis:ListShards on the stream in the role's policy"
_CLOCK: Final = "check the key and secret, and that the machine's clock is right to within five minutes"
_KMS: Final = "allow kms:GenerateDataKey on the stream's KMS key, and enable the key"
REMEDIES: Final = {
    "ResourceNotFoundException": "create the stream, or set STOCKSTREAM_STREAM and the region to where it is",
    "AccessDeniedException": _ACCESS,
    "AccessDenied": _ACCESS,
    "UnauthorizedOperation": _ACCESS,
    "NotAuthorized": _ACCESS,
    "OptInRequired": "subscribe the account to Kinesis in this region",
    "ExpiredTokenException": f"the session has expired: {_CREDENTIALS}",
    "ExpiredToken": f"the session has expired: {_CREDENTIALS}",
    "UnrecognizedClientException": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "MissingAuthenticationTokenException": _CREDENTIALS,
    "MissingAuthenticationToken": _CREDENTIALS,
    "NoCredentialsError": _CREDENTIALS,
    "PartialCredentialsError": _CREDENTIALS,
    "CredentialRetrievalError": _CREDENTIALS,
    "TokenRetrievalError": _CREDENTIALS,
    "SSOTokenLoadError": "log in again with `aws sso login`",
    "UnauthorizedSSOTokenError": "log in again with `aws sso login`",
    "ProfileNotFound": "set AWS_PROFILE to a profile that exists",
    "InvalidSignatureException": _CLOCK,
    "SignatureDoesNotMatch": _CLOCK,
    "IncompleteSignatureException": _CLOCK,
    "RequestExpired": _CLOCK,
    "InvalidAction": "set AWS_ENDPOINT_URL to an endpoint that speaks Kinesis",
    "UnknownOperationException": "set AWS_ENDPOINT_URL to an endpoint that speaks Kinesis",
    "KMSAccessDeniedException": _KMS,
    "KMSDisabledException": _KMS,
    "KMSInvalidStateException": _KMS,
    "KMSNotFoundException": _KMS,
    "KMSOptInRequired": _KMS,
}


def classify(code: str, status: int) -> FailureKind:
    """Decide what an error code (AWS's, or an exception's name) and an HTTP status ask for.

    Args:
        code: Without a namespace: `com.amazonaws…#Code` and `Code:http://…` are cut down by `bare_code`.
        status: HTTP status; 0 where there was no answer, 200 for an entry of an answer.
    """
    if code in _THROTTLES or status == 429:
        return FailureKind.THROTTLED
    if code in REMEDIES:
        return FailureKind.PERMANENT
    if code in _INVALID or status == 413:
        return FailureKind.INVALID
    if status in {401, 403, 404}:
        return FailureKind.PERMANENT
    return FailureKind.TRANSIENT


def remedy(code: str) -> str:
    """What a person can do about a permanent failure."""
    return REMEDIES.get(code, "see the error; the data waits in the outbox until it is cured")


def bare_code(code: str) -> str:
    """Cut AWS's decorations off an error code."""
    return code.rsplit("#", 1)[-1].split(":", 1)[0]
