"""Terraform's files as plain dictionaries, for the structure tests and the modules' READMEs."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hcl2

ROOT: Final = Path(__file__).resolve().parents[2]
INFRA: Final = ROOT / "infra"


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its kind, its labels, its content.

    Attributes:
        kind: `resource`, `data`, `variable`, `output`, `module`, `locals`, `terraform`, `provider`.
        labels: Type and name of a resource; the name of a variable, an output or a module; nothing for the others.
        body: Content; literals as Python values, expressions as text of the form `${...}`.
        path: The file.
    """

    kind: str
    labels: tuple[str, ...]
    body: dict[str, Any]
    path: Path

    @property
    def address(self) -> str:
        return ".".join((self.kind, *self.labels))


_LABELS: Final = {"resource": 2, "data": 2, "variable": 1, "output": 1, "module": 1, "provider": 1}


def module_folders() -> list[Path]:
    """The root and every module."""
    return [INFRA, *sorted(path for path in (INFRA / "modules").iterdir() if path.is_dir())]


def blocks(folder: Path, kind: str | None = None) -> Iterator[Block]:
    """Yield every block of a module, of one kind or of all."""
    for path in sorted(folder.glob("*.tf")):
        for block in _parse(path, path.stat().st_mtime_ns):
            if kind in {None, block.kind}:
                yield block


def literals(value: Any) -> Iterator[str]:
    """Yield every text below a value, keys excluded."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from literals(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from literals(inner)
    elif isinstance(value, str):
        yield value


@functools.cache
def _parse(path: Path, _mtime_ns: int) -> tuple[Block, ...]:
    # Cached: the parser takes tens of milliseconds a file, and every test reads them all. The time is part of the key.
    with path.open(encoding="utf-8") as source:
        content = _clean(hcl2.load(source))
    return tuple(
        block for kind, entries in content.items() for entry in entries for block in _unfold(kind, entry, (), path)
    )


def _unfold(kind: str, entry: dict[str, Any], labels: tuple[str, ...], path: Path) -> Iterator[Block]:
    if len(labels) == _LABELS.get(kind, 0):
        yield Block(kind, labels, entry, path)
        return
    for label, inner in entry.items():
        yield from _unfold(kind, inner, (*labels, label), path)


def _clean(value: Any) -> Any:
    # python-hcl2 8 keeps the quotes of literals and marks blocks and comments in the data.
    if isinstance(value, dict):
        return {_unquoted(key): _clean(inner) for key, inner in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return _unquoted(value) if isinstance(value, str) else value


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text
