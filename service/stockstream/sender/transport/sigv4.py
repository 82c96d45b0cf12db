"""AWS Signature Version 4 for the one form of request that we send: POST / with a body and no query.

AWS General Reference, "Create a signed AWS API request". A test compares every signature with botocore's own signer.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Final, Protocol

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class FrozenCredentials(Protocol):
    """Credentials as botocore gives them, at one moment."""

    access_key: str
    secret_key: str
    token: str | None


class Signer:
    """Signs requests to one host.

    Args:
        region: Of the service.
        service: Signing name, such as kinesis.
        host: Value of the Host header, with the port where it is not the scheme's own.
        path: Of the endpoint, `/` unless the endpoint's URL has one.
    """

    def __init__(self, region: str, service: str, host: str, path: str = "/") -> None:
        self._scope_suffix = f"{region}/{service}/aws4_request"
        self._region = region
        self._service = service
        self._host = host
        self._path = path
        self._key_of = ("", "")
        self._key = b""

    def sign(
        self, credentials: FrozenCredentials, body_sha256: str, content_type: str, target: str, now: datetime
    ) -> dict[str, str]:
        """Return the headers to send, the signature among them.

        Args:
            credentials: Who signs.
            body_sha256: Of the whole body, hexadecimal.
            content_type: Value of Content-Type.
            target: Value of X-Amz-Target.
            now: Aware, UTC; Kinesis takes five minutes of difference.
        """
        timestamp = now.strftime("%Y%m%dT%H%M%SZ")
        date = timestamp[:8]
        token = credentials.token
        token_line = f"x-amz-security-token:{token}\n" if token else ""
        signed = "content-type;host;x-amz-date;" + ("x-amz-security-token;" if token else "") + "x-amz-target"
        canonical = (
            f"POST\n{self._path}\n\ncontent-type:{content_type}\nhost:{self._host}\nx-amz-date:{timestamp}\n"
            f"{token_line}x-amz-target:{target}\n\n{signed}\n{body_sha256}"
        )
        scope = f"{date}/{self._scope_suffix}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
        key = self._signing_key(credentials.secret_key, date)
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": content_type,
            "X-Amz-Date": timestamp,
            "X-Amz-Target": target,
            "Authorization": (
                f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={signed}, "
                f"Signature={signature}"
            ),
        }
        if token:
            headers["X-Amz-Security-Token"] = token
        return headers

    def _signing_key(self, secret_key: str, date: str) -> bytes:
        if self._key_of != (secret_key, date):
            key = f"AWS4{secret_key}".encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self._key, self._key_of = key, (secret_key, date)
        return self._key
