"""A null Kinesis in the test's own event loop, and records that can be checked on arrival."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.null_kinesis.server import serve
from benchmarks.null_kinesis.stream import Stream
from benchmarks.null_kinesis.verify import verify
from stockstream.aws import AwsConfig
from stockstream.sender import Sender, SenderConfig
from tests.patience import PATIENCE_SECONDS


@dataclass
class Kinesis:
    """A running endpoint."""

    stream: Stream
    url: str

    @property
    def aws(self) -> AwsConfig:
        return AwsConfig("us-east-1", self.url, "test", "test")

    def verify(self, expected: dict[str, int]) -> dict[str, Any]:
        return verify(self.stream, expected)


@pytest.fixture
async def kinesis() -> AsyncIterator[Kinesis]:
    stream = Stream("stockstream", shards=4)
    stream.faults.shuffle = True
    server, port = await serve(stream, "127.0.0.1", 0)
    yield Kinesis(stream, f"http://127.0.0.1:{port}")
    server.close()
    stream.close_connections()


MakeSender = Callable[..., Sender]


@pytest.fixture
def make_sender(kinesis: Kinesis) -> MakeSender:
    def make(**settings: Any) -> Sender:
        # Short waits: what is tested is what happens, not how long it takes.
        defaults: dict[str, Any] = {"stream": "stockstream", "linger_seconds": 0.005, "close_seconds": PATIENCE_SECONDS}
        return Sender(SenderConfig(**{**defaults, **settings}), kinesis.aws)

    return make


@pytest.fixture
def outbox_dir(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


class Quotes:
    """Makes quotes with sequence numbers per symbol, and knows how many it has made."""

    def __init__(self, symbols: int = 20, size: int = 300) -> None:
        self._symbols = [f"S{i:04d}" for i in range(symbols)]
        self._size = size
        self.made: dict[str, int] = {}
        self._next = 0

    def take(self, count: int) -> list[tuple[str, bytes]]:
        records = []
        for _ in range(count):
            symbol = self._symbols[self._next % len(self._symbols)]
            self._next += 1
            sequence = self.made.get(symbol, 0)
            self.made[symbol] = sequence + 1
            data = f'{{"seq":{sequence:010d},"symbol":"{symbol}"'.encode()
            records.append((symbol, data + b" " * (self._size - len(data) - 1) + b"}"))
        return records


@pytest.fixture
def quotes() -> Quotes:
    return Quotes()
