"""Writes docs/commands.md from the commands themselves. `--check` only compares, and fails where they differ."""

from pathlib import Path
from typing import Final

from scripts.generated import write_or_check
from stockstream.cli._commands import stockstream
from stockstream.cli._help import all_commands
from stockstream.exit_codes import MEANINGS, OF_COMMANDS

TARGET: Final = Path(__file__).parents[1] / "docs" / "commands.md"
_WHOLE: Final = 10_000
HEAD: Final = """# Commands and their exit codes

This page is generated: `make docs` writes it, a test compares it. `--help` of a command says the same, and its options.

## Exit codes

What a command ends with; where a command says more by one, the second table has it.

"""


def render() -> str:
    """Render the whole page."""
    parts = [HEAD + "| Code | Means |", "|---|---|"]
    parts += [f"| {code} | {meaning} |" for code, meaning in sorted(MEANINGS.items())]
    parts += ["", "| Command | Code | Means |", "|---|---|---|"]
    parts += [
        f"| `{name}` | {code} | {meaning} |" for name, codes in OF_COMMANDS.items() for code, meaning in codes.items()
    ]
    parts += ["", "## Commands", "", "| Command | |", "|---|---|"]
    parts += [f"| `{name}` | {command.get_short_help_str(_WHOLE)} |" for name, command in all_commands(stockstream)]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write the page, or with `--check` compare it."""
    write_or_check(TARGET, render(), says="the commands say")


if __name__ == "__main__":
    main()
