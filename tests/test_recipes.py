"""The contributor's recipes of CONTRIBUTING.md: each file that they name is there, and holds the place they name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_STEP = re.compile(r"- `(?P<file>[^`]+)`(?: at `(?P<place>[^`]+)`)?: .+")


def recipes() -> Iterator[tuple[str, str]]:
    """Title and line of every step."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Recipes\n")[2]
    for recipe in text.split("\n### ")[1:]:
        title, _, steps = recipe.partition("\n")
        yield from ((title, line) for line in steps.partition("\n## ")[0].splitlines() if line)


@pytest.mark.parametrize(("title", "line"), [*recipes()])
def test_a_step_of_a_recipe_names_a_file_and_a_place_that_are_there(title: str, line: str) -> None:
    step = _STEP.fullmatch(line)
    assert step is not None, f"{title}: {line!r} is no step"
    content = (ROOT / step["file"]).read_text(encoding="utf-8")
    assert step["place"] is None or step["place"] in content, f"{title}: {step['file']} has no {step['place']!r}"


def test_there_is_a_recipe_for_each_way_to_extend() -> None:
    assert list(dict.fromkeys(title for title, _ in recipes())) == [
        "Add a source",
        "Add an indicator",
        "Add an alert kind",
        "Add a stored field",
        "Add a setting",
        "Add a command",
    ]
