"""Alpaca's HTTP API as far as we use it: snapshots and bars, with its keys, its limits and its refusals told apart.

SourceUnavailableError
└── AlpacaUnavailableError      no answer, an answer that is none, or the limit of requests a minute
SettingsError
└── AlpacaRefusedError          the keys, or what their plan holds
AlpacaSymbolError               a symbol that Alpaca does not take: the whole request is refused for it
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final

import aiohttp

from stockstream.errors import SettingsError, SourceUnavailableError
from stockstream.redaction import redact
from stockstream.sources.alpaca.messages import Snapshot, UnreadableError, decode_snapshots

REST_URL: Final = "https://data.alpaca.markets"
TIMEOUT_SECONDS: Final = 10.0
# The free plan takes 200 requests a minute of one account.
PAUSE_SECONDS: Final = 0.35
# A snapshot is 700 bytes and a bar 100; 10,000 bars are the most that a page holds.
_ANSWER_MAX_BYTES: Final = 4 * 1024**2
_WAIT_MAX_SECONDS: Final = 300.0
_INVALID_SYMBOL: Final = re.compile(r"invalid symbol: ([A-Za-z0-9./_\-]+)")
_KEYS_REMEDY: Final = "set STOCKSTREAM_ALPACA_KEY_ID and STOCKSTREAM_ALPACA_SECRET_KEY to both halves of one key"


class AlpacaUnavailableError(SourceUnavailableError):
    """Alpaca cannot be reached, limits us, or answers what is no answer.

    Attributes:
        wait_seconds: What it asked us to wait; 0 where it did not.
    """

    def __init__(self, detail: str, wait_seconds: float = 0.0) -> None:
        super().__init__(detail)
        self.wait_seconds = wait_seconds


class AlpacaRefusedError(SettingsError):
    """Alpaca refuses the keys, or their plan lacks what is asked for; the message has the remedy."""


class AlpacaSymbolError(ValueError):
    """Alpaca has no symbol of this form.

    Attributes:
        symbol: As Alpaca spells it; empty where it did not say which.
    """

    def __init__(self, symbol: str, detail: str) -> None:
        super().__init__(detail)
        self.symbol = symbol


@dataclass(frozen=True, slots=True)
class AlpacaAccess:
    """Who asks, and of which feed.

    Attributes:
        key_id: Its public half.
        secret_key: Its secret half.
        feed: `iex`, `sip` or `delayed_sip`.
    """

    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    feed: str = "iex"


class AlpacaRest:
    """Asks, one request a call.

    Args:
        session: Closed by whoever made it.
        access: Keys and feed.
        url: The API; Alpaca's where None.
        timeout_seconds: For one request as a whole.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        access: AlpacaAccess,
        *,
        url: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._session = session
        self._access = access
        self._url = url or REST_URL
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def snapshots(self, symbols: Sequence[str], now: datetime) -> Mapping[str, Snapshot | UnreadableError | None]:
        """Ask for some symbols, in Alpaca's spelling; those it has nothing of are None, or absent.

        Args:
            symbols: In Alpaca's spelling.
            now: The wall clock: limits are lifted at a time of day.

        Raises:
            AlpacaUnavailableError: no answer, or none that can be read.
            AlpacaRefusedError: keys or plan.
            AlpacaSymbolError: one of the symbols is none.
        """
        body = await self.get("/v2/stocks/snapshots", {"symbols": ",".join(symbols)}, now)
        try:
            return decode_snapshots(body)
        except UnreadableError as exc:
            raise AlpacaUnavailableError(f"Alpaca's answer cannot be read: {exc}") from exc

    async def get(self, path: str, params: Mapping[str, str], now: datetime) -> bytes:
        """Ask for a path of the feed, and return the body of a good answer; raises as `snapshots` does."""
        headers = {"APCA-API-KEY-ID": self._access.key_id, "APCA-API-SECRET-KEY": self._access.secret_key}
        query = {**params, "feed": self._access.feed}
        try:
            async with self._session.get(
                self._url + path, params=query, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                body = await _bounded(answer)
                if answer.status == HTTPStatus.OK:
                    return body
                raise self._refusal(answer, body.decode(errors="replace"), now)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise AlpacaUnavailableError(f"Alpaca: {type(exc).__name__}: {redact(str(exc))[:200]}") from exc

    def _refusal(self, answer: aiohttp.ClientResponse, body: str, now: datetime) -> Exception:
        said = f"HTTP {answer.status}: {body[:200].strip()}"
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            return AlpacaUnavailableError(f"Alpaca limits our requests ({said})", wait_asked_for(answer.headers, now))
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            if "subscription" in body:
                return AlpacaRefusedError(
                    f"the plan of these keys has no feed {self._access.feed} ({said}). "
                    "Remedy: STOCKSTREAM_ALPACA_FEED=iex, or a plan that holds it"
                )
            return AlpacaRefusedError(f"Alpaca refuses the keys ({said}). Remedy: {_KEYS_REMEDY}")
        if answer.status == HTTPStatus.BAD_REQUEST and (named := _INVALID_SYMBOL.search(body)) is not None:
            return AlpacaSymbolError(named[1], said)
        return AlpacaUnavailableError(f"Alpaca answers {said}")


def wait_asked_for(headers: Mapping[str, str], now: datetime) -> float:
    """Seconds to wait by a refusal's headers: `Retry-After`, or `X-RateLimit-Reset`, which is a time since 1970."""
    try:
        if retry_after := headers.get("Retry-After"):
            wait_seconds = float(retry_after)
        else:
            wait_seconds = float(headers.get("X-RateLimit-Reset", "")) - now.timestamp()
    except ValueError:
        return 0.0
    # A clock of ours that is wrong must not have us wait for a day; and nan is no number.
    return min(wait_seconds, _WAIT_MAX_SECONDS) if wait_seconds > 0 else 0.0


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_MAX_BYTES:
            raise AlpacaUnavailableError(f"Alpaca's answer is larger than {_ANSWER_MAX_BYTES} bytes")
    return bytes(body)
