"""Writes the sources that Terraform takes from the catalogue. `--check` only compares, and fails where they differ."""

import re
import sys
from pathlib import Path
from typing import Final

from scripts.generated import write_or_check
from stockstream.source_kinds import AUTO, SOURCE_KINDS

TARGET: Final = Path(__file__).parents[1] / "infra" / "modules" / "producer" / "variables.tf"
_VALIDATION: Final = re.compile(
    r"condition     = contains\(\[[^]]*\], var\.source_name\)\n    error_message = \"[^\"]*\"", re.ASCII
)


def render(path: Path = TARGET) -> str:
    """Render the module's variables with the validation that the catalogue asks for."""
    names = [kind.name for kind in SOURCE_KINDS if kind.runs_on_aws] + [AUTO]
    listed = ", ".join(f'"{name}"' for name in names)
    words = f"{', '.join(names[:-1])} or {names[-1]}"
    validation = (
        f'condition     = contains([{listed}], var.source_name)\n    error_message = "source_name must be {words}."'
    )
    text, found = _VALIDATION.subn(validation, path.read_text(encoding="utf-8"))
    if found != 1:
        sys.exit(f"{path} holds {found} validations of source_name, not one")
    return text


def main() -> None:
    """Write the file, or with `--check` compare it."""
    write_or_check(TARGET, render(), says="the catalogue says")


if __name__ == "__main__":
    main()
