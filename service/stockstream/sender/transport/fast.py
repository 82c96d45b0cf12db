"""PutRecords without botocore in the way: our own body and signature over our own connections.

What it saves is measured in docs/sender.md. What it leaves to botocore: the endpoint, the region, the credentials and
their renewal.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

import httptools
import structlog
from botocore.exceptions import BotoCoreError

from stockstream.sender.failures import FailureKind, PutError, bare_code, classify
from stockstream.sender.lane import KinesisRecord
from stockstream.sender.transport.base import EntryResult
from stockstream.sender.transport.bodies import CBOR_TYPE, JSON_TYPE, Bodies, Encoding, decode_answer
from stockstream.sender.transport.connections import ConnectionPool
from stockstream.sender.transport.results import as_put_error, read_results
from stockstream.sender.transport.sigv4 import FrozenCredentials, Signer

_TARGET: Final = "Kinesis_20131202.PutRecords"
# Endpoints that answer so do not speak CBOR, or not as Kinesis does.
_NOT_UNDERSTOOD: Final = frozenset(
    {"SerializationException", "UnsupportedMediaTypeException", "UnknownOperationException"}
)

log = structlog.get_logger("stockstream.sender")


class CredentialSource(Protocol):
    """Where credentials come from."""

    async def current(self) -> FrozenCredentials:
        """Credentials that are valid now.

        Raises:
            BotoCoreError: there are none, or their source does not work.
        """
        ...

    def forget(self) -> None:
        """They were refused: find them anew next time."""
        ...


class FastTransport:
    """Sends PutRecords calls.

    Args:
        endpoint_url: As botocore resolved it.
        region: Signing region.
        stream: Name of the stream.
        credentials: Gives credentials that are valid now; renews them where they expire.
        encoding: Of bodies and answers.
        pool: Connections to the endpoint; the caller closes them.
        now: Wall clock, UTC.
    """

    def __init__(
        self,
        *,
        endpoint_url: str,
        region: str,
        stream: str,
        credentials: CredentialSource,
        encoding: Encoding,
        pool: ConnectionPool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        url = urlsplit(endpoint_url.rstrip("/") + "/")
        self._signer = Signer(region, "kinesis", url.netloc, url.path)
        self._head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        self._bodies = Bodies(stream)
        self._credentials = credentials
        self._pool = pool
        self._now = now
        self._cbor_answered = False
        self.encoding: Encoding = encoding

    async def put_records(self, records: Sequence[KinesisRecord]) -> Sequence[EntryResult]:
        """See `Transport.put_records`."""
        encoding = self.encoding
        content_type = CBOR_TYPE if encoding == "cbor" else JSON_TYPE
        body = self._bodies.encode(records, encoding)
        digest = hashlib.sha256()
        for piece in body:
            digest.update(piece)
        try:
            credentials = await self._credentials.current()
            headers = self._signer.sign(credentials, digest.hexdigest(), content_type, _TARGET, self._now())
            lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
            head = f"{self._head}Content-Length: {sum(map(len, body))}\r\n{lines}\r\n"
            status, answer_type, answer = await self._pool.post([head.encode("latin-1"), *body])
        except (BotoCoreError, OSError, httptools.HttpParserError) as exc:
            raise as_put_error(exc) from exc
        decoded = decode_answer(answer, answer_type, status)
        if status == 200:
            self._cbor_answered |= encoding == "cbor"
            return read_results(decoded.get("Records"), len(records))
        code = bare_code(str(decoded.get("__type") or decoded.get("code") or f"Http{status}"))
        message = str(decoded.get("message") or decoded.get("Message") or "")
        # An endpoint that has never answered CBOR well may fail on it in any way: moto, with status 500.
        unproven = not self._cbor_answered and status >= 500
        if encoding == "cbor" and (code in _NOT_UNDERSTOOD or status == 415 or unproven):
            # Nothing is lost by this: the records are sent again as JSON.
            self.encoding = "json"
            log.warning("cbor_not_understood", code=code, error=message, effect="JSON from now on")
            raise PutError(FailureKind.TRANSIENT, code, message)
        kind = classify(code, status)
        if kind is FailureKind.PERMANENT:
            # A person may cure it by new credentials in a file: look again before the next call.
            self._credentials.forget()
        raise PutError(kind, code, message)
