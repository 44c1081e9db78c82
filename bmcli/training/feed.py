"""Batches for training: which examples, in which order, changed how.

All of it is a function of (seed, epoch, example), never of how often something was drawn before: a run that
resumes in the middle of an epoch sees exactly the batches it would have seen. A background thread prepares
the next group of batches while the current one is computed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.batch import Batch, stacked
from bmcli.core.spec import INPUT

if TYPE_CHECKING:
    from bmcli.core.components import Augments
    from bmcli.modalities.source import NamedSources

GROUP_BYTES = 64 * 2**20
"""A prepared group stays below this, however many steps the caller asks for."""
AHEAD = 2
"""Groups prepared in advance."""

POOL = 50
"""Number of batches drawn at random before their texts are sorted by length."""
LENGTHS = 8
"""Number of distinct padded lengths of text batches; each compiles once."""
MANY_LENGTHS = 16
"""The same for models whose steps take long and whose shapes compile quickly (`bmcli.models.Model.fuses`)."""

Signature = tuple[tuple[str, tuple[int | None, ...]], ...]
"""Input name and shape, of each input."""

# What a stream of random numbers is for; part of its key, so that no two streams are ever the same.
ORDER, AUGMENTATION = 0, 1


@dataclass(frozen=True)
class Group:
    """Several batches of one size, ready for the model.

    inputs: compact arrays [steps, batch, ...] by name; targets float32 [steps, batch, units]; weights float32
    [steps, batch]; examples int64 [steps, batch], positions in the training split. padded: names of inputs
    that have another length in other groups.
    """

    inputs: Batch
    targets: np.ndarray
    weights: np.ndarray
    examples: np.ndarray
    padded: frozenset[str] = frozenset()

    @property
    def steps(self) -> int:
        """Number of batches."""
        return len(self.examples)

    @property
    def batch_size(self) -> int:
        """Examples in each batch."""
        return int(self.examples.shape[1])

    @property
    def shapes(self) -> Signature:
        """Of a batch's inputs."""
        return tuple((name, array.shape[1:]) for name, array in self.inputs.items())

    @property
    def signature(self) -> Signature:
        """Shapes of a batch's inputs for which steps are compiled once: of padded inputs, those of any
        length."""
        return tuple(
            (name, (shape[0], None) if name in self.padded else shape) for name, shape in self.shapes
        )


