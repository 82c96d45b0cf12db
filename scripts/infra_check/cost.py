"""Write the tables of docs/cost.md, which `stockstream cost` prints for one deployment: `make infra-docs`."""

from pathlib import Path
from typing import Final

from stockstream.cost import with_table

DOC: Final = Path(__file__).resolve().parents[2] / "docs" / "cost.md"

if __name__ == "__main__":
    DOC.write_text(with_table(DOC.read_text(encoding="utf-8")), encoding="utf-8")
