"""What `make` says where a cause outside stops it."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


# What a `make test VENV=… PYTHON=…` around us hands on to every make below it.
OF_THE_OUTER_MAKE = frozenset(
    {"MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS", "VENV", "PYTHON", "WORKERS", "ARGS"}
)


def environment(**variables: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in OF_THE_OUTER_MAKE} | variables


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), *arguments],
        cwd=folder, env=environment(**variables), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_python_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    done = make(tmp_path, "setup", "PYTHON=python9.9")

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "There is no python9.9 on the PATH. Remedy: " in line


def test_a_package_index_that_is_away_is_said_with_the_remedy(tmp_path: Path) -> None:
    for name in ("requirements-uv.txt", "pyproject.toml", "uv.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = make(
        tmp_path, "setup", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="",
        PIP_NO_CACHE_DIR="1",
    )  # fmt: skip

    assert done.returncode == 2
    assert "The packages cannot be installed: " in done.stdout
    assert "Remedy: see that the package index can be reached" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_variables_of_a_deployment_are_not_for_git() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "infra/mine.tfvars", "infra/examples/minimal/stockstream.tfvars"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ignored.stdout.split() == ["infra/mine.tfvars"]


def environment_of_commands(folder: Path, **variables: str) -> dict[str, str]:
    makefile = folder / "show.mk"
    makefile.write_text(f"include {ROOT}/Makefile\nshow-environment:\n\t@env\n")
    done = subprocess.run(
        ["make", "-f", str(makefile), "show-environment"],
        cwd=folder, env=environment(**variables), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def test_who_wants_no_bytecode_in_the_tree_has_it_among_the_tools_and_in_no_environment_yet_to_be_made(
    tmp_path: Path,
) -> None:
    found = environment_of_commands(tmp_path, PYTHONDONTWRITEBYTECODE="1")
    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert found["PYTHONPYCACHEPREFIX"] == str(tmp_path / ".tools" / "bytecode")
