"""PutRecords without botocore in the way: our own body and signature over our own connections.

What it saves is measured in docs/sender.md. What it leaves to botocore: the endpoint, the region, the credentials and
their renewal.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httptools
import structlog
from botocore.exceptions import BotoCoreError

from stockstream.errors import AnswerTooLargeError
from stockstream.sender.failures import FailureKind, PutError, classify
from stockstream.sender.lane import KinesisRecord
from stockstream.sender.transport.base import EntryResult
from stockstream.sender.transport.bodies import CBOR_TYPE, JSON_TYPE, Bodies, Encoding, decode_answer
from stockstream.sender.transport.connections import ConnectionPool, HttpAnswer
from stockstream.sender.transport.results import as_put_error, read_results
from stockstream_wire.aws.error_codes import bare_code, with_request_id
from stockstream_wire.aws.partitions import AWS_HOST_SUFFIXES
from stockstream_wire.aws.sigv4 import Request, Signer, SigningKeys
from stockstream_wire.version import USER_AGENT

_TARGET: Final = "Kinesis_20131202.PutRecords"
# Endpoints that answer so do not speak CBOR, or not as Kinesis does.
_NOT_UNDERSTOOD: Final = frozenset(
    {"SerializationException", "UnsupportedMediaTypeException", "UnknownOperationException"}
)

log = structlog.get_logger("stockstream.sender")


def is_aws_host(host: str) -> bool:
    """Whether a host is one of AWS's own endpoints, of any partition."""
    return host.endswith(AWS_HOST_SUFFIXES)


class CredentialSource(Protocol):
    """Where credentials come from."""

    async def get_frozen_credentials(self) -> SigningKeys:
        """Credentials that are valid now.

        Raises:
            BotoCoreError: there are none, or their source does not work.
            TimeoutError: their source hangs.
        """
        ...

    async def renew(self, refused: Any) -> bool:
        """These were refused: find them anew. True where there are others now."""
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
        self._signer = Signer(region, "kinesis")
        self._path = url.path
        self._host = url.netloc
        self._head = f"POST {url.path} HTTP/1.1\r\nUser-Agent: {USER_AGENT}\r\n"
        self._bodies = Bodies(stream)
        self._credentials = credentials
        self._pool = pool
        self._now = now
        self._cbor_answered = False
        self._is_aws = is_aws_host(url.hostname or "")
        self.encoding: Encoding = encoding

    async def put_records(self, records: Sequence[KinesisRecord]) -> Sequence[EntryResult]:
        """See `Transport.put_records`."""
        encoding = self.encoding
        content_type = CBOR_TYPE if encoding == "cbor" else JSON_TYPE
        body = self._bodies.encode(records, encoding)
        digest = hashlib.sha256()
        for piece in body:
            digest.update(piece)
        content_digest = digest.hexdigest()
        credentials, answer = await self._post(body, content_digest, content_type)
        try:
            return self._read(answer, encoding, len(records))
        except PutError as exc:
            # Where others are to be had (the role's session was renewed, a person wrote a file), the call goes at once.
            if exc.kind is not FailureKind.PERMANENT or not await self._credentials.renew(credentials):
                raise
        _, answer = await self._post(body, content_digest, content_type)
        return self._read(answer, encoding, len(records))

    async def _post(
        self, body: Sequence[bytes], content_digest: str, content_type: str
    ) -> tuple[SigningKeys, HttpAnswer]:
        try:
            credentials = await self._credentials.get_frozen_credentials()
            headers = {"content-type": content_type, "host": self._host, "x-amz-target": _TARGET}
            headers = self._signer.sign(Request("POST", self._path, headers, content_digest), credentials, self._now())
            lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
            head = f"{self._head}Content-Length: {sum(map(len, body))}\r\n{lines}\r\n"
            return credentials, await self._pool.post([head.encode("latin-1"), *body])
        except (BotoCoreError, OSError, AnswerTooLargeError, httptools.HttpParserError) as exc:
            raise as_put_error(exc) from exc

    def _read(self, answer: HttpAnswer, encoding: Encoding, expected: int) -> Sequence[EntryResult]:
        status = answer.status
        decoded = decode_answer(answer.body, answer.content_type, status)
        if status == 200:
            self._cbor_answered |= encoding == "cbor"
            return read_results(decoded.get("Records"), expected, answer.ids)
        code = bare_code(str(decoded.get("__type") or decoded.get("code") or f"Http{status}"))
        message = with_request_id(str(decoded.get("message") or decoded.get("Message") or ""), answer.ids)
        # An emulator that has never answered CBOR well may fail on it in any way: moto, with status 500. AWS's own
        # endpoints speak it, and a 500 of theirs is a 500.
        unproven = not self._cbor_answered and status >= 500 and not self._is_aws
        if encoding == "cbor" and (code in _NOT_UNDERSTOOD or status == 415 or unproven):
            # Nothing is lost by this: the records are sent again as JSON.
            self.encoding = "json"
            log.warning("cbor_not_understood", code=code, error=message, effect="JSON from now on")
            raise PutError(FailureKind.TRANSIENT, code, message)
        raise PutError(classify(code, status), code, message)
