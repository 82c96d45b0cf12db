"""The `stockstream …` commands that README, CONTRIBUTING and docs/ show, made fit to run."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE: Final = re.compile(r"^```\w* *\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE: Final = re.compile(r"`([^`]+)`")
_COMMAND: Final = re.compile(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?stockstream(?: |$)")
_SAMPLE_DAY: Final = "2026-11-20"  # of the sample session
# What a page writes for something of the reader's own. The tests run in a folder that holds these.
_STANDS_FOR: Final = (
    ("N|max", "max"),
    ("[SYMBOL...]", "AAPL"),
    ("YESTERDAY", _SAMPLE_DAY),
    ("DAY", _SAMPLE_DAY),
    ("TIME", _SAMPLE_DAY),
    ("FILE", "examples/simulated-session.csv.gz"),
    ("STATE", "state"),
    ("DIR", "state/outbox"),
    ("…", "published"),
)


@dataclass(frozen=True, slots=True)
class Documented:
    """A command as a page has it.

    Attributes:
        page: Where it stands, from the top of the repository.
        text: As written, on one line and without its comment.
    """

    page: str
    text: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables that the line sets before the command."""
        return dict(word.split("=", 1) for word in self._words() if _is_assignment(word))

    @property
    def arguments(self) -> list[str]:
        """What follows `stockstream`, with optional parts left out and words of the reader's own filled in."""
        return [word for word in self._words() if not _is_assignment(word)][1:]

    @property
    def options(self) -> set[str]:
        """Every long option that the line names, the optional ones too."""
        return set(re.findall(r"(?<!\S)\[?(--[a-z-]+)", self.text))

    def _words(self) -> list[str]:
        text = self.text
        for written, meant in _STANDS_FOR:
            text = re.sub(rf"(?<![\w]){re.escape(written)}(?!\w)", meant, text)
        return shlex.split(re.sub(r" \[[^\]]*\](\.\.\.)?", "", text))


def documented_commands() -> list[Documented]:
    """Every command once, with the first page that has it."""
    found: dict[str, Documented] = {}
    for page in PAGES:
        for text in _commands_of(page.read_text(encoding="utf-8")):
            found.setdefault(text.removeprefix(".venv/bin/"), Documented(str(page.relative_to(ROOT)), text))
    return list(found.values())


def _commands_of(page: str) -> Iterator[str]:
    for block in _FENCE.findall(page):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            # A comment, or a column of explanations, is set off by two spaces or more.
            command = re.split(r" {2,}", line.removeprefix("$ ").strip())[0]
            if _COMMAND.match(command):
                yield command
    for span in _INLINE.findall(_FENCE.sub("", page)):
        command = " ".join(span.split())
        if _COMMAND.match(command) and command.removeprefix(".venv/bin/") != "stockstream":
            yield command


def _is_assignment(word: str) -> bool:
    return re.match(r"[A-Z_]+=", word) is not None
