"""The file of alert rules, edited: every change is read, made and written on condition that nobody wrote in between."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, get_args

import msgspec
from botocore.exceptions import ClientError

from stockstream.errors import InputError, RetryableError
from stockstream_wire import format_timestamp
from stockstream_wire.storage import (
    ALERT_RULES_KEY,
    LEVEL_KIND,
    LEVELS_MAX,
    RULES_LEAD_SECONDS,
    RULES_MAX_BYTES,
    RULES_VERSION,
    Level,
    Side,
)

_TRIES: Final = 20
_CONTENT_TYPE: Final = "application/json"
_decoder: Final = msgspec.json.Decoder()
_NONE_THERE: Final = frozenset({"NoSuchKey", "404"})
_SOMEBODY_ELSE: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A level of a symbol, as it is shown.

    Attributes:
        symbol: Ticker.
        name: `above-200`, unique within the symbol.
        price: The level.
        when: above or below.
        repeat: once or each.
        since: From when on it is in force; None: always.
    """

    symbol: str
    name: str
    price: Decimal
    when: str
    repeat: str
    since: datetime | None


class RulesBusyError(RetryableError):
    """Others write the rules again and again."""


def new_level(
    price: str | Decimal, when: str, repeat: str, *, last_price: Decimal | None, now: datetime | None = None
) -> Level:
    """A level as somebody asks for it now.

    Args:
        price: The level.
        when: above or below.
        repeat: once or each.
        last_price: The newest price of the symbol, where one is stored.
        now: The moment; the level is in force a lead later.

    Raises:
        InputError: naming what is no price, side or repetition.
    """
    for name, value, allowed in (("when", when, get_args(Side)), ("repeat", repeat, ("once", "each"))):
        if value not in allowed:
            raise InputError(f"{name}={value[:50]!r}: must be one of {', '.join(allowed)}")
    since = (now or datetime.now(UTC)) + timedelta(seconds=RULES_LEAD_SECONDS)
    side: Side = "above" if when == "above" else "below"
    try:
        level = Level(Decimal(price), side, format_timestamp(since), "", "once" if repeat == "once" else "each")
    except (InvalidOperation, ValueError) as exc:
        raise InputError(f"price={str(price)[:50]!r}: must be a number, such as 200 or 187.25") from exc
    return msgspec.structs.replace(level, start=_start(level, last_price))


def _start(level: Level, last_price: Decimal | None) -> Literal["", "above", "below"]:
    if last_price is None:
        return ""
    other: Side = "below" if level.when == "above" else "above"
    return level.when if level.is_reached(last_price) else other


