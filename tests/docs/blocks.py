"""The code blocks and the commands of README and docs, as a reader would try them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
)

_FENCE = re.compile(r"^(?:<!-- (?P<mark>[^>]*) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`(bm [^`]*)`")


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of its fence; mark: the HTML comment right above it, such as 'not run: why'."""

    page: str
    line: int
    language: str
    text: str
    mark: str

    @property
    def id(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def excepted(self) -> bool:
        """Whether the page says that it is not run, and why."""
        return self.mark.startswith("not run: ") and len(self.mark) > len("not run: ") + 10


def blocks() -> list[Block]:
    """Of all pages, in order."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            mark = match["mark"] or ""
            found.append(Block(page.name, line, match["language"], match["text"], mark))
    return found


def commands(block: Block) -> Iterator[str]:
    """The lines of a block that call bm, without what is said beside them."""
    for line in block.text.splitlines():
        text = line.removeprefix("$ ")
        if re.match(r"(\w+=\S+ |cat \S+ \| |RUN=\$\()?bm( |$)", text):
            yield re.split(r"  +| # ", text, maxsplit=1)[0].strip()


def mentioned() -> list[tuple[str, str]]:
    """(page, command) of every command within running text and tables."""
    return [
        (page.name, command.strip())
        for page in PAGES
        for command in _INLINE.findall(re.sub(_FENCE, "", page.read_text(encoding="utf-8")))
    ]


def words(command: str) -> list[str]:
    """As a shell splits it; a mention that ends within quotes is taken as it stands."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def optional_parts(command: str) -> list[str]:
    """'bm runs [--name NAME] [--yes]' -> without any, and with each alone."""
    parts = re.findall(r" \[(--[^\]]*)\]", command)
    bare = re.sub(r" \[[^\]]*\]", "", command)
    return [bare, *(f"{bare} {part}" for part in parts)]
