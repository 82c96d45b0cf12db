"""The images that we build on: which are pinned by digest, and the digests of those that are not.

    python -m scripts.pin_images              asks the registry and writes the digests where the images are named
    python -m scripts.pin_images --check      names those without a digest; with --strict that is an error

A tag can be moved to other bytes, a digest cannot. Digests are asked for with Docker, so that this needs an engine and
a registry that can be reached.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_FILES: Final = ("Dockerfile", "docker/emulator/Dockerfile", "docker-compose.yml", "scripts/e2e/__main__.py")
_NAME: Final = r"(?<![\w/])(?<!\w-)(?:python|localstack/localstack):"
_RELEASE: Final = r"[0-9]+\.[0-9]+\.[0-9]+"
# An exact tag, and the digest behind it where it is known.
_IMAGE: Final = re.compile(rf"(?P<tag>{_NAME}{_RELEASE}[a-z0-9.-]*)(?P<digest>@sha256:[0-9a-f]{{64}})?")
_FLOATING: Final = re.compile(rf"{_NAME}(?!{_RELEASE})[a-z0-9.-]+")


def main() -> None:
    """Write or check."""
    arguments = sys.argv[1:]
    if "--check" not in arguments:
        pin()
        return
    unpinned = find_unpinned(_ROOT)
    for line in unpinned:
        print(f"not pinned by digest: {line}")
    if unpinned:
        print("Remedy: make pin-images, where the registry can be reached")
    if "--strict" in arguments and unpinned:
        sys.exit(1)


def find_unpinned(root: Path) -> list[str]:
    """`FILE: IMAGE` for each image without a digest.

    Raises:
        SystemExit: an image is named by a tag that moves with every release.
    """
    found = []
    for name in _FILES:
        text = (root / name).read_text(encoding="utf-8")
        floating = _FLOATING.search(text)
        if floating is not None:
            sys.exit(f"{name} names {floating[0]}, which moves. Remedy: a tag with major, minor and patch version")
        found += [f"{name}: {match['tag']}" for match in _IMAGE.finditer(text) if not match["digest"]]
    return found


def with_digests(text: str, digests: dict[str, str]) -> str:
    """The text with the digest behind every image that `digests` knows."""
    return _IMAGE.sub(
        lambda match: match["tag"] + ("@" + digests[match["tag"]] if match["tag"] in digests else ""), text
    )


def pin() -> None:
    """Ask for each digest and write it down.

    Raises:
        SystemExit: the registry does not answer; nothing is written.
    """
    texts = {name: (_ROOT / name).read_text(encoding="utf-8") for name in _FILES}
    tags = sorted({match["tag"] for text in texts.values() for match in _IMAGE.finditer(text)})
    digests = {tag: _digest_of(tag) for tag in tags}
    for name, text in texts.items():
        (_ROOT / name).write_text(with_digests(text, digests), encoding="utf-8")
    for tag, digest in digests.items():
        print(f"{tag}@{digest}")


def _digest_of(tag: str) -> str:
    docker = shutil.which("docker")
    if docker is None:
        sys.exit("there is no docker on PATH, which is what asks the registry. Remedy: install it, or pin by hand")
    _docker([docker, "pull", "--quiet", tag], tag)
    # NAME@DIGEST; the digest is that of the list of platforms.
    digest = _docker([docker, "image", "inspect", "--format", "{{index .RepoDigests 0}}", tag], tag).rpartition("@")[2]
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        sys.exit(f"the digest of {tag} cannot be had: {digest!r} is none")
    return digest


def _docker(command: list[str], tag: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        sys.exit(f"the digest of {tag} cannot be had: {reason}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
