"""Encoded examples, drawn from by position: one array, or a batch of several by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from bmcli.core.spec import INPUT, InputSpec

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.batch import Batch
    from bmcli.core.examples import Examples


class Source(Protocol):
    """Compact arrays, indexable by an array of positions; may decode files while doing so.

    Safe to call from several threads.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, indices: np.ndarray, /) -> np.ndarray:
        """The rows at `indices` (int64 [n]) in that order: uint8 [n, h, w, c], int32 [n, max_length] (padded
        at the end) or float32 [n, features]."""
        ...


def in_batches(source: Source, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """`source[batch]` of each, in order; a source that decodes files may begin several at once."""
    ahead = getattr(source, "in_batches", None)
    yield from ahead(batches) if ahead is not None else (source[batch] for batch in batches)


class BatchSource(Protocol):
    """The same of batches: an array for each of the model's inputs."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: np.ndarray, /) -> Batch:
        """The examples at `indices` (int64 [n]), in that order."""
        ...


class NamedSources:
    """Sources of the same examples, each for the input of its name."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = dict(sources)

    def __len__(self) -> int:
        return len(next(iter(self.sources.values())))

    def __getitem__(self, indices: np.ndarray, /) -> Batch:
        return {name: source[indices] for name, source in self.sources.items()}

    def in_batches(self, batches: Sequence[np.ndarray]) -> Iterator[Batch]:
        """`self[batch]` of each, in order."""
        drawn = [in_batches(source, batches) for source in self.sources.values()]
        for arrays in zip(*drawn, strict=True):
            yield dict(zip(self.sources, arrays, strict=True))

    def used_lengths(self, inputs: Sequence[InputSpec]) -> dict[str, np.ndarray]:
        """Input name -> int64 [N], how many values of each example are not padding; of padded inputs."""
        import numpy as np

        return {
            one.name: np.count_nonzero(np.asarray(self.sources[one.name]) != one.padding, axis=1)
            for one in inputs
            if one.padding is not None
        }


class SingleInput:
    """Base of encoders of one array, which is the model's input called 'input'.

    A subclass brings the array: `input_shape`, `encode`, `encode_usable`, `finish` and `finish_tensor`. What
    every encoder has is made of them: see `preprocessing.Preprocessing`.
    """

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """See InputSpec.shape."""
        raise NotImplementedError

    @property
    def by_length(self) -> bool:
        """See Preprocessing."""
        return False

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What the model takes."""
        return (InputSpec(self.input_shape),)

    def encode(self, examples: Examples) -> Source:
        """Compact arrays of raw examples. DataError listing all that cannot be read."""
        raise NotImplementedError

    def encode_usable(self, examples: Examples) -> tuple[np.ndarray, dict[int, str]]:
        """Compact arrays of those that can be used, and position -> what is wrong with each of the others."""
        raise NotImplementedError

    def finish(self, batch: np.ndarray) -> np.ndarray:
        """The model's input from a batch of compact arrays: the batch itself, if nothing is left to do."""
        return batch

    def finish_tensor(self, batch: object) -> object:
        """The same in keras.ops, for a tensor within a compiled step."""
        return batch

    def source(self, examples: Examples) -> NamedSources:
        """`encode`, to be drawn from in batches."""
        return NamedSources({INPUT: self.encode(examples)})

    def usable(self, examples: Examples) -> tuple[Batch, dict[int, str]]:
        """`encode_usable`, as a batch."""
        array, problems = self.encode_usable(examples)
        return {INPUT: array}, problems

    def finish_batch(self, batch: Batch) -> Batch:
        """`finish`, of a batch."""
        return {INPUT: self.finish(batch[INPUT])}

    def finish_tensors(self, batch: dict[str, object]) -> dict[str, object]:
        """`finish_tensor`, of a batch."""
        return {INPUT: self.finish_tensor(batch[INPUT])}
