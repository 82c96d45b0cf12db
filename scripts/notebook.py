"""Runs examples/reading.ipynb beside a local run of the sample session, as a user does, and writes what its cells give.

python -m scripts.notebook    (tests/examples/test_examples.py runs it too, and compares)
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from tests.local.local_command import LocalCommand

ROOT: Final = Path(__file__).parents[1]
NOTEBOOK: Final = ROOT / "examples" / "reading.ipynb"
SAMPLE: Final = ROOT / "examples" / "simulated-session.csv.gz"
STATE_VARIABLE: Final = "STOCKSTREAM_LOCAL_STATE_DIR"
_CELL_SECONDS: Final = 300


def executed(folder: Path, environment: Mapping[str, str]) -> Any:
    """The notebook after a run of all its cells in their order, in a kernel of its own.

    Args:
        folder: Where the kernel works.
        environment: Its variables: they name the local stack.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # Sockets of the file system: a port might be taken by others.
    config = Config({"KernelManager": {"transport": "ipc", "ip": str(folder / "kernel")}})
    client = NotebookClient(
        notebook, config=config, timeout=_CELL_SECONDS, startup_timeout=_CELL_SECONDS, record_timing=False
    )
    client.execute(cwd=str(folder), env=dict(environment))
    return notebook


def texts_of(notebook: Any) -> list[list[str]]:
    """What each cell of code gives, as text."""
    return [
        [output["data"]["text/plain"] for output in cell.outputs] for cell in notebook.cells if cell.cell_type == "code"
    ]


def main() -> None:
    """Write the notebook with what its cells give."""
    with tempfile.TemporaryDirectory() as name:
        local = LocalCommand(Path(name))
        with local.keep_running("--replay", str(SAMPLE)):
            notebook = executed(local.folder, local.clean_environment() | {STATE_VARIABLE: str(local.folder / "state")})
    nbformat.write(notebook, NOTEBOOK)
    print(f"wrote {NOTEBOOK.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
