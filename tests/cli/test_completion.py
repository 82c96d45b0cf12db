"""A shell completes our commands and options."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from stockstream.cli._commands import stockstream
from stockstream.errors import InputError


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_lines(shell: str) -> None:
    done = CliRunner().invoke(stockstream, ["completion", shell], prog_name="stockstream")

    assert done.exit_code == 0, done.output
    assert "_STOCKSTREAM_COMPLETE" in done.output


@pytest.mark.parametrize(
    ("shell", "why"),
    [("/bin/dash", "SHELL='dash' is none that can be completed"), (None, "SHELL is not set, and no shell is named")],
)
def test_a_shell_that_is_not_known_is_named(shell: str | None, why: str) -> None:
    done = CliRunner().invoke(stockstream, ["completion"], env={"SHELL": shell})

    assert isinstance(done.exception, InputError)
    assert str(done.exception) == f"{why}. Remedy: name one of bash, zsh, fish"


def test_the_shell_of_the_terminal_is_the_default() -> None:
    done = CliRunner().invoke(stockstream, ["completion"], prog_name="stockstream", env={"SHELL": "/usr/bin/fish"})

    assert done.exit_code == 0, done.output
    assert "complete --no-files" in done.output


@pytest.mark.parametrize(
    ("words", "expected"), [("stockstream re", "rebuild"), ("stockstream local --ke", "--keep-days")]
)
def test_what_the_shell_asks_is_answered(words: str, expected: str) -> None:
    program = "import sys; sys.argv = ['stockstream']; from stockstream.cli import main; main()"
    environment = dict(os.environ) | {
        "_STOCKSTREAM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert expected in done.stdout, done.stderr
