"""Answers of AWS read within a bound: botocore's HTTP sessions read what they are sent, to the last byte of memory."""

from functools import cache
from typing import Any, Final

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from aiobotocore.utils import _RefCountedSession

from stockstream.errors import AnswerTooLargeError

# The largest that we ask for: GetRecords gives at most 10 MiB of data, base64 makes 14 of them, and keys are added.
ANSWER_MAX_BYTES: Final = 32 * 1024 * 1024
# Credentials and tokens of the ECS and EC2 endpoints are some hundred bytes.
METADATA_MAX_BYTES: Final = 64 * 1024
_BLOCK_BYTES: Final = 256 * 1024


async def read_bounded(stream: Any, max_bytes: int, what: str) -> bytes:
    """Read a stream (anything with `await read(size)`) to its end.

    Raises:
        AnswerTooLargeError: it is longer than `max_bytes`; not more than a block above that was read.
    """
    blocks: list[bytes] = []
    size = 0
    while block := await stream.read(_BLOCK_BYTES):
        size += len(block)
        if size > max_bytes:
            raise AnswerTooLargeError(what, max_bytes)
        blocks.append(block)
    return b"".join(blocks)


@cache
def bounded_session(max_bytes: int, base: type[AIOHTTPSession] = AIOHTTPSession) -> type[AIOHTTPSession]:
    """Make aiobotocore's kind of HTTP session whose answers are at most so long; streamed bodies are their reader's."""

    class Response(aiohttp.ClientResponse):
        async def read(self) -> bytes:
            if self._body is None:
                try:
                    self._body = await read_bounded(self.content, max_bytes, f"the answer of {self.url.host}")
                except BaseException:
                    self.close()
                    raise
            return await super().read()

    class Session(base):  # type: ignore[misc]
        async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
            session: aiohttp.ClientSession = await super()._get_session(proxy_url)
            session._response_class = Response
            return session

    return Session


def bound_metadata(session: AioSession) -> None:
    """Bound what the session's credentials are read from over HTTP: the ECS and EC2 endpoints."""
    bounded = bounded_session(METADATA_MAX_BYTES, _RefCountedSession)
    for provider in session.get_component("credential_provider").providers:
        for name in ("_role_fetcher", "_fetcher"):
            fetcher = getattr(provider, name, None)
            http = getattr(fetcher, "_session", None)
            if isinstance(http, _RefCountedSession):
                # Its settings (time, proxies) stay; only how it reads changes.
                http.__class__ = bounded
