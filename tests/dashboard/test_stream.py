"""The stream: events as they are stored, resumed by a place, across a server that starts anew."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.audit.stored_day import QUOTES, quote
from tests.dashboard.serving import Served, served, serving
from tests.reading.stored import stored_market


@asynccontextmanager
async def events(api: Served, path: str = "/api/v1/stream", **headers: str) -> AsyncIterator[AsyncIterator[Any]]:
    async with api.http.get(api.url + path.lstrip("/"), headers=headers) as answer:
        assert answer.status == 200, await answer.text()

        async def read() -> AsyncIterator[tuple[str, list[str]]]:
            place = ""
            async for raw in answer.content:
                line = raw.decode().rstrip("\n")
                if line.startswith("id: "):
                    place = line.removeprefix("id: ")
                elif line.startswith("data: "):
                    content = json.loads(line.removeprefix("data: "))
                    yield place, [str(item["price"]) for item in content["quotes"]]

        yield read()


async def take(found: AsyncIterator[Any], count: int) -> list[Any]:
    async with asyncio.timeout(60):
        return [await anext(found) for _ in range(count)]


async def ready(api: Served) -> str:
    async with asyncio.timeout(60):
        while True:
            place = json.loads((await api.get("/api/v1/latest"))[1])["place"]
            if place is not None:
                return str(place)
            await asyncio.sleep(0.05)


async def test_what_is_stored_is_told_and_a_place_resumes_behind_it() -> None:
    async with served() as api:
        begin = await ready(api)
        async with events(api, f"/api/v1/stream?since={begin}") as found:
            for item in QUOTES[:3]:
                await api.stored.append(item)
            told = await take(found, 3)
        assert [prices for _, prices in told] == [["100.01"], ["101.5"], ["99.75"]]
        headers = {"Last-Event-ID": told[0][0]}
        async with events(api, **headers) as found:
            assert await take(found, 2) == told[1:]


async def test_only_the_symbols_asked_for_are_told() -> None:
    async with served() as api:
        begin = await ready(api)
        await api.stored.append(quote(30, "7", 1, symbol="MSFT"))
        await api.stored.append(QUOTES[0])
        async with events(api, f"/api/v1/stream?symbols=AAPL&since={begin}") as found:
            told = await take(found, 2)
        assert sorted(prices for _, prices in told) == [[], ["100.01"]]


async def test_a_server_that_starts_anew_resumes_from_the_log_itself() -> None:
    async with stored_market() as stored:
        await stored.begin()
        async with serving(stored) as api:
            begin = await ready(api)
            async with events(api, f"/api/v1/stream?since={begin}") as found:
                await stored.append(QUOTES[0])
                ((place, _),) = await take(found, 1)
        for item in QUOTES[1:4]:
            await stored.append(item)
        async with serving(stored) as api:
            await ready(api)
            headers = {"Last-Event-ID": place}
            async with events(api, **headers) as found:
                told = await take(found, 3)
                await stored.append(QUOTES[4])
                told += await take(found, 1)
        assert [prices for _, prices in told] == [["101.5"], ["99.75"], ["102"], ["98.25"]]
