"""Build a function's deployment zip: the same bytes on every build of the same sources and lock file.

    python -m scripts.build_lambda_zip [--function consumer|notifier] [--architecture arm64|x86_64]
        [--python-version 3.13] [--output FILE] [--uv PATH]

Dependencies come from uv.lock (hashes checked), as wheels for Lambda's platform, whatever this machine is.
"""

import argparse
import compileall
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# Lambda's runtime python3.13 (Amazon Linux 2023, glibc 2.34): wheels of manylinux2014 and up to 2_34 run there.
PYTHON_VERSION: Final = "3.13"
PLATFORMS: Final = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
# What each function's zip holds beside our packages: an extra of the project, and the handler in it.
FUNCTIONS: Final = {
    "consumer": ("lambda", "stockstream_lambda.handler.handler"),
    "notifier": ("notifier", "stockstream_lambda.notifier.handler.handler"),
}
OUR_PACKAGES: Final = ("wire/stockstream_wire", "lambda/stockstream_lambda")
# Not needed to run, and INSTALLER, RECORD and direct_url differ between builds.
LEFT_OUT: Final = (
    "__pycache__",
    "*.pyc",
    "INSTALLER",
    "RECORD",
    "REQUESTED",
    "direct_url.json",
    "py.typed",
    "*.pyi",
    ".lock",
)
# Zip's earliest moment: the archive must not carry the clock.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
# AWS Lambda quotas: 50 MB zipped for direct upload, 250 MB unzipped.
UNZIPPED_MAX_BYTES: Final = 250 * 1024 * 1024


def main() -> None:
    arguments = _arguments()
    output: Path = arguments.output or ROOT / "build" / f"stockstream-{arguments.function}-{arguments.architecture}.zip"
    with tempfile.TemporaryDirectory() as folder:
        content = Path(folder) / "content"
        install_dependencies(arguments, content, Path(folder))
        copy_ours(content)
        unzipped_bytes = write_zip(content, output)
    zipped_bytes = output.stat().st_size
    print(
        f"{output}: {zipped_bytes:,} bytes zipped, {unzipped_bytes:,} unzipped "
        f"({arguments.architecture}, Python {arguments.python_version}, handler {FUNCTIONS[arguments.function][1]})"
    )
    if unzipped_bytes > UNZIPPED_MAX_BYTES:
        sys.exit(f"over Lambda's limit of {UNZIPPED_MAX_BYTES:,} bytes unzipped")


def install_dependencies(arguments: argparse.Namespace, target: Path, scratch: Path) -> None:
    """Install what the function's extra locks, for Lambda's platform."""
    uv: str = arguments.uv
    requirements = scratch / "requirements.txt"
    with requirements.open("wb") as file:
        export = (
            "export",
            "--quiet",
            "--frozen",
            "--no-dev",
            "--no-emit-project",
            "--extra",
            FUNCTIONS[arguments.function][0],
        )
        subprocess.run([uv, *export, "--format", "requirements.txt"], cwd=ROOT, stdout=file, check=True)
    install = ("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile")
    platform = ("--python-platform", PLATFORMS[arguments.architecture], "--python-version", arguments.python_version)
    subprocess.run([uv, *install, *platform, "--target", target, "-r", requirements], cwd=ROOT, check=True)


def copy_ours(target: Path) -> None:
    """Copy our two packages beside the dependencies."""
    for package in OUR_PACKAGES:
        source = ROOT / package
        # A file that does not compile must fail here and not on Lambda.
        if not compileall.compile_dir(source, quiet=1, force=False):
            sys.exit(f"{package} does not compile")
        shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns(*LEFT_OUT))


def write_zip(content: Path, output: Path) -> int:
    """Write all files in a fixed order, with a fixed time and fixed permissions; returns their size in bytes."""
    output.parent.mkdir(parents=True, exist_ok=True)
    total = 0
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(content.rglob("*"), key=lambda path: path.relative_to(content).as_posix()):
            relative = path.relative_to(content)
            if not path.is_file() or _is_left_out(relative):
                continue
            data = path.read_bytes()
            entry = zipfile.ZipInfo(relative.as_posix(), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data, compresslevel=9)
            total += len(data)
    return total


def _is_left_out(relative: Path) -> bool:
    in_bin = relative.parts[0] == "bin"
    return in_bin or any(Path(part).match(pattern) for part in relative.parts for pattern in LEFT_OUT)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--function", choices=sorted(FUNCTIONS), default="consumer")
    parser.add_argument("--architecture", choices=sorted(PLATFORMS), default="arm64")
    parser.add_argument("--python-version", default=PYTHON_VERSION)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--uv", default=str(ROOT / ".tools" / "bin" / "uv"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
