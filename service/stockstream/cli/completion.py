"""`stockstream completion`: the lines that make a shell complete our commands and options."""

import os
import sys
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from stockstream.errors import InputError

_SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_STOCKSTREAM_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print what makes a shell complete commands and options; of SHELL, or the one of $SHELL.

    For this session: `eval "$(stockstream completion bash)"`; for all of them, put that line into ~/.bashrc (zsh:
    ~/.zshrc). fish: `stockstream completion fish > ~/.config/fish/completions/stockstream.fish`.
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        why = f"SHELL={name!r} is none that can be completed" if name else "SHELL is not set, and no shell is named"
        raise InputError(f"{why}. Remedy: name one of {', '.join(_SHELLS)}")
    maker = get_completion_class(name)
    assert maker is not None  # noqa: S101 - click has all of the three
    click.echo(maker(click.get_current_context().find_root().command, {}, _program(), _VARIABLE).source())


def _program() -> str:
    return "stockstream" if Path(sys.argv[0]).name in {"__main__.py", ""} else Path(sys.argv[0]).name
