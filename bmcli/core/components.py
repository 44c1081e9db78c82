"""What the components that a config names can do, as the rooms below those that define them see it.

The config holds components without importing the rooms they come from; these protocols are their types there.
At run time each is a `Component`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np

    from bmcli.core.component import Options
    from bmcli.core.plain import Document
    from bmcli.core.spec import DataSpec, Kind, Task

Findings = list[tuple[tuple[str | int, ...], str]]
"""Options that cannot work: (path of the option, message)."""

Progress = Callable[[str, int, int], None]
"""Called with what is downloaded, and the bytes done and in all."""


@dataclass(frozen=True)
class Missing:
    """Files that training would download. name: of what is missing; size: of all files in bytes, None where
    that is not known; source: where they are from; by_hand: what to put where without a connection."""

    name: str
    size: int | None
    source: str
    by_hand: str


class Named(Protocol):
    """Any component; see `bmcli.core.registry.Component`."""

    registry_name: ClassVar[str]
    package: ClassVar[tuple[str, str] | None]

    def to_config(self) -> dict[str, object]: ...
    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self: ...


class Solved(Protocol):
    """Weights found in closed form, float64; see `bmcli.models.Solution`."""

    @property
    def kernel(self) -> np.ndarray: ...
    @property
    def bias(self) -> np.ndarray: ...


class Builds(Named, Protocol):
    """A model; see `bmcli.models.Model`."""

    kinds: ClassVar[tuple[Kind, ...]]
    tasks: ClassVar[tuple[Task, ...]]
    takes_sample: ClassVar[bool]
    takes_pairs: ClassVar[bool]
    fuses: ClassVar[bool]

    @property
    def examples_apart(self) -> bool: ...
    @property
    def closed_form(self) -> bool: ...
    @property
    def pretrained(self) -> bool: ...
    def resolved(self, *, files: bool) -> tuple[Self, Findings]: ...
    def missing(self) -> Missing | None: ...
    def obtain(self, progress: Progress | None = None) -> None: ...
    def check_input(self, input_shape: tuple[int | None, ...]) -> Findings: ...
    def check_task(self, task: Task) -> Findings: ...
    def build(self, spec: DataSpec) -> keras.Model: ...
    def initialise(self, model: keras.Model, sample: np.ndarray | dict[str, np.ndarray] | None) -> None: ...
    def made_up(self, folder: Path) -> Self: ...
    def origin(self) -> Document | None: ...
    def stages(self, model: keras.Model) -> list[list[str]]: ...
    def solve(
        self, model: keras.Model, spec: DataSpec, inputs: np.ndarray, targets: np.ndarray
    ) -> Solved | None: ...


class Provides(Named, Protocol):
    """A named dataset; see `bmcli.data.named.Dataset`."""

    kind: ClassVar[Kind]
    task: ClassVar[Task]
    shape: ClassVar[tuple[int, int, int] | None]
    sizes: ClassVar[dict[str, int]]

    def class_names(self) -> tuple[str, ...]: ...


class Augments(Named, Protocol):
    """A random change to training images; see `bmcli.modalities.image.augment.Augmentation`."""

    uniforms: ClassVar[int]
    blends: ClassVar[bool]

    @property
    def alternates(self) -> bool: ...
    def apply(
        self, images: np.ndarray, targets: np.ndarray, u: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]: ...


class Optimizes(Named, Protocol):
    """A rule that changes the weights; see `bmcli.training.optimizers.Optimizer`."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def gentle_rate(self) -> float | None: ...
    def build(
        self, variables: Sequence[keras.Variable], *, gradient_clipping: float | None = None
    ) -> keras.optimizers.Optimizer: ...


class Schedules(Named, Protocol):
    """How the learning rate changes; see `bmcli.training.schedules.Schedule`."""

    @property
    def warmup_epochs(self) -> float: ...
    def rate(self, step: int, *, steps_per_epoch: int, epochs: int) -> float: ...


class Measures(Named, Protocol):
    """A user's own metric; see `bmcli.metrics.metric.Metric`."""

    tasks: ClassVar[tuple[Task, ...] | None]
    greater_is_better: ClassVar[bool]

    def compute(self, targets: np.ndarray, outputs: np.ndarray, classes: tuple[str, ...]) -> float: ...


class Asks(Protocol):
    """A task; see `bmcli.tasks.Task`."""

    registry_name: ClassVar[str]
    metrics: ClassVar[dict[str, bool]]
    descriptions: ClassVar[dict[str, str]]
    noun: ClassVar[str]
    several: ClassVar[bool]
    has_classes: ClassVar[bool]
    squared_error: ClassVar[bool]

    def monitorable(self, extra: Sequence[Measures] = ()) -> dict[str, bool]: ...
    def units(self, classes: int) -> int: ...


class CallsExamples(Protocol):
    """What examples are called; see `bmcli.modalities.values.Words`."""

    @property
    def one(self) -> str: ...
    @property
    def many(self) -> str: ...
    @property
    def data(self) -> str: ...


class Describes(Protocol):
    """A modality; see `bmcli.modalities.base.Modality`."""

    registry_name: ClassVar[str]
    place: ClassVar[int]
    file_suffixes: ClassVar[frozenset[str]]
    documents: ClassVar[bool]
    section: ClassVar[type[Options] | None]
    has_augmentations: ClassVar[bool]
    has_views: ClassVar[bool]
    has_lengths: ClassVar[bool]

    @property
    def words(self) -> CallsExamples: ...
    def draft_remarks(self, count: int) -> list[str]: ...
    def draft_epochs(self, count: int) -> int | str: ...
    def glance(self, paths: Sequence[str]) -> tuple[tuple[tuple[int, int], ...], list[str]]: ...


C = TypeVar("C", covariant=True)


class Lookup(Protocol[C]):
    """A registry, which finds classes by name; see `bmcli.core.registry.Registry`."""

    def get(self, name: str) -> type[C]: ...
    def names(self) -> list[str]: ...
    def local_names(self) -> list[str]: ...
