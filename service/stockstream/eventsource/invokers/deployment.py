"""What the deployment zip holds: top-level modules of the distributions that the `lambda` extra pulls in.

Computed from the installed metadata, so that the local run refuses an import which would only fail in Lambda.
"""

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stockstream.eventsource.errors import EventSourceConfigError


def deployed_modules(distribution: str, extra: str) -> frozenset[str]:
    """Top-level modules of everything that `distribution[extra]` needs, without `distribution` itself.

    Raises:
        EventSourceConfigError: the distribution, or one that it needs, is not installed.
    """
    needed = _closure(distribution, extra)
    owners = metadata.packages_distributions()
    return frozenset(
        module for module, names in owners.items() if any(canonicalize_name(name) in needed for name in names)
    )


def _closure(distribution: str, extra: str) -> frozenset[str]:
    root = canonicalize_name(distribution)
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[str, str]] = [(root, extra)]
    while waiting:
        name, wanted_extra = waiting.pop()
        if (name, wanted_extra) in seen:
            continue
        seen.add((name, wanted_extra))
        for requirement in map(Requirement, _requirements(name)):
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted_extra}):
                waiting += [(canonicalize_name(requirement.name), needed) for needed in ("", *requirement.extras)]
    return frozenset(name for name, _ in seen) - {root}


def _requirements(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError as exc:
        raise EventSourceConfigError(f"{name} is in the deployment zip and not installed here; run make setup") from exc
