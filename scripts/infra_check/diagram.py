"""Draw docs/diagrams/architecture.svg from its text source: `python -m scripts.infra_check.diagram [--check]`.

A grid, boxes in it, arrows between them: no layout program needs to be installed, and the same source gives the same
bytes everywhere.
"""

import sys
import tomllib
from html import escape
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "diagrams"
SOURCE: Final = FOLDER / "architecture.toml"
PICTURE: Final = FOLDER / "architecture.svg"

# Pixels.
COLUMN: Final = 232
ROW: Final = 96
BOX_WIDTH: Final = 176
BOX_HEIGHT: Final = 56
MARGIN: Final = 28
TOP: Final = 76
GROUP_PAD: Final = 16
BELOW: Final = 52

_STYLE: Final = """
  svg { background: #ffffff; font-family: system-ui, sans-serif; }
  .title { font-size: 20px; font-weight: 600; fill: #1b2733; }
  .group { fill: #f3f6f9; stroke: #c3ced9; }
  .group-label { font-size: 12px; fill: #5a6b7b; }
  .box { fill: #ffffff; stroke: #2f6f9f; stroke-width: 1.5; }
  .label { font-size: 13.5px; font-weight: 600; fill: #1b2733; text-anchor: middle; }
  .note { font-size: 11.5px; fill: #5a6b7b; text-anchor: middle; }
  .arrow { fill: none; stroke: #45596b; stroke-width: 1.5; marker-end: url(#head); }
  .dashed { stroke-dasharray: 5 4; }
"""
_HEAD: Final = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L10 5 L0 10 z" fill="#45596b"/></marker></defs>'
)


def render(source: dict[str, Any]) -> str:
    """Draw the picture.

    Raises:
        KeyError: an arrow or a group names a box that is not there.
    """
    boxes = {box["id"]: box for box in source["box"]}
    columns = 1 + max(box["at"][0] for box in boxes.values())
    rows = 1 + max(box["at"][1] for box in boxes.values())
    width = 2 * MARGIN + columns * COLUMN - (COLUMN - BOX_WIDTH)
    height = TOP + rows * ROW + BELOW
    title = escape(source["title"])
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        _HEAD,
        f'<text class="title" x="{MARGIN}" y="36">{title}</text>',
    ]
    parts += [_group(group, boxes) for group in source["group"]]
    parts += [_arrow(arrow, boxes, height) for arrow in source["arrow"]]
    parts += [_box(box) for box in boxes.values()]
    return "\n".join([*parts, "</svg>", ""])


def _corner(box: dict[str, Any]) -> tuple[int, int]:
    column, row = box["at"]
    return MARGIN + column * COLUMN, TOP + row * ROW


def _box(box: dict[str, Any]) -> str:
    x, y = _corner(box)
    middle = x + BOX_WIDTH // 2
    return (
        f'<rect class="box" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text class="label" x="{middle}" y="{y + 24}">{escape(box["label"])}</text>'
        f'<text class="note" x="{middle}" y="{y + 42}">{escape(box["note"])}</text>'
    )


def _group(group: dict[str, Any], boxes: dict[str, Any]) -> str:
    corners = [_corner(boxes[name]) for name in group["boxes"]]
    left = min(x for x, _ in corners) - GROUP_PAD
    top = min(y for _, y in corners) - GROUP_PAD
    right = max(x for x, _ in corners) + BOX_WIDTH + GROUP_PAD
    bottom = max(y for _, y in corners) + BOX_HEIGHT + GROUP_PAD
    return (
        f'<rect class="group" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" rx="10"/>'
        f'<text class="group-label" x="{left + 4}" y="{top - 5}">{escape(group["label"])}</text>'
    )


def _arrow(arrow: dict[str, Any], boxes: dict[str, Any], height: int) -> str:
    start, end = boxes[arrow["from"]], boxes[arrow["to"]]
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    if arrow.get("below"):
        # Round the whole picture: down, left, and up into the box from below.
        floor = height - BELOW // 2
        out, into = x1 + BOX_WIDTH + 14, x2 + BOX_WIDTH // 2
        path = f"M{x1 + BOX_WIDTH} {y1 + BOX_HEIGHT // 2} H{out} V{floor} H{into} V{y2 + BOX_HEIGHT}"
    elif start["at"][0] == end["at"][0]:
        path = f"M{x1 + BOX_WIDTH // 2} {y1 + BOX_HEIGHT} V{y2}"
    else:
        left, right = x1 + BOX_WIDTH, x2
        bend = (left + right) // 2
        a, b = y1 + BOX_HEIGHT // 2, y2 + BOX_HEIGHT // 2
        path = f"M{left} {a} C{bend} {a} {bend} {b} {right} {b}"
    return f'<path class="arrow{" dashed" if arrow.get("dashed") else ""}" d="{path}"/>'


def main() -> int:
    """Write the picture; with `--check`, only say whether it is up to date."""
    wanted = render(tomllib.loads(SOURCE.read_text(encoding="utf-8")))
    current = PICTURE.read_text(encoding="utf-8") if PICTURE.is_file() else ""
    if wanted == current:
        return 0
    if "--check" in sys.argv:
        print(f"out of date: {PICTURE.name}; run python -m scripts.infra_check.diagram")
        return 1
    PICTURE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
