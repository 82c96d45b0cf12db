"""Makes docs/images/local.svg: the screen of a real run of `stockstream local` on the sample session.

python -m scripts.terminal_picture [--seconds N]

The run has a terminal of its own and a state folder that is thrown away; the picture is the last screen that it drew.
"""

import argparse
import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "docs" / "images" / "local.svg"
COLUMNS: Final = 110
ROWS: Final = 32
# As a reader types it: the screen repeats the program's name.
COMMAND: Final = (
    ".venv/bin/stockstream", "local", "--replay", "examples/simulated-session.csv.gz", "--speed", "100",
)  # fmt: skip
# What the view begins each of its frames with.
_HOME: Final = "\x1b[H"
_NOT_COLOUR: Final = re.compile(r"\x1b\[[?0-9;]*[a-ln-zA-Z]")
_WEB_FONT: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def last_screen(seconds: float) -> str:
    """Run for so long; the last whole frame, with its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    drawn = bytearray()
    with tempfile.TemporaryDirectory() as folder:
        environment = kept | {"XDG_STATE_HOME": folder, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        run = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and run.poll() is None:
                drawn += _read(ours)
        finally:
            run.send_signal(signal.SIGINT)
            # Read on: a terminal that nobody reads would hold it.
            while run.poll() is None:
                _read(ours)
            os.close(ours)
    frames = drawn.decode(errors="replace").split(_HOME)
    if len(frames) < 3:
        sys.exit(f"no screen was drawn: {frames[-1][-500:]}")
    # The last one may be half of one.
    return _NOT_COLOUR.sub("", frames[-2]).replace("\r", "")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536) if select.select([terminal], [], [], 0.2)[0] else b""
    except OSError:  # The run has closed its end: it is over.
        return b""


def picture_of(screen: str) -> str:
    """The screen as an SVG that fetches nothing."""
    text = Text.from_ansi(screen.rstrip("\n"))
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text, no_wrap=True, crop=False)
    # A fixed id: the same screen gives the same file.
    return _WEB_FONT.sub("", console.export_svg(title="stockstream local", unique_id="stockstream"))


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=36.0, help="Length of the run; the session takes 36 s.")
    TARGET.write_text(picture_of(last_screen(parser.parse_args().seconds)), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
