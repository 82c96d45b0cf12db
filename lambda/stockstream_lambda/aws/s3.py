"""S3: put and get of whole objects, path style (it serves AWS and emulators alike)."""

import urllib.parse
from typing import Final

from stockstream_lambda.aws.client import ServiceClient
from stockstream_lambda.errors import StoreRefusedError

# RFC 3986's unreserved characters and the slash: what SigV4 for S3 leaves unescaped.
_SAFE: Final = "/-_.~"


class S3:
    """Objects of one bucket. Thread-safe."""

    def __init__(self, client: ServiceClient, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Put one object, over whatever is there.

        Raises:
            StoreError: the service failed or refused.
        """
        headers = {"content-type": content_type}
        self._client.call("PutObject", "PUT", self.path_of(key), headers, body)

    def get(self, key: str) -> bytes | None:
        """Read one object; None where it does not exist.

        Raises:
            StoreError: the service failed or refused.
        """
        try:
            return self._client.call("GetObject", "GET", self.path_of(key), {}, b"").body
        except StoreRefusedError as exc:
            if exc.status == 404:
                return None
            raise

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def path_of(self, key: str) -> str:
        """Path of an object as it is sent: the key percent-encoded, slashes kept."""
        return f"/{self._bucket}/{urllib.parse.quote(key, safe=_SAFE)}"
