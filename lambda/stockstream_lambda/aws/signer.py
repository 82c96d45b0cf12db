"""AWS Signature Version 4 for the requests of this package (AWS IAM User Guide, "Create a signed AWS API request")."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from stockstream_lambda.aws.credentials import Credentials

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Request(NamedTuple):
    """One request; `path` is percent-encoded as it is sent, header names are lower case and `host` is among them."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Signer:
    """Signs for one service in one region; the day's signing key is kept."""

    def __init__(self, service: str, region: str) -> None:
        self._service = service
        self._region = region
        self._key_for: tuple[str, str] = ("", "")
        self._key = b""

    def sign(self, request: Request, credentials: Credentials, now: datetime) -> dict[str, str]:
        """Return the headers to send: the request's, signed, plus date, body hash, token and Authorization.

        Args:
            request: What is to be sent.
            credentials: Whose signature.
            now: The present moment, UTC; AWS allows it to be off by five minutes.
        """
        method, target, headers, body = request
        path, _, query = target.partition("?")
        date_time = now.strftime("%Y%m%dT%H%M%SZ")
        date = date_time[:8]
        body_hash = sha256(body).hexdigest()
        signed = dict(headers)
        signed["x-amz-date"] = date_time
        if self._service == "s3":
            signed["x-amz-content-sha256"] = body_hash
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names = sorted(signed)
        signed_names = ";".join(names)
        canonical_headers = "\n".join([f"{name}:{signed[name]}" for name in names])
        canonical = f"{method}\n{path}\n{query}\n{canonical_headers}\n\n{signed_names}\n{body_hash}"
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{date_time}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(
            self._signing_key(credentials.secret_access_key, date), to_sign.encode(), "sha256"
        ).hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
            f"SignedHeaders={signed_names}, Signature={signature}"
        )
        return signed

    def _signing_key(self, secret: str, date: str) -> bytes:
        if self._key_for != (secret, date):
            key = f"AWS4{secret}".encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._key_for = key, (secret, date)
        return self._key
