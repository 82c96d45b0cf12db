"""AWS Signature Version 4 (AWS IAM User Guide, "Create a signed AWS API request"); tests hold it against botocore's."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """Who signs."""

    access_key: str
    secret_key: str
    token: str | None = None


class SigningKeys(Protocol):
    """What a signature needs of credentials: ours, or botocore's frozen ones."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


class Request(NamedTuple):
    """What is to be sent.

    Attributes:
        method: HTTP method.
        target: Path and query as they are sent: percent-encoded once, a query as `name=value&...`.
        headers: Names in lower case, `host` among them; values without blanks at their ends or double ones.
        body_sha256: Of the whole body, hexadecimal.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body_sha256: str


class Signer:
    """Signs for one service in one region; the day's signing key is kept."""

    def __init__(self, region: str, service: str) -> None:
        self._region = region
        self._service = service
        self._scope_suffix = f"{region}/{service}/aws4_request"
        self._signs_body_hash = service == "s3"
        self._kept = ("", ""), b""

    def sign(self, request: Request, credentials: SigningKeys, now: datetime) -> dict[str, str]:
        """Return the headers to send: the request's, plus date, token, Authorization and, for S3, the body's hash.

        Args:
            request: What is to be sent.
            credentials: Who signs.
            now: The present moment, UTC; AWS allows it to be off by five minutes.
        """
        method, target, headers, body_sha256 = request
        date_time = now.strftime("%Y%m%dT%H%M%SZ")
        date = date_time[:8]
        signed = {**headers, "x-amz-date": date_time}
        if self._signs_body_hash:
            signed["x-amz-content-sha256"] = body_sha256
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names, listed = _order(tuple(signed))
        path, _, query = target.partition("?")
        if query:
            query = "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&")))
        lines = "".join([f"{name}:{signed[name]}\n" for name in names])
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{body_sha256}"
        scope = f"{date}/{self._scope_suffix}"
        to_sign = f"{_ALGORITHM}\n{date_time}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(credentials.secret_key, date), to_sign.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def _signing_key(self, secret_key: str, date: str) -> bytes:
        # Threads may meet here: each computes what it needs, and what is kept is one whole pair.
        key_of, key = self._kept
        if key_of != (secret_key, date):
            key = f"AWS4{secret_key}".encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._kept = (secret_key, date), key
        return key


@lru_cache(maxsize=64)
def _order(names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The names as a signature lists them; a program sends few sets of headers, each many times."""
    ordered = tuple(sorted(names))
    return ordered, ";".join(ordered)