@dataclass(frozen=True)
class Feed:
    """The training split, ready to be drawn from.

    targets float32 [N, units]; weights float32 [N] or None. augmentations change the inputs named in
    `augmented`, all of an example with the same random numbers.
    lengths: of padded inputs int [N] by name, where batches are to hold examples of about the same length in
    the first of them; each is then padded no longer than needed. padded: as in Group.
    padded_lengths: number of distinct lengths that batches are padded to.
    """

    source: NamedSources
    targets: np.ndarray
    weights: np.ndarray | None
    augmentations: Sequence[Augments]
    batch_size: int
    seed: int
    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)
    padded: frozenset[str] = frozenset()
    augmented: tuple[str, ...] = (INPUT,)
    padded_lengths: int = LENGTHS

    @property
    def steps_per_epoch(self) -> int:
        """The last, smaller batch counts."""
        return -(-len(self.source) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """The permutation of the training examples in `epoch`, int64 [N]."""
        rng = stream(self.seed, ORDER, epoch)
        order = rng.permutation(len(self.source))
        if not self.lengths:
            return order
        lengths = next(iter(self.lengths.values()))
        for start in range(0, len(order), POOL * self.batch_size):
            pool = order[start : start + POOL * self.batch_size]
            pool[:] = pool[np.argsort(lengths[pool], kind="stable")]
        whole = len(order) // self.batch_size
        batches = order[: whole * self.batch_size].reshape(whole, self.batch_size)
        batches[:] = batches[rng.permutation(whole)]
        return order

    def groups(self, epoch: int, *, start: int, size: Callable[[], int]) -> Iterator[Group]:
        """The batches of `epoch` from step `start` on, as groups of at most `size()` steps, prepared ahead.

        Raises what preparing raises (an unreadable file, say). Closing the generator ends its thread.
        """
        ready: queue.Queue[Group | BaseException | None] = queue.Queue(maxsize=AHEAD)
        stop = threading.Event()

        def put(item: Group | BaseException | None) -> None:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    return
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for group in self._prepare(epoch, start, size):
                    put(group)
                    if stop.is_set():
                        return
                put(None)
            except BaseException as error:  # handed to the consumer, who raises it
                put(error)

        worker = threading.Thread(target=work, name="bm-feed", daemon=True)
        worker.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            worker.join()

    def _prepare(self, epoch: int, start: int, size: Callable[[], int]) -> Iterator[Group]:
        order = self.order(epoch)
        uniforms = [
            self._uniforms(epoch, number, augmentation)
            for number, augmentation in enumerate(self.augmentations)
        ]
        whole = len(order) // self.batch_size
        step = start
        starts = range(start * self.batch_size, len(order), self.batch_size)
        drawn = self.source.in_batches([order[first : first + self.batch_size] for first in starts])
        batch_bytes = 0
        while step < self.steps_per_epoch:
            if step < whole:
                fitting = GROUP_BYTES // batch_bytes if batch_bytes else 1
                count = max(1, min(size(), whole - step, fitting))
            else:
                count = 1
            if self.lengths:
                count = self._alike(order, step, count)
            chosen = order[step * self.batch_size : (step + count) * self.batch_size]
            batches = [self._batch(next(drawn), part, uniforms) for part in np.split(chosen, count)]
            inputs, targets, weights = zip(*batches, strict=True)
            batch_bytes = sum(array.nbytes for array in inputs[0].values())
            examples = chosen.reshape(count, -1)
            yield Group(stacked(inputs), np.stack(targets), np.stack(weights), examples, self.padded)
            step += count

    def _alike(self, order: np.ndarray, step: int, most: int) -> int:
        """How many batches from `step` on are padded to one length; at most `most`."""
        longest = {name: array.shape[1] for name, array in self.source[order[:1]].items()}
        first: list[int] = []
        for count in range(most):
            start = (step + count) * self.batch_size
            some = order[start : start + self.batch_size]
            padded = [
                padded_length(of[some], longest[name], self.padded_lengths)
                for name, of in self.lengths.items()
            ]
            if count and padded != first:
                return count
            first = padded
        return most

    def _uniforms(self, epoch: int, number: int, augmentation: Augments) -> np.ndarray:
        """What the augmentation takes for each training example in `epoch`, float64 [N, uniforms]."""
        shape = len(self.source), augmentation.uniforms
        if not augmentation.alternates:
            return stream(self.seed, AUGMENTATION, epoch, number).random(shape)
        numbers = stream(self.seed, AUGMENTATION, 0, number).random(shape)
        return numbers if epoch % 2 else np.nextafter(1.0, 0.0) - numbers

    def _batch(
        self, inputs: Batch, examples: np.ndarray, uniforms: list[np.ndarray]
    ) -> tuple[Batch, np.ndarray, np.ndarray]:
        targets = self.targets[examples]
        for augmentation, numbers in zip(self.augmentations, uniforms, strict=True):
            given = targets
            for name in self.augmented:
                changed, targets = augmentation.apply(inputs[name], given, numbers[examples])
                inputs = {**inputs, name: changed}
        inputs = shortened(inputs, self.lengths, examples, self.padded_lengths)
        weights = np.ones(len(examples), np.float32) if self.weights is None else self.weights[examples]
        return inputs, targets, weights


def stream(seed: int, *key: int) -> np.random.Generator:
    """An independent stream of random numbers for (seed, key), by a counter-based generator."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *key])))


def shortened(
    inputs: Batch, lengths: Mapping[str, np.ndarray], examples: np.ndarray, steps: int = LENGTHS
) -> Batch:
    """These examples' inputs, those that have lengths padded no longer than needed; views. steps: as
    `padded_length` takes them."""
    if not lengths:
        return inputs
    cut = {name: padded_length(of[examples], inputs[name].shape[1], steps) for name, of in lengths.items()}
    return {name: array[:, : cut[name]] if name in cut else array for name, array in inputs.items()}


def padded_length(lengths: np.ndarray, longest: int, steps: int = LENGTHS) -> int:
    """What a batch of texts of these lengths is padded to: one of this number of steps up to `longest`."""
    step = -(-longest // steps)
    return min(longest, max(1, -(-int(lengths.max()) // step)) * step)
