"""PutRecords without botocore in the way: our own body and signature over a pooled aiohttp session.

What it saves is measured in docs/sender.md. What it leaves to botocore: the endpoint, the region, the credentials and
their renewal.
"""

import asyncio
import binascii
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

import aiohttp
import msgspec
import structlog
from botocore.exceptions import BotoCoreError
from yarl import URL

from stockstream.sender.failures import FailureKind, PutError, bare_code, classify
from stockstream.sender.lane import KinesisRecord
from stockstream.sender.transport import cbor
from stockstream.sender.transport.base import EntryResult
from stockstream.sender.transport.results import as_put_error, read_results
from stockstream.sender.transport.sigv4 import FrozenCredentials, Signer

Encoding = Literal["cbor", "json"]

JSON_TYPE: Final = "application/x-amz-json-1.1"
CBOR_TYPE: Final = "application/x-amz-cbor-1.1"
_TARGET: Final = "Kinesis_20131202.PutRecords"
_NO_AUTO_HEADERS: Final = ("User-Agent", "Accept-Encoding")
_SEND_WHOLE_BYTES: Final = 2**20
_DATA_FIELD: Final = cbor.text("Data")
_PARTITION_KEY_FIELD: Final = cbor.text("PartitionKey")
_HASH_KEY_FIELD: Final = cbor.text("ExplicitHashKey")
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
    """Sends PutRecords calls over a session of its own; an async context manager.

    Args:
        endpoint_url: As botocore resolved it.
        region: Signing region.
        stream: Name of the stream.
        credentials: Gives credentials that are valid now; renews them where they expire.
        encoding: Of bodies and answers.
        session: The pooled session; the caller closes it.
        proxy: URL of the proxy to go through.
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
        session: aiohttp.ClientSession,
        proxy: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = URL(endpoint_url.rstrip("/") + "/", encoded=True)
        self._signer = Signer(region, "kinesis", _host_header(self._url), self._url.raw_path)
        self._stream = stream
        self._credentials = credentials
        self._session = session
        self._proxy = proxy
        self._now = now
        self._keys_of_lane: dict[int, bytes] = {}
        self._cbor_answered = False
        self.encoding: Encoding = encoding

    async def put_records(self, records: Sequence[KinesisRecord]) -> Sequence[EntryResult]:
        """See `Transport.put_records`."""
        encoding = self.encoding
        if encoding == "cbor":
            content_type, body = CBOR_TYPE, self._cbor_body(records)
        else:
            content_type, body = JSON_TYPE, self._json_body(records)
        try:
            credentials = await self._credentials.current()
            headers = self._signer.sign(credentials, body, content_type, _TARGET, self._now())
            async with self._session.post(
                self._url,
                # Above this size aiohttp insists on sending in pieces, so that the event loop is not held.
                data=body if len(body) < _SEND_WHOLE_BYTES else io.BytesIO(body),
                headers=headers,
                skip_auto_headers=_NO_AUTO_HEADERS,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                status = response.status
                answer_type = response.content_type
                answer = await response.read()
        except (aiohttp.ClientError, BotoCoreError, OSError, TimeoutError, asyncio.IncompleteReadError) as exc:
            raise as_put_error(exc) from exc
        decoded = _decode(answer, answer_type, status)
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

    def _cbor_body(self, records: Sequence[KinesisRecord]) -> bytes:
        parts = [b"\xa2", cbor.text("StreamName"), cbor.text(self._stream), cbor.text("Records")]
        parts.append(cbor.head(4, len(records)))
        for record in records:
            lane = record.lane
            keys = self._keys_of_lane.get(lane.index)
            if keys is None:
                keys = self._keys_of_lane[lane.index] = b"".join(
                    (
                        b"\xa3",
                        _PARTITION_KEY_FIELD,
                        cbor.text(lane.partition_key),
                        _HASH_KEY_FIELD,
                        cbor.text(lane.hash_key),
                        _DATA_FIELD,
                    )
                )
            parts += (keys, cbor.head(2, len(record.data)), record.data)
        return b"".join(parts)

    def _json_body(self, records: Sequence[KinesisRecord]) -> bytes:
        # Partition keys are ours (`lane-7`) and hash keys are digits: nothing needs escaping but the stream's name.
        parts = [b'{"StreamName":', msgspec.json.encode(self._stream), b',"Records":[']
        for record in records:
            lane = record.lane
            keys = f'{{"PartitionKey":"{lane.partition_key}","ExplicitHashKey":"{lane.hash_key}","Data":"'
            parts += (keys.encode(), binascii.b2a_base64(record.data, newline=False), b'"},')
        parts[-1] = b'"}]}'
        return b"".join(parts)


def _decode(answer: bytes, content_type: str, status: int) -> dict[str, Any]:
    try:
        decoded = cbor.decode(answer) if content_type == CBOR_TYPE else msgspec.json.decode(answer)
    except (cbor.CborError, msgspec.DecodeError) as exc:
        if status == 200:
            raise PutError(FailureKind.TRANSIENT, "MalformedAnswer", str(exc)) from exc
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _host_header(url: URL) -> str:
    host = url.host_subcomponent or ""
    return host if url.is_default_port() else f"{host}:{url.port}"
