"""Starts the endpoint as a process and talks to its control path."""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).resolve().parents[2]


class NullKinesis:
    """The endpoint as a context manager.

    Args:
        stream: Name of its one stream.
        shards: Open shards at the start.
    """

    def __init__(self, stream: str = "stockstream", shards: int = 64) -> None:
        self._arguments = [sys.executable, "-m", "benchmarks.null_kinesis", "--stream", stream, "--shards", str(shards)]
        self._process: subprocess.Popen[str]
        self.port = 0

    @property
    def url(self) -> str:
        """What a client's endpoint URL must be."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._arguments, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def set_faults(self, **faults: Any) -> None:
        """Change fields of `Faults`."""
        self._control(action="faults", faults=faults)

    def reset(self, shards: int = 64) -> None:
        """Forget everything."""
        self._control(action="reset", shards=shards)

    def reshard(self, shards: int) -> None:
        """Close all open shards and open as many in their place."""
        self._control(action="reshard", shards=shards)

    def count(self) -> dict[str, int]:
        """Records and calls so far."""
        return dict(self._control(action="count"))

    def report(self, expected: dict[str, int]) -> dict[str, Any]:
        """Verify everything that arrived; see `Verdict`, and the counts of calls beside it."""
        return dict(self._control(action="report", expected=expected))

    def _control(self, **request: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/control", json.dumps(request), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
