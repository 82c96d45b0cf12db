"""The wheel is a whole product: built, installed into a fresh folder as `uv tool install` does, run, queried.

make wheel-check
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = ROOT / ".tools" / "bin" / "uv"


def main() -> None:
    """Run every step; the first that fails ends it with its words."""
    with tempfile.TemporaryDirectory(prefix="stockstream-wheel-") as name:
        folder = Path(name)
        environment = _environment(folder)
        stockstream = folder / "bin" / "stockstream"
        _step("build", [UV, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT], environment, folder)
        (wheel,) = (folder / "dist").glob("*.whl")
        requirement = f"stockstream[local] @ {wheel.as_uri()}"
        install: list[str | Path] = [UV, "tool", "install", "--quiet", "--python", sys.executable, requirement]
        _step("install", install, environment, folder)
        nowhere = environment | {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull}
        run: list[str | Path] = [stockstream, "local", "--for", "3", "--source", "simulated", "--plain"]
        offline = {name: value for name, value in nowhere.items() if name != "PIP_FIND_LINKS"}
        _step(
            "first run, offline",
            run,
            offline | {"PIP_NO_CACHE_DIR": "1"},
            folder,
            code=2,
            says="pip install --require-",
        )
        _step("first run", run, environment, folder, says="installing the AWS emulator")
        _step("query, at rest", [stockstream, "query", "published"], environment, folder, says="rows")
        _step("latest, at rest", [stockstream, "latest"], environment, folder, says="AAPL")
        _step("second run", run, environment, folder)


def _environment(folder: Path) -> dict[str, str]:
    left_out = ("STOCKSTREAM_", "AWS_", "VIRTUAL_ENV", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_STATE_HOME": str(folder / "state"),
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
        # Where uv has downloaded to already; a fresh one costs minutes of somebody's network.
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
    }


def _step(
    name: str,
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    folder: Path,
    *,
    code: int = 0,
    says: str = "",
) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    if done.returncode != code or says not in said or "Traceback" in said:
        sys.exit(f"{said}\nwheel-check: {name}: exit code {done.returncode} (wanted {code}), wanted the words {says!r}")
    print(f"{name:20} {time.monotonic() - began:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
