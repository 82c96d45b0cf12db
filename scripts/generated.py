"""Writes a generated file, or with `--check` only compares it: what every generator of this folder ends with."""

import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[1]


def write_or_check(target: Path, text: str, *, says: str) -> None:
    """Write the text, or with `--check` on the command line exit with a remedy where the file differs from it.

    Args:
        target: The generated file.
        text: What it should hold.
        says: Whose words they are, for the message.
    """
    name = target.resolve().relative_to(_ROOT)
    if "--check" not in sys.argv[1:]:
        target.write_text(text, encoding="utf-8")
        print(f"wrote {name}")
    elif not target.is_file() or target.read_text(encoding="utf-8") != text:
        sys.exit(f"{name} is not what {says}. Remedy: make docs")
