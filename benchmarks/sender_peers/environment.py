"""Makes the environment of the peers: `.venv-peers` beside the project's own."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = ROOT / ".venv-peers"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def peers_python() -> Path:
    """Return the Python whose environment holds the peers; install it first where it is missing or out of date."""
    python = _FOLDER / "bin" / "python"
    stamp = _FOLDER / ".installed"
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print("installing the peers into .venv-peers", file=sys.stderr, flush=True)
    uv = ROOT / ".tools" / "bin" / "uv"
    if uv.exists():
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, _FOLDER], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "-r", _REQUIREMENTS], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", "--clear", _FOLDER], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", _REQUIREMENTS], check=True)
    stamp.write_text(wanted)
    return python
