"""The line that shows, in another terminal, what a run has stored."""

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from stockstream.settings.paths import default_state_dir

_STATE_VARIABLE: Final = "STOCKSTREAM_LOCAL_STATE_DIR"


def look_command(state_dir: Path) -> str:
    """`stockstream latest`, as this program was called, with the state folder where it is not the default one."""
    called = Path(sys.argv[0])
    program = "python -m stockstream" if called.name == "__main__.py" else _as_typed(called)
    default = (default_state_dir() / "local").resolve()
    is_default = not os.environ.get(_STATE_VARIABLE) and state_dir.resolve() == default
    prefix = "" if is_default else f"{_STATE_VARIABLE}={shlex.quote(str(state_dir))} "
    return f"{prefix}{program} latest"


def _as_typed(called: Path) -> str:
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    if called.is_absolute() and called.parent in folders:
        return called.name
    return shlex.quote(str(called))
