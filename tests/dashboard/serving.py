"""The page's server over stores written by hand, and an HTTP client that follows nothing by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from pydantic import SecretStr

from stockstream.alerting import open_desk
from stockstream.dashboard import Access, access_from, serve_dashboard
from stockstream.settings import Settings
from tests.reading.stored import Stored, stored_market


@dataclass
class Served:
    url: str
    stored: Stored
    access: Access
    http: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.get(self.url + path.lstrip("/"), headers=names, allow_redirects=False) as answer:
            return answer.status, await answer.text(), {name.lower(): text for name, text in answer.headers.items()}


@asynccontextmanager
async def served(*, token: str | None = None) -> AsyncIterator[Served]:
    async with stored_market() as stored:
        await stored.begin()
        async with serving(stored, token=token) as found:
            yield found


@asynccontextmanager
async def serving(stored: Stored, *, token: str | None = None, port: int = 0) -> AsyncIterator[Served]:
    settings = Settings(dashboard_token=SecretStr(token) if token is not None else None)
    access = access_from(settings, "127.0.0.1")
    async with (
        open_desk(stored.aws, settings) as desk,
        serve_dashboard(stored.market, access, host="127.0.0.1", port=port, poll_seconds=0.05, desk=desk) as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        yield Served(url, stored, access, http)
