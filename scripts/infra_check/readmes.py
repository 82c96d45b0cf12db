"""The tables of inputs and outputs in the modules' READMEs, written from the HCL: `make infra-docs`."""

import re
import sys
from pathlib import Path
from typing import Any, Final

from scripts.infra_check.hcl import blocks, module_folders

BEGIN: Final = "<!-- inputs and outputs: written by `make infra-docs` -->"
END: Final = "<!-- end -->"


def tables(folder: Path) -> str:
    """Render a module's inputs and outputs as Markdown."""
    lines = ["", "| Input | Type | Default | Meaning |", "|---|---|---|---|"]
    for block in blocks(folder, "variable"):
        body = block.body
        default = f"`{_default(body['default'])}`" if "default" in body else "required"
        lines.append(f"| `{block.labels[0]}` | `{_type(body['type'])}` | {default} | {_cell(body['description'])} |")
    lines += ["", "| Output | Meaning |", "|---|---|"]
    lines += [f"| `{block.labels[0]}` | {_cell(block.body['description'])} |" for block in blocks(folder, "output")]
    return "\n".join([*lines, ""])


def with_tables(text: str, folder: Path) -> str:
    """Put the tables between the markers of a README.

    Raises:
        ValueError: the markers are not there.
    """
    if BEGIN not in text or END not in text:
        msg = f"{folder / 'README.md'} lacks {BEGIN} ... {END}"
        raise ValueError(msg)
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{tables(folder)}\n{END}{rest.partition(END)[2]}"


def _type(text: str) -> str:
    kind = re.sub(r"\s+", " ", text.removeprefix("${").removesuffix("}"))
    return "object" if kind.startswith("object") else "list(object)" if kind.startswith("list(object") else kind


def _default(value: Any) -> str:
    if value is None or value in ("null", "${null}"):
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(f'"{entry}"' for entry in value) + "]"
    return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the tables of every README; with `--check`, only say which are out of date."""
    stale = []
    for folder in module_folders():
        readme = folder / "README.md"
        text = readme.read_text(encoding="utf-8")
        wanted = with_tables(text, folder)
        if wanted != text:
            stale.append(str(readme))
            if "--check" not in sys.argv:
                readme.write_text(wanted, encoding="utf-8")
    for path in stale:
        print(f"{'out of date' if '--check' in sys.argv else 'written'}: {path}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
