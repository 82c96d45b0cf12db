"""Starts the endpoint as a process and talks to its control path."""

import http.client
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).resolve().parents[2]


class NullKinesis:
    """The endpoint as a context manager.

    Args:
        stream: Name of its one stream.
        shards: Open shards at the start.
        tls: Whether it listens over TLS as well, with a certificate that `ca_file` vouches for.
    """

    def __init__(self, stream: str = "stockstream", shards: int = 64, *, tls: bool = False) -> None:
        self._arguments = [sys.executable, "-m", "benchmarks.null_kinesis", "--stream", stream, "--shards", str(shards)]
        self._process: subprocess.Popen[str]
        self._tls = tls
        self._exit = ExitStack()
        self.port = self.tls_port = 0
        self.ca_file = ""

    @property
    def url(self) -> str:
        """What a client's endpoint URL must be."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """The same over TLS."""
        return f"https://127.0.0.1:{self.tls_port}"

    def __enter__(self) -> Self:
        if self._tls:
            self._arguments += ["--certificate", self._make_certificate()]
        self._process = subprocess.Popen(
            self._arguments, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ports = list(map(int, self._process.stdout.readline().split()))
        self.port, self.tls_port = ports[0], ports[-1]
        return self

    def _make_certificate(self) -> str:
        import trustme

        folder = Path(self._exit.enter_context(TemporaryDirectory(prefix="stockstream-null-")))
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = folder / "endpoint.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        return str(certificate)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._exit.close()

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