@dataclass(frozen=True, slots=True)
class RulesFile:
    """The rules file of a deployment.

    Attributes:
        s3: An aiobotocore client, closed by the caller.
        bucket: The archive's.
        key: Of the file.
    """

    s3: Any
    bucket: str
    key: str = ALERT_RULES_KEY

    async def levels(self) -> list[RuleRow]:
        """The levels of all symbols, by symbol and price.

        Raises:
            InputError: the file is not valid.
        """
        content, _ = await self._read()
        rows = [
            RuleRow(
                symbol=symbol, name=level.name, price=level.price, when=level.when, repeat=level.repeat,
                since=datetime.fromisoformat(level.since) if level.since else None,
            )
            for symbol in content["symbols"]
            for level in self._levels_of(content, symbol)
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (row.symbol, row.price, row.when))

    async def add(self, symbol: str, level: Level, *, replaces: str = "") -> None:
        """Add a level, in place of the one of the same name.

        Args:
            symbol: Ticker.
            level: The level.
            replaces: Name of a level of the symbol that goes with the same write: it is moved; gone already, it is not
                missed.

        Raises:
            InputError: the file is not valid, or full.
            RulesBusyError: others write it again and again.
        """

        def change(content: dict[str, Any]) -> bool:
            kept = [known for known in self._levels_of(content, symbol) if known.name not in {level.name, replaces}]
            if len(kept) >= LEVELS_MAX:
                raise InputError(f"{symbol} has {len(kept)} levels, the most there can be. Remedy: remove one")
            self._set(content, symbol, [*kept, level])
            return True

        await self._change(change)

    async def remove(self, symbol: str, name: str) -> bool:
        """Remove a level; False: there is none of that name.

        Raises:
            InputError, RulesBusyError: as `add`.
        """

        def change(content: dict[str, Any]) -> bool:
            levels = self._levels_of(content, symbol)
            kept = [known for known in levels if known.name != name]
            if len(kept) == len(levels):
                return False
            self._set(content, symbol, kept)
            return True

        return await self._change(change)

    async def _change(self, change: Callable[[dict[str, Any]], bool]) -> bool:
        for attempt in range(_TRIES):
            content, etag = await self._read()
            if not change(content):
                return False
            body = msgspec.json.format(msgspec.json.encode(content), indent=2)
            if len(body) > RULES_MAX_BYTES:
                raise InputError(f"{self.key} would be larger than {RULES_MAX_BYTES} bytes. Remedy: remove levels")
            condition = {"IfMatch": etag} if etag is not None else {"IfNoneMatch": "*"}
            try:
                await self.s3.put_object(
                    Bucket=self.bucket, Key=self.key, Body=body, ContentType=_CONTENT_TYPE, **condition
                )
            except ClientError as exc:
                if exc.response["Error"]["Code"] not in _SOMEBODY_ELSE | _NONE_THERE:
                    raise
                # Written, or deleted, by somebody else since: the change is made again, on what stands there now.
                await asyncio.sleep(random.uniform(0, 0.05 * (attempt + 1)))
                continue
            return True
        raise RulesBusyError(f"s3://{self.bucket}/{self.key} was written by others {_TRIES} times. Remedy: try again")

    async def _read(self) -> tuple[dict[str, Any], str | None]:
        try:
            answer = await self.s3.get_object(Bucket=self.bucket, Key=self.key)
        except ClientError as exc:
            if exc.response["Error"]["Code"] not in _NONE_THERE:
                raise
            return {"v": RULES_VERSION, "symbols": {}}, None
        async with answer["Body"] as stream:
            data = await stream.read(RULES_MAX_BYTES + 1)
        return self._parsed(data), str(answer["ETag"])

    def _parsed(self, data: bytes) -> dict[str, Any]:
        try:
            content = _decoder.decode(data)
        except msgspec.DecodeError as exc:
            raise self._not_valid(str(exc)) from exc
        if not isinstance(content, dict) or content.get("v", RULES_VERSION) != RULES_VERSION:
            raise self._not_valid(f"must be an object of v={RULES_VERSION}")
        symbols = content.setdefault("symbols", {})
        if not isinstance(symbols, dict) or not all(isinstance(kinds, dict) for kinds in symbols.values()):
            raise self._not_valid("symbols must be an object of objects")
        return content

    def _levels_of(self, content: dict[str, Any], symbol: str) -> list[Level]:
        rule = content["symbols"].get(symbol, {}).get(LEVEL_KIND, {})
        try:
            return msgspec.convert(rule.get("levels", []), list[Level])
        except (msgspec.ValidationError, AttributeError) as exc:
            raise self._not_valid(f"symbols.{symbol}.{LEVEL_KIND}: {exc}") from exc

    def _set(self, content: dict[str, Any], symbol: str, levels: list[Level]) -> None:
        """Write a symbol's levels into the content; what else stands there stays as it is."""
        kinds = content["symbols"].setdefault(symbol, {})
        rule = kinds.setdefault(LEVEL_KIND, {})
        rule["levels"] = msgspec.to_builtins(levels)
        if not levels:
            del rule["levels"]
        if not rule:
            del kinds[LEVEL_KIND]
        if not kinds:
            del content["symbols"][symbol]

    def _not_valid(self, detail: str) -> InputError:
        return InputError(
            f"s3://{self.bucket}/{self.key} is no valid file of rules: {detail}. The consumer goes on by those it had. "
            "Remedy: mend it by hand"
        )
