"""Examples of several parts, each of a modality of its own: an image and a row of numbers, say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.examples import Examples


@dataclass(frozen=True)
class Mixed:
    """N examples. parts: name -> that part of every example, N of each, in the same order.

    A part's name is the name of the model's input that it becomes. ValueError if the parts differ in
    number, or there are none.
    """

    kind: ClassVar[str] = "mixed"

    parts: Mapping[str, Examples]

    def __post_init__(self) -> None:
        counts = {name: len(part) for name, part in self.parts.items()}
        if len(set(counts.values())) != 1:
            listed = ", ".join(f"{count:,} of '{name}'" for name, count in counts.items())
            raise ValueError(f"the parts of examples must be equally many, not {listed or 'none'}")

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    def take(self, indices: Sequence[int] | np.ndarray) -> Mixed:
        """The examples at `indices`, in that order."""
        return Mixed({name: part.take(indices) for name, part in self.parts.items()})
