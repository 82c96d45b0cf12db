"""Help that is whole, and exit codes that come from one table."""

import ast
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stockstream.cli._commands import stockstream
from stockstream.cli._help import all_commands
from stockstream.exit_codes import MEANINGS, OF_COMMANDS, ExitCode

ROOT = Path(__file__).parents[2]
COMMANDS = dict(all_commands(stockstream))


def help_of(name: str) -> str:
    done = CliRunner().invoke(stockstream, [*name.split(), "--help"])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize("group", ["", *(name for name, one in COMMANDS.items() if isinstance(one, click.Group))])
def test_a_list_of_commands_is_not_cut(group: str) -> None:
    text = help_of(group)

    assert "..." not in text.replace("[ARGS]...", "")
    for name, command in COMMANDS.items():
        if name.rpartition(" ")[0] == group:
            assert " ".join(command.get_short_help_str(10_000).split()) in text


@pytest.mark.parametrize("name", sorted(OF_COMMANDS))
def test_a_command_says_its_exit_codes(name: str) -> None:
    text = help_of(name)

    for code, meaning in OF_COMMANDS[name].items():
        assert f"{code} {meaning}" in text


def test_every_code_has_a_meaning() -> None:
    told = set(MEANINGS).union(*OF_COMMANDS.values())

    assert told == set(ExitCode)


def test_no_command_ends_with_a_number_of_its_own() -> None:
    for path in (ROOT / "service" / "stockstream" / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SystemExit":
                assert not any(isinstance(part, ast.Constant) for part in ast.walk(node)), f"{path}:{node.lineno}"
