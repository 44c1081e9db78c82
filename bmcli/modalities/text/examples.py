"""Texts as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

Columns = tuple[str, str]
"""What the first and the second text of a pair are called: the names of their columns."""


@dataclass(frozen=True)
class Texts:
    """N texts, or N pairs of texts.

    texts: of pairs, the first of each. seconds: the second of each; None if these are not pairs. columns:
    what the two are called.
    """

    kind: ClassVar[str] = "text"

    texts: tuple[str, ...]
    seconds: tuple[str, ...] | None = None
    columns: Columns = ("first", "second")

    def __post_init__(self) -> None:
        if self.seconds is not None and len(self.seconds) != len(self.texts):
            raise ValueError(f"{len(self.texts)} first texts, but {len(self.seconds)} second ones")

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int] | np.ndarray) -> Texts:
        """The texts at `indices`, in that order."""
        places = [int(i) for i in indices]
        seconds = None if self.seconds is None else tuple(self.seconds[i] for i in places)
        return replace(self, texts=tuple(self.texts[i] for i in places), seconds=seconds)

    @property
    def parts(self) -> list[tuple[str, tuple[str, ...]]]:
        """(name, its texts) of each column: one without a name, unless these are pairs."""
        if self.seconds is None:
            return [("", self.texts)]
        return [(self.columns[0], self.texts), (self.columns[1], self.seconds)]

    def whole(self) -> tuple[str, ...]:
        """One text per example: of pairs, the second on a line of its own."""
        if self.seconds is None:
            return self.texts
        return tuple(f"{one}\n{other}" for one, other in zip(self.texts, self.seconds, strict=True))
