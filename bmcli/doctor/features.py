"""Which examples are near each other in the features of a run whose model is pretrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.inference.session import KerasSession
from bmcli.training.features import Examples, batches
from bmcli.training.tuning import HEAD, divided

if TYPE_CHECKING:
    from bmcli.doctor.findings import Gathered, Pair
    from bmcli.inference.opened import OpenedRun

NEIGHBOURS = 2
"""Nearest ones of each example that are looked at."""
BATCH = 64
BLOCK = 1024


@dataclass(frozen=True)
class Neighbours:
    """run: whose features they are. pairs: int64 [n, 2], each once, the smaller position first, those most
    alike first; likeness: [n], the cosine of their features, less the mean of all."""

    run: str
    pairs: np.ndarray
    likeness: np.ndarray

    def at(self, where: np.ndarray) -> Neighbours:
        """Of some examples alone, numbered as they stand in `where`, which is sorted."""
        kept = np.isin(self.pairs, where).all(axis=1)
        return Neighbours(self.run, np.searchsorted(where, self.pairs[kept]), self.likeness[kept])

    def unconnected(self, pairs: Sequence[Pair]) -> Neighbours:
        """Without those that are known to be copies, of each other or of a third."""
        of: dict[int, int] = {}

        def first(position: int) -> int:
            while position in of:
                position = of[position]
            return position

        for pair in pairs:
            one, other = first(pair.first), first(pair.second)
            if one != other:
                of[max(one, other)] = min(one, other)
        kept = np.array([first(one) != first(other) for one, other in self.pairs.tolist()], bool)
        return Neighbours(self.run, self.pairs[kept], self.likeness[kept])


def neighbours_of(
    every: Gathered, opened: OpenedRun, progress: Callable[[str, int, int], None] | None
) -> Neighbours | None:
    """Of all examples, by the network up to its head. None for a model that is not pretrained, or whose code
    is not trusted: its features tell classes apart rather than examples."""
    if opened.needs_code and not opened.trust.code:
        return None
    if opened.spec.classes != every.bundle.classes or not opened.config.model.pretrained:
        return None
    network = opened.network
    if HEAD not in {layer.name for layer in network.layers}:
        return None
    session = KerasSession(divided(network, lambda head: head).features)
    preprocessing = opened.preprocessing
    parts, done = [], 0
    for examples in every.examples:
        source = preprocessing.source(examples)
        lengths = source.used_lengths(preprocessing.inputs)
        values: dict[int, np.ndarray] = {}
        for positions, batch in batches(Examples("", source, lengths, BATCH)):
            found = session.predict(preprocessing.finish_batch(batch), BATCH)[: len(positions)]
            values.update(zip(positions.tolist(), found.reshape(len(found), -1), strict=True))
            done += len(positions)
            if progress is not None:
                progress("computing features", done, len(every.ids))
        if values:
            parts.append(np.stack([values[i] for i in range(len(values))]))
    return Neighbours(opened.run.id, *nearest(np.concatenate(parts)))


def nearest(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs and their likeness, as `Neighbours` has them. features: float [N, d]."""
    count = len(features)
    wanted = min(NEIGHBOURS, count - 1)
    if wanted < 1:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    values = features.astype(np.float32) - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    found: dict[tuple[int, int], float] = {}
    for start in range(0, count, BLOCK):
        likeness = values[start : start + BLOCK] @ values.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -2.0
        near = np.argpartition(-likeness, wanted - 1, axis=1)[:, :wanted]
        for row, others in zip(rows.tolist(), near.tolist(), strict=True):
            one = start + row
            found.update({(min(one, b), max(one, b)): float(likeness[row, b]) for b in others})
    ordered = sorted(found, key=lambda pair: (-found[pair], pair))
    return np.array(ordered, np.int64).reshape(-1, 2), np.array([found[pair] for pair in ordered])
