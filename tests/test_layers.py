"""Which package may import which: the arrows of docs/architecture.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"stockstream_wire", "stockstream", "stockstream_lambda"}

# Rooms of the service and what each may import of the others; what is OPEN, all may.
OPEN = {
    "stockstream.clock",
    "stockstream.errors",
    "stockstream.exit_codes",
    "stockstream.aws",
    "stockstream.observability",
    "stockstream.redaction",
    "stockstream.request_guard",
    "stockstream.schedule",
    "stockstream.source_kinds",
    "stockstream.symbols",
}
ROOMS: dict[str, set[str]] = {
    "aws": set(),
    "settings": set(),
    "observability": set(),
    "outbox": set(),
    "sender": {"outbox"},
    "gate": {"sources"},
    "sources": {"settings"},
    "eventsource": set(),
    "lake": set(),
    "workers": {"outbox", "sender", "settings"},
    "reading": {"settings", "workers"},
    "alerting": {"settings"},
    "cost": set(),
    "dashboard": {"alerting", "cost", "reading", "settings"},
    "audit": {"reading", "settings"},
    "redrive": {"sender"},
    "backfill": {"outbox", "sources", "sender", "settings", "reading"},
    "pipeline": {"settings", "sources", "gate", "sender", "outbox", "audit", "backfill", "workers"},
    "doctor": {"backfill", "settings", "sources", "workers"},
    "local": {"alerting", "audit", "dashboard", "eventsource", "pipeline", "reading", "sender", "settings", "sources"},
}
# Nothing imports these, but for `cli`, which calls all rooms.
LEAVES = {"cli", "doctor", "local"}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}: relative import"
            # A name taken from the root is one of its modules.
            yield from (
                (f"stockstream.{alias.name}" for alias in node.names)
                if node.module == "stockstream"
                else (node.module,)
            )


def modules(package: Path) -> list[Path]:
    found = sorted(package.rglob("*.py"))
    assert found, f"no modules in {package}"
    return found


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("wire/stockstream_wire", {"stockstream_wire"}),
        ("service/stockstream", {"stockstream", "stockstream_wire"}),
        ("lambda/stockstream_lambda", {"stockstream_lambda", "stockstream_wire"}),
    ],
)
def test_a_package_imports_only_what_its_arrow_allows(package: str, allowed: set[str]) -> None:
    for path in modules(ROOT / package):
        for name in imports_of(path):
            top = name.split(".")[0]
            assert top not in OURS - allowed, f"{path} imports {name}"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_of_the_service_imports_only_its_neighbours(room: str) -> None:
    base = ROOT / "service" / "stockstream" / room
    paths = modules(base) if base.is_dir() else [base.with_suffix(".py")]
    allowed = OPEN | {f"stockstream.{name}" for name in ROOMS[room] | {room}}
    for path in paths:
        for name in imports_of(path):
            if name.split(".")[0] == "stockstream":
                assert any(name == prefix or name.startswith(f"{prefix}.") for prefix in allowed), (
                    f"{path} imports {name}"
                )


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside functions and for the type checker count too: they are how such circles hide."""
    base = ROOT / "service"
    paths = {
        ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules(base / "stockstream")
    }
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        froms = [
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
        ]
        named = [(node.module, f"{node.module}.{alias.name}") for node in froms for alias in node.names]
        graph[name] = {module if module in paths else str(package) for package, module in named}
    through: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in through:
            for other in sorted(graph[name] & graph.keys()):
                walk(other, (*trail, name))
            through.add(name)

    for name in sorted(graph):
        walk(name, ())


def test_every_room_has_a_rule() -> None:
    base = ROOT / "service" / "stockstream"
    rooms = {path.parent.name for path in base.glob("*/__init__.py")}
    open_rooms = {name.partition(".")[2] for name in OPEN}
    assert rooms - open_rooms <= {*ROOMS, *LEAVES}


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_nothing_imports_the_leaves(leaf: str) -> None:
    for path in modules(ROOT / "service" / "stockstream"):
        relative = path.relative_to(ROOT / "service" / "stockstream")
        if relative.parts[0] in {leaf, "cli", "__main__.py"}:
            continue
        for name in imports_of(path):
            assert not name.startswith(f"stockstream.{leaf}"), f"{path} imports {name}"


def test_the_handlers_path_imports_neither_pandas_nor_pydantic() -> None:
    for path in modules(ROOT / "lambda" / "stockstream_lambda"):
        for name in imports_of(path):
            assert name.split(".")[0] not in {"pandas", "numpy", "pydantic", "pydantic_settings", "yfinance"}, (
                f"{path} imports {name}"
            )
