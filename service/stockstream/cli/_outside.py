"""Causes outside the program, as one line: AWS away or refusing, the disk full, a file that may not be touched.

What is not of these is a fault of ours, and keeps its traceback.
"""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any, Final

from stockstream.errors import StockstreamError
from stockstream_wire.aws.error_codes import ErrorKind, bare_code, kind_of

_DISK: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk cannot be read or written",
}
_RIGHTS: Final = frozenset({errno.EACCES, errno.EPERM})
_NETWORK: Final = frozenset(
    {
        errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH,
        errno.ENETDOWN, errno.ETIMEDOUT,
    }
)  # fmt: skip
_TOO_MANY_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})
_REFUSALS: Final = {
    ErrorKind.THROTTLED: "try again later, or with a smaller range",
    ErrorKind.AGAIN: "try again later",
    ErrorKind.ACCESS: "give these credentials that permission, or use others (AWS_PROFILE)",
    ErrorKind.CREDENTIALS: "check AWS_PROFILE or AWS_ACCESS_KEY_ID",
    ErrorKind.EXPIRED: "sign in again",
    ErrorKind.CLOCK: "set this machine's clock",
}
_UNKNOWN: Final = "AWS's words say what it wants"
# Requests that no setting of the user's can have spoilt.
_OUR_FAULTS: Final = frozenset({"ValidationException", "SerializationException", "InvalidAction"})
_ABSENT: Final = ("NotFound", "NoSuch", "NonExistent", "DoesNotExist")


def outside_cause(error: BaseException) -> str | None:
    """Say what outside the program stopped it, and the remedy, in one line; None where it is a fault of ours.

    A group of errors has a cause outside where every one of them has; the first is said.
    """
    causes = [_cause(leaf) for leaf in _leaves(error)]
    first = causes[0] if all(causes) else None
    return None if first is None else " ".join(first.split())


def is_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C is what ended it, alone or in a group."""
    return any(isinstance(leaf, KeyboardInterrupt) for leaf in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _cause(error: BaseException) -> str | None:
    if isinstance(error, StockstreamError):
        return str(error)
    botocore: Any = sys.modules.get("botocore.exceptions")
    if botocore is not None and isinstance(error, botocore.ClientError):
        return _refusal(error)
    if botocore is not None and isinstance(error, botocore.BotoCoreError | botocore.HTTPClientError):
        return f"AWS cannot be used: {error}. Remedy: {_aws_remedy()}"
    aiohttp: Any = sys.modules.get("aiohttp")
    if aiohttp is not None and isinstance(error, aiohttp.ClientConnectionError):
        return f"no connection: {error}. Remedy: {_aws_remedy()}"
    return _system(error) if isinstance(error, OSError) else None


def _refusal(error: Any) -> str | None:
    code = bare_code(str(error.response.get("Error", {}).get("Code", "")))
    if code in _OUR_FAULTS:
        return None
    if any(part in code for part in _ABSENT):
        remedy = "make what is missing (Terraform on AWS, `stockstream provision` in an emulator), or name it rightly"
    else:
        kind = kind_of(code, int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)))
        remedy = _REFUSALS.get(kind, _UNKNOWN) if kind is not None else _UNKNOWN
    return f"AWS refuses: {error}. Remedy: {remedy}"


def _aws_remedy() -> str:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return f"see what answers at AWS_ENDPOINT_URL={endpoint}, or unset it"
    return "check the network, the region and the credentials: `stockstream doctor`"


def _system(error: OSError) -> str | None:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in _DISK:
        return f"{_DISK[error.errno]}{where}. Remedy: make room, or use another folder"
    if error.errno in _RIGHTS:
        return f"no permission{where}: {error.strerror}. Remedy: own it, or use another folder"
    if error.errno in _TOO_MANY_FILES:
        return f"too many open files{where}. Remedy: ulimit -n 4096"
    if error.errno in _NETWORK or isinstance(error, socket.gaierror):
        return f"no connection: {error}. Remedy: {_aws_remedy()}"
    return None
