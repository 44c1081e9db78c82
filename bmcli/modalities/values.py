"""What a modality tells of examples: their names, what was read and seen of them, what an export says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.examples import Examples
    from bmcli.files.dates import DateFormat


NEXT_TEXT = "\x1f"
"""Between the two texts of a pair in an excerpt: who shortens it shortens each of them."""
BETWEEN = " | "
"""The same where both are shown."""


@dataclass(frozen=True)
class Words:
    """What examples are called.

    one, many: 'row', 'rows'. data: in bulk, 'table rows'. inputs: as inputs of a run, 'rows of tables'.
    runs: what a run takes, 'tables'. unit: what of them cannot be used, 'row or file'. rate: 'rows/s'.
    argument: one on the command line. model: one that takes them, for hints.
    """

    one: str = "example"
    many: str = "examples"
    data: str = ""
    inputs: str = ""
    runs: str = ""
    unit: str = "file"
    rate: str = "examples/s"
    argument: str = "INPUT"
    model: str = ""

    def __post_init__(self) -> None:
        for name in ("data", "inputs", "runs"):
            object.__setattr__(self, name, getattr(self, name) or self.many)


@dataclass(frozen=True)
class FilesRead:
    """Files read as one example each: all of them, in order; position -> what is wrong with those that cannot
    be used, and things to say."""

    examples: Examples
    problems: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspected:
    """Examples that were looked at before anything is cut.

    examples: the same, with what was seen of them. problems: position -> what is wrong. digests: path ->
    SHA-256. counts: of what was seen, to be said of all splits together.
    """

    examples: Examples
    problems: Mapping[int, str]
    digests: Mapping[str, bytes]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Attribute:
    """What a split can be sliced by: a value per example, float64 or object [N]. unit: of numbers; format: of
    dates, in days."""

    values: np.ndarray
    unit: str = ""
    format: DateFormat | None = None


@dataclass(frozen=True)
class Readme:
    """What the page of an export says of inputs: in a line, in numbered steps, and how examples are made in
    Python: what is imported, and the expression."""

    inputs: str
    steps: str
    imported: str
    example: str
