"""Enough of HTTP/1.1 for a stand-in: read a request, write a reply, and write one badly."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def cookies(self) -> dict[str, str]:
        pairs = (part.split("=", 1) for part in self.headers.get("cookie", "").split(";") if "=" in part)
        return {name.strip(): value.strip() for name, value in pairs}


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: Any, status: int = 200, **headers: str) -> "Response":
        return cls(status, json.dumps(value).encode(), {"content-type": "application/json", **headers})

    @classmethod
    def of_text(cls, text: str, status: int = 200, **headers: str) -> "Response":
        return cls(status, text.encode(), {"content-type": "text/plain", **headers})

    def encoded(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Standin"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"content-length: {len(self.body)}", "connection: keep-alive", "", ""]
        return "\r\n".join(lines).encode() + self.body


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; None at the end of the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    length = int(headers.get("content-length", "0"))
    return Request(method, target, headers, await reader.readexactly(length) if length else b"")
