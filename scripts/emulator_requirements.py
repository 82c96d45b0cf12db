"""Writes what uv.lock says of the emulator's environment, with hashes, to where the wheel takes it from.

python -m scripts.emulator_requirements [--check]
"""

import os
import subprocess
from pathlib import Path

from scripts.generated import write_or_check

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "service" / "stockstream" / "local" / "emulator-requirements.txt"
HEAD = "# Of uv.lock, group emulator. Written by `make docs`.\n"


def main() -> None:
    """Write, or compare."""
    wanted = ["--only-group", "emulator", "--no-header", "--no-annotate"]
    command = [".tools/bin/uv", "export", "--frozen", "--quiet", *wanted]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    write_or_check(TARGET, HEAD + done.stdout, says="uv.lock says")


if __name__ == "__main__":
    main()
