"""Help that is whole: no line of a list of commands is cut, and each command says its exit codes."""

import textwrap
from collections.abc import Iterator
from typing import Final

import click

from stockstream.exit_codes import OF_COMMANDS

_WHOLE: Final = 10_000
_WIDTH: Final = 78


class WholeHelp(click.Group):
    """A group whose list of commands gives the first sentence of each, however long."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def all_commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group by its whole name, as it is typed: `alerts`, `alerts remove`."""
    for name, command in sorted(group.commands.items()):
        whole = f"{before}{name}"
        yield whole, command
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{whole} ")


def say_exit_codes(group: click.Group) -> None:
    """Put below the help of each command what it says by its exit codes, where it says more than every command."""
    for name, command in all_commands(group):
        if name in OF_COMMANDS:
            lines = [
                "\n".join(textwrap.wrap(f"{code:<3}  {meaning}", _WIDTH, subsequent_indent=" " * 5))
                for code, meaning in sorted(OF_COMMANDS[name].items())
            ]
            # The mark keeps click from filling the lines up.
            command.epilog = "\b\nExit codes (docs/commands.md has those of every command):\n" + "\n".join(lines)
