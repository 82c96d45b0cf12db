"""A headless Chromium that the tests drive over its own protocol, and what it complained about."""

# ruff: noqa: ASYNC110, ASYNC220, ASYNC240 - a test waits for another process, and nothing else waits for the test

import asyncio
import itertools
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.request_guard.browser import chromium

_SECONDS = 240.0
_GONE = "Inspected target navigated or closed"
_COMPLAINTS = {"Runtime.exceptionThrown", "Log.entryAdded"}


@dataclass
class Tab:
    """One page. `complaints` are exceptions, errors of the console and violations of the policy."""

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(_SECONDS):
            while True:
                message = await self.socket.receive_json()
                if message.get("id") == number:
                    if message.get("error", {}).get("message") == _GONE:
                        return {"result": {}}  # the page went elsewhere while it was asked
                    assert "error" not in message, message
                    result: dict[str, Any] = message["result"]
                    return result
                entry = message.get("params", {})
                if message.get("method") in _COMPLAINTS and entry.get("entry", {}).get("level", "error") == "error":
                    self.complaints.append(str(entry))

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The expression's value, once it has one that counts."""
        async with asyncio.timeout(_SECONDS):
            while not (found := await self.evaluate(expression)):
                await asyncio.sleep(0.1)
            return found

    async def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse, move it in two steps, let go."""
        middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
        for kind, (x, y) in (
            ("mousePressed", begin), ("mouseMoved", middle), ("mouseMoved", end), ("mouseReleased", end),
        ):  # fmt: skip
            held = {"button": "left", "buttons": 0 if kind == "mouseReleased" else 1, "clickCount": 1}
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)


@asynccontextmanager
async def browser_tab(profile: Path) -> AsyncIterator[Tab]:
    command = [
        chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank",
    ]  # fmt: skip
    with (profile.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as http:
            async with http.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
                target = await answer.json(content_type=None)
            async with http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Runtime", "Log", "Page"):
                    await tab.call(f"{domain}.enable")
                # A page that nobody sees lets its stream go.
                await tab.call("Page.bringToFront")
                yield tab
    finally:
        process.terminate()
        process.wait(30)


async def _port(file: Path) -> int:
    async with asyncio.timeout(_SECONDS):
        while not (file.exists() and file.read_text().strip()):
            await asyncio.sleep(0.1)
    return int(file.read_text().split()[0])
