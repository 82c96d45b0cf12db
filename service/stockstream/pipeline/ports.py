"""What the run loop needs of its neighbours, and no more."""

from collections.abc import Sequence
from typing import Protocol

from stockstream.sources.base import Rejection
from stockstream_wire import Quote


class GateResult(Protocol):
    """What the gate made of a batch."""

    @property
    def accepted(self) -> Sequence[Quote]: ...
    @property
    def unchanged(self) -> int: ...
    @property
    def rejected(self) -> Sequence[Rejection]: ...
    @property
    def late(self) -> int: ...


class Gate(Protocol):
    """Decides which quotes are accepted."""

    def admit(self, quotes: Sequence[Quote]) -> GateResult: ...


class RefusedRecord(Protocol):
    """A record that no Kinesis stream takes, and why."""

    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def reason(self) -> str: ...


class QuoteSender(Protocol):
    """Takes quotes; from its return on none of them is lost, but for those it returns, in order, as refused."""

    async def send(self, records: Sequence[tuple[str, bytes]]) -> Sequence[RefusedRecord]: ...
    def give_up_waiting(self) -> None: ...


class PipelineObserver(Protocol):
    """Is told of every step; must not block."""

    def on_accepted(self, quotes: Sequence[Quote]) -> None: ...
    def on_rejected(self, rejections: Sequence[Rejection]) -> None: ...
