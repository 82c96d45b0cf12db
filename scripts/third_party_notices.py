"""Third-party notices: the list that wheel and image carry, and the licence texts of all that an image has installed.

python -m scripts.third_party_notices [--check]       writes THIRD-PARTY-NOTICES.md from uv.lock, or compares it
python third_party_notices.py --texts FILE            licence texts of this very environment (the Dockerfile does it)
"""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_TARGET: Final = _ROOT / "THIRD-PARTY-NOTICES.md"
_VENDORED: Final = _ROOT / "service/stockstream/dashboard/static/vendor"
# What is shipped: the image for ECS, and the one that compose and `stockstream local` use; the zip of the function.
_SHIPPED: Final = {"service": "image", "lambda": "deployment zip", "local": "image for compose"}
_IMAGE: Final = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "platform_machine": "x86_64",
    "extra": "",
}
_LICENCE_FILE: Final = re.compile(r"(^|/)(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*$", re.IGNORECASE)
# Where a package's metadata names no licence: as its own repository says.
_KNOWN: Final = {"peewee": "MIT"}

_HEAD: Final = """# Third-party notices

Stockstream is Apache-2.0 (`LICENSE`, `NOTICE`). The wheel and the source distribution contain the scripts of others
that the page is made of (the last table; their licence texts lie beside them) and name these packages as dependencies.
The images and the function's deployment zip contain them; an image carries the
licence texts of all of them in one file, `/app/THIRD-PARTY-LICENSES.txt`. The licences of the base image's own packages
lie in its `/usr/share/doc/*/copyright`.

This page is generated from `uv.lock` for Linux and Python 3.13: `make docs` writes it, `make docs-check` compares it.

| Package | Version | Licence | Part of |
|---|---|---|---|
"""


_VENDORED_HEAD: Final = """
## Scripts of the page

Copied unchanged from the packages of the npm registry into `stockstream/dashboard/static/vendor`. TradingView
Lightweight Charts™, Copyright (c) TradingView, Inc., https://www.tradingview.com/: the page says so below each chart.

| Package | Version | Licence | File of the package | SHA-256 |
|---|---|---|---|---|
"""


def main() -> None:
    """Write or compare the page, or write the texts."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--texts"]:
        text = "\n".join(_texts())
        Path(arguments[1]).write_text(text, encoding="utf-8")
        print(f"wrote {arguments[1]}: {text.count(_RULE)} packages")
        return
    from scripts.generated import write_or_check  # noqa: PLC0415 - in the image this file stands alone

    write_or_check(_TARGET, render(), says="uv.lock says")


def render() -> str:
    """The page, from the lock and the installed packages' metadata."""
    parts: dict[tuple[str, str], list[str]] = {}
    for extra, part in _SHIPPED.items():
        for package in _locked(extra):
            parts.setdefault(package, []).append(part)
    rows = [
        f"| {name} | {version} | {licence_of(distribution(name))} | {', '.join(part)} |"
        for (name, version), part in sorted(parts.items())
    ]
    return _HEAD + "\n".join(rows) + "\n" + _VENDORED_HEAD + "\n".join(_vendored()) + "\n"


def _vendored() -> Iterator[str]:
    """A row for each script that is part of the page.

    Raises:
        SystemExit: a file is not the one that was taken, or its licence is missing.
    """
    entries = json.loads((_VENDORED / "vendor.json").read_text(encoding="utf-8"))
    scripts = {path.name for path in _VENDORED.glob("*.mjs")}
    if scripts != {entry["file"] for entry in entries}:
        sys.exit(f"{_VENDORED.name}: vendor.json does not list {sorted(scripts)}. Remedy: name each file in it")
    for entry in entries:
        digest = hashlib.sha256((_VENDORED / entry["file"]).read_bytes()).hexdigest()
        licence = (_VENDORED / entry["file"]).with_suffix(".LICENSE")
        if digest != entry["sha256"] or not licence.is_file():
            sys.exit(f"{entry['file']}: sha256 {digest} is not vendor.json's, or {licence.name} is missing")
        yield f"| {entry['name']} | {entry['version']} | {entry['licence']} | `{entry['from']}` | `{digest}` |"


def licence_of(package: Distribution) -> str:
    """The licence as the package's metadata names it.

    Raises:
        SystemExit: it names none: look, and write it down in `_KNOWN`.
    """
    name, metadata = package.metadata["Name"], package.metadata
    trove = [line.rsplit(" :: ", 1)[-1] for line in metadata.get_all("Classifier") or () if line.startswith("License")]
    fields = metadata.json
    line = str(fields.get("license", "")).strip().splitlines()[:1]
    found = fields.get("license_expression") or " and ".join(sorted(set(trove))) or "".join(line) or _KNOWN.get(name)
    if not found:
        sys.exit(f"{name} names no licence. Remedy: look it up and add it to _KNOWN in scripts/third_party_notices.py")
    return str(found).replace("|", "\\|")


def _locked(extra: str) -> Iterator[tuple[str, str]]:
    from packaging.requirements import Requirement  # noqa: PLC0415 - absent where only the texts are written

    command = [str(_ROOT / ".tools/bin/uv"), "export", "--quiet", "--frozen", "--no-emit-project", "--no-hashes"]
    lines = subprocess.run([*command, "--extra", extra], cwd=_ROOT, check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        if line and not line.startswith(("#", " ")):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(_IMAGE):
                yield requirement.name, str(requirement.specifier).removeprefix("==")


_RULE: Final = "=" * 100


def _texts() -> Iterator[str]:
    for package in sorted(distributions(), key=lambda package: package.metadata["Name"].lower()):
        yield f"{_RULE}\n{package.metadata['Name']} {package.version}: {licence_of(package)}\n"
        for file in package.files or ():
            if _LICENCE_FILE.search(str(file)) and "dist-info" in str(file):
                yield Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    main()
