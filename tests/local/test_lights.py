"""What a person at the terminal is told: a source that fails, the key that ends it, a terminal that cannot draw."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.local.local_command import LocalCommand, free_port
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator


def test_a_live_source_that_never_gave_a_quote_is_said_with_its_reason_and_is_no_success(tmp_path: Path) -> None:
    command = LocalCommand(tmp_path)
    environment = command.clean_environment() | {"HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}
    with subprocess.Popen(
        command.command("--source", "yahoo", "--interval", "1"),
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "source yahoo gives nothing since" in line:
                process.send_signal(signal.SIGTERM)

    summary = json.loads(command.summary_path.read_text())
    assert process.returncode == 1, "".join(said)
    assert summary["accepted"] == 0
    assert summary["error"].startswith("yahoo never gave a quote: Yahoo: unreachable")


class Terminal:
    """A run of `stockstream local` on a terminal of its own; what it writes is read all the time."""

    def __init__(self, folder: Path, term: str) -> None:
        self._screen, inside = pty.openpty()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
        self.process = subprocess.Popen(
            [
                # A shell that opens the terminal makes it its session's own: Ctrl-C is then a signal.
                "sh", "-c", 'exec "$@" < "$0" > "$0" 2>&1', os.ttyname(inside),
                sys.executable, "-m", "stockstream", "local", "--source", "simulated",
                "--state", str(folder / "state"), "--endpoint-port", str(free_port()),
            ],
            stdin=subprocess.DEVNULL, start_new_session=True,
            env=kept | {"TERM": term, "COLUMNS": "120", "LINES": "35"},
        )  # fmt: skip
        self._inside = inside
        self.text = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._screen, 65536)
            except OSError:  # the other end is closed
                return
            self.text += part.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.text:
            assert time.monotonic() < deadline, self.text[-2000:]
            assert self.process.poll() is None or text in self.text, self.text[-2000:]
            time.sleep(0.05)

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def close(self) -> str:
        code = self.process.wait(PATIENCE_SECONDS)
        os.close(self._inside)
        self._reading.join(PATIENCE_SECONDS)
        os.close(self._screen)
        assert code == 0, self.text[-2000:]
        return self.text


def test_q_ends_it_and_the_footer_then_says_what_ctrl_c_does(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "xterm-256color")
    terminal.wait_for("RUNNING")
    terminal.type("q")
    text = terminal.close()

    assert "\x1b[?1049h" in text  # the screen of the live view
    assert "http://127.0.0.1:" in text
    assert "latest" in text
    assert "Nothing lost" in text
    assert "kept 7 days (--keep-days)" in text


def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "dumb")
    terminal.wait_for("sender_ready")
    terminal.type("\x03")
    text = terminal.close()

    assert "\x1b" not in text  # neither a move of the cursor nor a colour
    assert "summary" in text
    assert "Look inside: " in text.rpartition("summary")[2]
