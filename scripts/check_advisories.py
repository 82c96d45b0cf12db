"""Known advisories against what is locked: `pip-audit` over every package of uv.lock, where advisories can be had.

    python -m scripts.check_advisories [--strict]

A check that looked at nothing must not look like one that found nothing. So a package with old, well-known advisories
is asked about first: without an answer that names them, this says "not checked" and why. Exit code 1: an advisory was
found, or, with `--strict`, it was not checked.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_UV: Final = _ROOT / ".tools/bin/uv"
# CVE-2018-18074, CVE-2023-32681 and more.
_CANARY: Final = "requests==2.19.0"
_SERVICES: Final = ("pypi", "osv")
_TIMEOUT_SECONDS: Final = 300


class NotCheckedError(Exception):
    """No advisories can be had here; the message says why."""


def main() -> None:
    """Check, and say what was looked at."""
    try:
        service = _service_that_answers()
        packages = _audit(_requirements(), service)
    except NotCheckedError as exc:
        print(f"advisories: not checked: {exc}")
        sys.exit(1 if "--strict" in sys.argv[1:] else 0)
    found = [f"{one['name']} {one['version']}: {_ids(one)}" for one in packages if one.get("vulns")]
    if found:
        sys.exit("\n".join(["advisories for what is locked:", *found, "Remedy: uv lock --upgrade-package NAME"]))
    skipped = sum("skip_reason" in one for one in packages)
    print(f"advisories: none for {len(packages) - skipped} packages (asked: {service}; {skipped} skipped)")
    if not len(packages) - skipped:
        sys.exit("advisories: uv.lock named no package to ask about")


def _service_that_answers() -> str:
    reasons = []
    for service in _SERVICES:
        try:
            answer = _audit(_CANARY + "\n", service)
        except NotCheckedError as exc:
            reasons.append(f"{service}: {exc}")
            continue
        if any(one.get("vulns") for one in answer):
            return service
        reasons.append(f"{service}: it names no advisory for {_CANARY}, of which there are several")
    raise NotCheckedError("; ".join(reasons))


def _requirements() -> str:
    command = [str(_UV), "export", "--quiet", "--frozen", "--no-emit-project", "--no-hashes", "--extra", "dev"]
    return subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout


def _audit(requirements: str, service: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text(requirements, encoding="utf-8")
        tool = [
            str(_UV),
            "run",
            "--quiet",
            "--frozen",
            "--no-project",
            "--with-requirements",
            _tool(Path(folder)),
            "pip-audit",
        ]
        options = ["--format", "json", "--disable-pip", "--no-deps", "--progress-spinner", "off", "-s", service]
        command = [*tool, *options, "--timeout", "15", "-r", str(listed)]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, cwd=folder, env=_env()
            )
        except subprocess.TimeoutExpired as exc:
            raise NotCheckedError(f"no answer within {_TIMEOUT_SECONDS} s") from exc
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError) as exc:
        reason = (done.stderr.strip().splitlines() or ["pip-audit gave no report"])[-1]
        raise NotCheckedError(reason[:300]) from exc
    return packages


def _tool(folder: Path) -> str:
    """pip-audit and what it needs, by hash."""
    path = folder / "tool.txt"
    command = [str(_UV), "export", "--quiet", "--frozen", "--only-group", "advisories", "--output-file", str(path)]
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True)
    return str(path)


def _env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}


def _ids(package: dict[str, Any]) -> str:
    return ", ".join(str(vulnerability["id"]) for vulnerability in package["vulns"])


if __name__ == "__main__":
    main()
