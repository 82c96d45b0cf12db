"""The only requests beside the socket: a product's days and minutes, from the public candles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from json import JSONDecodeError, loads
from typing import Final
from urllib.parse import quote as quote_url

import aiohttp

from stockstream.errors import SourceUnavailableError
from stockstream.redaction import redact
from stockstream.sources.amounts import whole

REST_URL: Final = "https://api.exchange.coinbase.com"
TIMEOUT_SECONDS: Final = 10.0
# Four candles are 300 bytes; 300 of them, the most that the API gives, 20 KB.
_ANSWER_MAX_BYTES: Final = 262_144
# Today, yesterday, and some before in case a thin product saw no trade yesterday.
_DAYS: Final = 7
DAY_SECONDS: Final = 86_400
# The most that one request gives.
CANDLES_MAX: Final = 300
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class CoinbaseUnavailableError(SourceUnavailableError):
    """Coinbase cannot be reached, limits us, or answers what is no answer."""


@dataclass(frozen=True, slots=True)
class Day:
    """A product's UTC day, as far as it has gone."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True)
class Candle:
    """A minute or a day of trades, by its start in seconds since 1970; volume in coins."""

    start_seconds: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class CoinbaseRest:
    """Asks `/products/PRODUCT/candles`; needs no key.

    Args:
        session: Closed by whoever made it.
        url: The API; Coinbase's where None.
        timeout_seconds: For one request as a whole.
    """

    def __init__(
        self, session: aiohttp.ClientSession, *, url: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._session = session
        self._url = url or REST_URL
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def days(self, product: str, now: datetime) -> Mapping[date, Day] | None:
        """The last UTC days in which the product traded, today's included; None where there is no such product.

        Raises:
            CoinbaseUnavailableError: no answer, or none that can be read.
        """
        candles = await self.candles(product, DAY_SECONDS, now - timedelta(days=_DAYS), now)
        if candles is None:
            return None
        return {
            datetime.fromtimestamp(one.start_seconds, UTC).date(): Day(one.open, one.high, one.low, one.close)
            for one in candles
        }

    async def candles(
        self, product: str, granularity_seconds: int, start: datetime, end: datetime
    ) -> Sequence[Candle] | None:
        """The candles of a range, newest first, at most `CANDLES_MAX`; None where there is no such product.

        Raises:
            CoinbaseUnavailableError: no answer, or none that can be read.
        """
        url = f"{self._url}/products/{quote_url(product, safe='')}/candles"
        # Without both ends the API ignores either.
        params = {
            "granularity": str(granularity_seconds), "start": start.strftime(_TIME), "end": end.strftime(_TIME)
        }  # fmt: skip
        try:
            async with self._session.get(url, params=params, timeout=self._timeout) as answer:
                if answer.status == HTTPStatus.NOT_FOUND:
                    return None
                if answer.status != HTTPStatus.OK:
                    raise CoinbaseUnavailableError(f"Coinbase answers {answer.status} for {product}")
                body = await _bounded(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise CoinbaseUnavailableError(f"Coinbase: {type(exc).__name__}: {redact(str(exc))[:200]}") from exc
        return _candles_of(product, body)


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_MAX_BYTES:
            raise CoinbaseUnavailableError(f"Coinbase's answer is larger than {_ANSWER_MAX_BYTES} bytes")
    return bytes(body)


def _candles_of(product: str, body: bytes) -> Sequence[Candle]:
    try:
        return [_candle(row) for row in loads(body, parse_float=Decimal, parse_int=Decimal)]
    except (
        JSONDecodeError, UnicodeDecodeError, RecursionError, TypeError, ValueError, InvalidOperation, OverflowError,
    ) as exc:  # fmt: skip
        raise CoinbaseUnavailableError(f"Coinbase's candles of {product} cannot be read: {str(exc)[:100]}") from exc


def _candle(row: Sequence[object]) -> Candle:
    """Read `[time, low, high, open, close, volume]`."""
    time, low, high, opening, close, volume, *_ = row
    return Candle(int(str(time)), _price(opening), _price(high), _price(low), _price(close), _volume(volume))


def _volume(value: object) -> Decimal:
    volume = Decimal(str(value))
    return volume if whole(volume) is not None else Decimal(0)


def _price(value: object) -> Decimal:
    price = Decimal(str(value))
    if not price.is_finite() or price <= 0:
        msg = f"{value!r} is no price"
        raise ValueError(msg)
    return price
