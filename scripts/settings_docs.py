"""Writes docs/settings.md from the settings themselves. `--check` only compares, and fails where they differ."""

from pathlib import Path

from scripts.generated import write_or_check
from stockstream.settings import settings_table

TARGET = Path(__file__).parents[1] / "docs" / "settings.md"

HEAD = """# Settings

Everything is configured by environment variables. A bad value stops the start with exit code 2 and one line that names
the variable, the value and what it may be; so does a `STOCKSTREAM_` variable that does not exist. `AWS_*` variables
(`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`, credentials) keep their standard meaning. STATE and CACHE are the
user's state and cache folders of the platform (on Linux `~/.local/state/stockstream` and `~/.cache/stockstream`).

This page is generated: `make docs` writes it, a test compares it.

## The service

"""


def render() -> str:
    """Render the whole page."""
    return HEAD + settings_table()


def main() -> None:
    """Write the page, or with `--check` compare it."""
    write_or_check(TARGET, render(), says="the settings say")


if __name__ == "__main__":
    main()
