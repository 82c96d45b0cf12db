"""S3: whole objects of one bucket, path style (it serves AWS and emulators alike), with the conditional writes."""

import re
import urllib.parse
from collections.abc import Mapping
from html import unescape
from typing import Final, NamedTuple

from stockstream_lambda.aws.client import ServiceClient, error_of
from stockstream_lambda.errors import StoreRefusedError

# RFC 3986's unreserved characters and the slash: what SigV4 for S3 leaves unescaped.
_SAFE: Final = "/-_.~"
_METADATA: Final = "x-amz-meta-"
# S3 API Reference, ListObjectsV2.
LIST_MAX_KEYS: Final = 1000
_KEY: Final = re.compile(rb"<Contents>.*?<Key>(.*?)</Key>", re.DOTALL)


class StoredObject(NamedTuple):
    """An object as it was read; `metadata` are its `x-amz-meta-` headers, names in lower case."""

    body: bytes
    etag: str
    metadata: Mapping[str, str]


class S3:
    """Objects of one bucket. Thread-safe. Every method raises StoreError where the service failed or refused."""

    def __init__(self, client: ServiceClient, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Put one object, over whatever is there."""
        self._client.call("PutObject", "PUT", self.path_of(key), {"content-type": content_type}, body)

    def put_new(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> bool:
        """Put one object where there is none. False: there is one, perhaps ours, of a try whose answer was lost."""
        headers = {"content-type": content_type, "if-none-match": "*", **metadata}
        answer = self._client.call("PutObject", "PUT", self.path_of(key), headers, body, answers=(412,))
        return answer.status != 412

    def put_if(self, key: str, etag: str, body: bytes, content_type: str) -> str | None:
        """Put one object over the one of this ETag; its new ETag, or None where another one stands there.

        Raises:
            StoreRefusedError: among others, there is no object (404).
        """
        headers = {"content-type": content_type, "if-match": etag}
        answer = self._client.call("PutObject", "PUT", self.path_of(key), headers, body, answers=(412,))
        return None if answer.status == 412 else answer.headers().get("etag", "")

    def get(self, key: str) -> StoredObject | None:
        """Read one object; None where the service says that there is no such key (and not for any other 404)."""
        answer = self._client.call("GetObject", "GET", self.path_of(key), {}, b"", answers=(404,))
        if answer.status == 404:
            code, message = error_of(answer)
            if code == "NoSuchKey":
                return None
            raise StoreRefusedError("GetObject", code, f"{key}: {message}", 404)
        headers = answer.headers()
        metadata = {name: value for name, value in headers.items() if name.startswith(_METADATA)}
        return StoredObject(answer.body, headers.get("etag", ""), metadata)

    def list_keys(self, prefix: str, after: str = "") -> list[str]:
        """List up to 1,000 keys behind `after`, in order; fewer than that are all there are."""
        query = urllib.parse.urlencode(
            {"list-type": "2", "max-keys": str(LIST_MAX_KEYS), "prefix": prefix, "start-after": after},
            quote_via=urllib.parse.quote,
            safe="-_.~",
        )
        answer = self._client.call("ListObjectsV2", "GET", f"/{self._bucket}?{query}", {}, b"")
        return [unescape(found.decode()) for found in _KEY.findall(answer.body)]

    def delete(self, key: str) -> None:
        """Delete one object; it is no error where there is none."""
        self._client.call("DeleteObject", "DELETE", self.path_of(key), {}, b"")

    def path_of(self, key: str) -> str:
        """Path of an object as it is sent: the key percent-encoded, slashes kept."""
        return f"/{self._bucket}/{urllib.parse.quote(key, safe=_SAFE)}"
