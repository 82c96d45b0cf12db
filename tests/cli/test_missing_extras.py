"""The console script where only some extras are installed, and what importing it costs there."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

# What `pip install 'stockstream[lambda]'` leaves: the base dependency, the extra's, and the standard library.
IN_LAMBDA_EXTRA = {"msgspec", "structlog", "tzdata"}

ONLY = """
import sys

class Only:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top.startswith("stockstream") or top in {allowed!r}:
            return None
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Only())
sys.argv = ["stockstream", *{arguments!r}]
from stockstream.cli import main
main()
"""

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({missing!r}))
sys.argv = ["stockstream", *{arguments!r}]
from stockstream.cli import main
main()
"""


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run"], ["local", "--source", "simulated"]])
def test_with_the_functions_extra_alone_one_line_says_what_to_install(arguments: Sequence[str]) -> None:
    done = run(ONLY.format(allowed=IN_LAMBDA_EXTRA, arguments=arguments))

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "stockstream: the command line needs click. Remedy: pip install 'stockstream[service]'\n"


def test_the_name_is_of_whatever_is_missing() -> None:
    done = run(ONLY.format(allowed=IN_LAMBDA_EXTRA | {"click"}, arguments=[]))

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("Remedy: pip install 'stockstream[service]'")
    assert "click" not in line


def test_a_command_whose_extra_is_not_installed_says_which_to_install() -> None:
    done = run(WITHOUT.format(missing=["duckdb", "rich"], arguments=["local"]))

    assert done.returncode == 2
    assert done.stderr == "stockstream: this command needs rich. Remedy: pip install 'stockstream[local]'\n"


def test_a_missing_module_of_our_own_is_a_defect_and_told_as_one() -> None:
    done = run(WITHOUT.format(missing=["stockstream.cli._commands"], arguments=["run"]))

    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "pip install" not in done.stderr


def test_the_entry_point_itself_imports_nothing_of_the_extras() -> None:
    code = "import sys\nbefore = set(sys.modules)\nimport stockstream.cli\nnew = set(sys.modules) - before\n"
    code += "print(sorted(top for top in {name.partition('.')[0] for name in new} - sys.stdlib_module_names))"

    assert run(code).stdout == "['stockstream']\n"
