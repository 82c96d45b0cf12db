"""Turns a captured terminal screen (ANSI text on standard input) into an SVG: the pictures in the docs.

tmux capture-pane -e -p -t SESSION | python -m scripts.terminal_picture docs/images/local.svg "stockstream local"
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text


def main() -> None:
    """Read the screen, write the picture."""
    target, title = Path(sys.argv[1]), sys.argv[2]
    screen = Text.from_ansi(sys.stdin.read().rstrip("\n"))
    width = max(len(line) for line in screen.plain.splitlines())
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(screen, no_wrap=True, crop=False)
    # A fixed id: the same screen gives the same file.
    picture = console.export_svg(title=title, unique_id="stockstream")
    # rich names a web font; a picture in a README must not fetch anything.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
