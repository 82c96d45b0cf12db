"""The door for notebooks and scripts: the same reads, called like any function, whatever loop already runs."""

import asyncio
import os
import threading
from collections.abc import Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Self, TypeVar

from stockstream.aws import AwsConfig, resolve_aws
from stockstream.errors import InputError
from stockstream.reading.candles import Candle
from stockstream.reading.follow import Update
from stockstream.reading.health import Health
from stockstream.reading.market import Market, StoreNames, open_market
from stockstream.reading.rows import Rows, StoredAlert, StoredQuote
from stockstream.settings import LOCAL_CREDENTIALS, Settings, find_stack, load_settings, names_aws

_T = TypeVar("_T")
LOCAL_REGION: Final = "us-east-1"


def names_of(settings: Settings) -> StoreNames:
    """The stores that the settings name."""
    return StoreNames(
        quotes_table=settings.quotes_table,
        candles_table=settings.candles_table,
        alerts_table=settings.alerts_table,
        archive_bucket=settings.archive_bucket,
        workers_table=settings.workers_table,
        deployment=settings.deployment,
    )


def open_sync(endpoint_url: str | None = None) -> "SyncMarket":
    """Open what reads a deployment; close it, or use it in a `with`.

    Args:
        endpoint_url: Of an emulator, such as http://127.0.0.1:4566. None is the AWS that the environment names, else
            the `stockstream local` that runs on this machine, else the AWS of a profile that nobody named.

    Raises:
        SettingsError: a setting is not usable, or no AWS is named and nothing ever ran here.
        InputError: no AWS is named, and what ran here has ended.
    """
    settings = load_settings()
    if endpoint_url is not None:
        aws = AwsConfig(settings.region or LOCAL_REGION, endpoint_url, *LOCAL_CREDENTIALS)
        return SyncMarket(open_market(aws, names_of(settings)))
    stack = None if names_aws(settings, os.environ) else find_stack(settings.local_state_dir)
    if stack is None:
        return SyncMarket(open_market(resolve_aws(settings.region), names_of(settings)))
    if not stack.is_running:
        raise InputError(
            f"the local stack of {stack.state_dir} does not run. Remedy: start `stockstream local` in another "
            "terminal, or name an AWS: AWS_PROFILE, AWS_REGION"
        )
    aws = AwsConfig(stack.region, stack.endpoint_url, *LOCAL_CREDENTIALS)
    return SyncMarket(open_market(aws, names_of(stack.settings(settings))))


class SyncMarket:
    """`Market`, blocking. Its calls take what Market's take; its loop runs in a thread of its own."""

    def __init__(self, opening: AbstractAsyncContextManager[Market]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stockstream-reading", daemon=True)
        self._thread.start()
        self._opening = opening
        try:
            self._market = self._wait(opening.__aenter__())
        except BaseException:
            self._end_loop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; once is enough, twice is harmless."""
        if self._loop.is_closed():
            return
        try:
            self._wait(self._opening.__aexit__(None, None, None))
        finally:
            self._end_loop()

    def symbols(self) -> list[str]:
        return self._wait(self._market.symbols())

    def latest(self, *args: Any, **kwargs: Any) -> Rows[StoredQuote]:
        return self._wait(self._market.latest(*args, **kwargs))

    def quotes(self, *args: Any, **kwargs: Any) -> Rows[StoredQuote]:
        return self._wait(self._market.quotes(*args, **kwargs))

    def candles(self, *args: Any, **kwargs: Any) -> Rows[Candle]:
        return self._wait(self._market.candles(*args, **kwargs))

    def alerts(self, *args: Any, **kwargs: Any) -> Rows[StoredAlert]:
        return self._wait(self._market.alerts(*args, **kwargs))

    def health(self) -> Health:
        return self._wait(self._market.health())

    def follow(self, *args: Any, **kwargs: Any) -> Generator[Update]:
        updates = self._market.follow(*args, **kwargs)
        try:
            while True:
                yield self._wait(_next(updates))
        finally:
            self._wait(_close(updates))

    def _wait(self, call: Coroutine[Any, Any, _T]) -> _T:
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C in a notebook: what was asked for is not wanted any more.
            future.cancel()
            raise

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(updates: Any) -> Update:
    update: Update = await anext(updates)
    return update


async def _close(updates: Any) -> None:
    await updates.aclose()
