"""What the deployment zip holds: top-level modules of the distributions that the `lambda` extra pulls in.

Computed from the installed metadata, so that the local run refuses an import which would only fail in Lambda.
"""

import ast
import operator
import platform
import re
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any, Final

from stockstream.eventsource.errors import EventSourceConfigError

_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


def deployed_modules(distribution: str, extra: str) -> frozenset[str]:
    """Top-level modules of everything that `distribution[extra]` needs, without `distribution` itself.

    Raises:
        EventSourceConfigError: the distribution, or one that it needs, is not installed.
    """
    owners = metadata.packages_distributions()
    needed = _closure(distribution, extra)
    return frozenset(module for module, names in owners.items() if any(_canonical(name) in needed for name in names))


def _closure(distribution: str, extra: str) -> frozenset[str]:
    root = _canonical(distribution)
    seen: set[tuple[str, str]] = set()
    waiting = [(root, extra)]
    while waiting:
        name, wanted_extra = waiting.pop()
        if (name, wanted_extra) in seen:
            continue
        seen.add((name, wanted_extra))
        for requirement in _requirements(name):
            text, _, marker = requirement.partition(";")
            match = _NAME.match(text)
            if match is None or not (not marker or _marker_holds(marker, wanted_extra)):
                continue
            extras = [part.strip() for part in (match[2] or "").split(",") if part.strip()]
            waiting.extend((_canonical(match[1]), needed) for needed in ["", *extras])
    return frozenset(name for name, _ in seen) - {root}


def _requirements(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError as exc:
        raise EventSourceConfigError(f"{name} is in the deployment zip and not installed here; run make setup") from exc


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _marker_holds(marker: str, extra: str) -> bool:
    """Evaluate an environment marker (PEP 508); its grammar is a subset of Python's expressions."""
    variables = {
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "python_full_version": platform.python_version(),
        "sys_platform": sys.platform,
        "platform_system": platform.system(),
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "implementation_name": sys.implementation.name,
        "os_name": "posix",
        "extra": extra,
    }
    return bool(_evaluate(ast.parse(marker.strip(), mode="eval").body, variables))


def _evaluate(node: ast.expr, variables: dict[str, str]) -> Any:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_evaluate(value, variables) for value in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_evaluate(value, variables) for value in values)
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return variables.get(name, "")
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            sides = [_evaluate(left, variables), _evaluate(right, variables)]
            names = {side.id for side in (left, right) if isinstance(side, ast.Name)}
            if names & {"python_version", "python_full_version"}:
                sides = [_version(side) for side in sides]
            elif "extra" in names:
                sides = [_canonical(side) for side in sides]
            return _COMPARISONS[type(comparison)](*sides)
    raise EventSourceConfigError(f"an environment marker of an installed package is not understood: {ast.dump(node)}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
