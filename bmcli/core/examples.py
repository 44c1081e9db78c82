"""Raw examples, whatever they are: images, texts, rows of a table, ..."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

if TYPE_CHECKING:
    import numpy as np


class Examples(Protocol):
    """N examples of one modality, indexable and cheap to pass around.

    kind: the name of their modality.
    """

    kind: ClassVar[str]

    def __len__(self) -> int: ...

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """The examples at `indices`, in that order."""
        ...
