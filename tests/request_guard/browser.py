"""A real page in a real browser: headless Chromium opens it on an origin of its own; it reports what it could do."""

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_SECONDS

# A name that resolves to loopback in this browser only: what a rebinding name server answers.
FOREIGN_NAME = "evil.example"
_PAGE = Path(__file__).with_name("attack.html")
_ANSWER_SECONDS = 90.0


def chromium() -> str:
    """Chromium's path; without one the test is skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")


def _arguments(profile: Path) -> list[str]:
    return [
        chromium(),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        # What holds here must hold in browsers that do not yet ask before a page reaches into the local network.
        "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
        f"--host-resolver-rules=MAP {FOREIGN_NAME} 127.0.0.1",
        f"--user-data-dir={profile}",
    ]


def open_directly(url: str, profile: Path) -> str:
    """Open a URL in a window and return the document that came of it."""
    command = [*_arguments(profile), "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True).stdout


def attack(attempts: Sequence[Mapping[str, Any]], profile: Path) -> dict[str, str]:
    """Let a page of another origin try each attempt (see attack.html); returns what it saw of each, by name."""
    with _page(attempts) as (url, reports), (profile.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen([*_arguments(profile), url], stdout=log, stderr=log)
        try:
            return reports.get(timeout=_ANSWER_SECONDS)
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@contextmanager
def _page(attempts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, "queue.Queue[dict[str, str]]"]]:
    reports: queue.Queue[dict[str, str]] = queue.Queue()
    page = _PAGE.read_text(encoding="utf-8").replace("ATTEMPTS", json.dumps(attempts)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_page = self.path == "/"
            self.send_response(200 if is_page else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page if is_page else b"")

        def do_POST(self) -> None:
            reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://{FOREIGN_NAME}:{server.server_address[1]}/", reports
    finally:
        server.shutdown()
        server.server_close()
