"""What every check works on, and how it answers."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

POLL_SECONDS: Final = 5.0


class SkippedError(Exception):
    """The check cannot be made here; the text says why."""


class FailedError(Exception):
    """AWS does otherwise than we say; the text says how."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that only AWS can decide.

    Attributes:
        name: As it stands in the table.
        decides: The page of docs/ whose claim it decides, and the claim.
        run: Makes the check and says what was seen.
        lacking: By emulator, why it cannot say anything about it.
    """

    name: str
    decides: str
    run: Callable[["Context"], str]
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Context:
    """A deployment that was just made.

    Attributes:
        region: Where it is.
        endpoint_url: The emulator; None is AWS.
        outputs: Terraform's.
        folder: Scratch.
        email: Where alerts go; None is nowhere.
        redshift: Whether the warehouse was asked for.
        started_ms: When the run began, milliseconds since 1970.
    """

    region: str
    endpoint_url: str | None
    outputs: dict[str, Any]
    folder: Path
    email: str | None
    redshift: bool
    started_ms: int

    def client(self, service: str) -> Any:
        """Make a client of one service."""
        keys: dict[str, Any] = {} if self.endpoint_url is None else dict.fromkeys(_KEYS, "test")
        style = Config(s3={"addressing_style": "path"}, retries={"mode": "standard"})
        return boto3.client(service, region_name=self.region, endpoint_url=self.endpoint_url, config=style, **keys)


_KEYS: Final = ("aws_access_key_id", "aws_secret_access_key")


def refused(call: Callable[[], Any]) -> str | None:
    """Error code and status of a call that AWS refused; None if it was taken."""
    try:
        call()
    except ClientError as exc:
        return f"{exc.response['ResponseMetadata']['HTTPStatusCode']} {exc.response['Error']['Code']}"
    return None


def wait_for(what: str, seconds: float, look: Callable[[], Any]) -> Any:
    """Look until there is something.

    Raises:
        FailedError: there was nothing in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            msg = f"no {what} within {seconds:.0f} s"
            raise FailedError(msg)
        time.sleep(POLL_SECONDS)
