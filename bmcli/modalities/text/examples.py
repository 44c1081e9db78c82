"""Texts as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Texts:
    """N texts."""

    kind: ClassVar[str] = "text"

    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int] | np.ndarray) -> Texts:
        """The texts at `indices`, in that order."""
        return Texts(tuple(self.texts[int(i)] for i in indices))
