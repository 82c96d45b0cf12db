"""Breaks each rule of the log's protocol in turn, and shows that the random schedules catch it.

python -m benchmarks.consumer_mutants [--schedules N] [--only TEXT] [--json FILE]

Each mutant of consumer_mutants.toml is an edit of a copy of the consumer; schedules run on the copy until one ends
wrong. Exit code 1 where a
mutant is not caught within so many. Rules that need a damaged log are held by tests/consumer/test_partition.py.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = ROOT / "lambda" / "stockstream_lambda"
# The unbroken consumer runs a hundred times as many schedules in this time as catch the slowest mutant.
_HANGS_SECONDS: Final = 1800


class Edit(NamedTuple):
    """A text of a module that stands there once, and what it becomes."""

    old: str
    new: str


class Mutant(NamedTuple):
    """Edits of one module of the consumer."""

    name: str
    module: str
    edits: tuple[Edit, ...]


def mutants() -> list[Mutant]:
    """All of consumer_mutants.toml."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return [
        Mutant(entry["name"], entry["module"], tuple(Edit(**edit) for edit in entry["edit"]))
        for entry in content["mutant"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=20_000, help="the most that a mutant gets")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants with this in their names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    arguments = parser.parse_args()
    chosen = [mutant for mutant in mutants() if arguments.only in mutant.name]
    results: list[dict[str, Any]] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for mutant, result in zip(
            chosen, pool.map(lambda mutant: run(mutant, arguments.schedules), chosen), strict=True
        ):
            results.append({"mutant": mutant.name, **result})
            print(json.dumps(results[-1]), flush=True)
    escaped = [result["mutant"] for result in results if not result["schedules_wrong"]]
    print(f"{len(results) - len(escaped)} of {len(results)} caught")
    if arguments.json:
        arguments.json.write_text(json.dumps({"mutants": results, "mutants_escaped": escaped}, indent=2) + "\n")
    sys.exit(1 if escaped else 0)


def run(mutant: Mutant, schedules: int) -> dict[str, Any]:
    """Run schedules on the mutant; how many it took, and what it was caught by."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        apply(mutant, package)
        command = [sys.executable, "-m", "benchmarks.consumer_schedules", "--processes", "1", "--stop"]
        try:
            answer = subprocess.run(
                [*command, "--schedules", str(schedules), "--first", "0"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": folder},
                capture_output=True,
                text=True,
                check=False,
                timeout=_HANGS_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return {"schedules": schedules, "schedules_wrong": 1, "wrong": {"it does not end": {}}}
    found = re.search(r"^\{.*", answer.stdout, re.DOTALL | re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{mutant.name}: {answer.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(found[0])
    return {name: figures[name] for name in ("schedules", "schedules_wrong", "wrong")}


def apply(mutant: Mutant, package: Path) -> None:
    """Make the edits; raises ValueError where a text does not stand there exactly once."""
    path = package / mutant.module
    text = path.read_text(encoding="utf-8")
    for old, new in mutant.edits:
        if text.count(old) != 1:
            raise ValueError(f"{mutant.name}: {mutant.module} holds {text.count(old)} times {old!r}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
