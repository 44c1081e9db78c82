"""Raw examples of any kind: images, texts, rows; and data, as the packages below `data` see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Kind, SplitName, Task


class Examples(Protocol):
    """N examples of one modality, indexable and cheap to pass around.

    kind: the name of their modality.
    """

    kind: ClassVar[str]

    def __len__(self) -> int: ...

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """The examples at `indices`, in that order."""
        ...


class Labelled(Protocol):
    """Examples with their targets and names; see `bmcli.data.bundle.Split`."""

    @property
    def examples(self) -> Examples: ...
    @property
    def targets(self) -> np.ndarray: ...
    @property
    def ids(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...


class Data(Protocol):
    """All data of a config, in splits; see `bmcli.data.bundle.DataBundle`."""

    @property
    def kind(self) -> Kind: ...
    @property
    def task(self) -> Task: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def target_name(self) -> str: ...
    @property
    def train(self) -> Labelled: ...
    @property
    def validation(self) -> Labelled | None: ...
    @property
    def test(self) -> Labelled | None: ...
    def split(self, name: SplitName) -> Labelled | None:
        """The split of that name, or None if there is none."""
        ...
