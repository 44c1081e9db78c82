"""Texts that are nearly the same in a run's features and in their words: a sentence added, words replaced.

Neither alone is enough: features put texts of one meaning side by side, whoever wrote them, and words those
of one template. Words are weighed by how rare they are (inverse document frequency; Spärck Jones, 1972), so
that what many texts have in common says little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bmcli.doctor.findings import Pair

if TYPE_CHECKING:
    from bmcli.doctor.features import Neighbours

LEAST_LIKENESS = 0.7
"""Cosine of features."""
LEAST_IN_COMMON = 0.6
"""Weight of the words that two texts have in common, of those that either has."""
LEAST_CONTAINED, LEAST_OF_LONGER = 0.85, 0.4
"""The same where one text is in the other, to which a sentence was added: of the shorter, and of both."""


def near_texts(
    parts: Sequence[Sequence[Sequence[str]]], neighbours: Neighbours, known: Sequence[Pair]
) -> list[Pair]:
    """The pairs that are nearly the same and not among the known ones.

    parts: the words of each text; of examples with two texts, of the first of each, and of the second: both
    must be nearly the same.
    """
    near = neighbours.unconnected(known)
    near_pairs = near.pairs[near.likeness >= LEAST_LIKENESS].tolist()
    if not near_pairs:
        return []
    weights = [_weights(part) for part in parts]
    found = []
    for first, second in near_pairs:
        both = [(Counter(part[first]), Counter(part[second])) for part in parts]
        if all(_nearly_same(*pair, of_part) for pair, of_part in zip(both, weights, strict=True)):
            found.append(Pair(first, second, False, "reworded", by_features=True))
    return found


def _weights(texts: Sequence[Sequence[str]]) -> dict[str, float]:
    counts = Counter(word for words in texts for word in set(words))
    return {word: float(np.log((1 + len(texts)) / count)) for word, count in counts.items()}


def _nearly_same(one: Counter[str], other: Counter[str], weights: dict[str, float]) -> bool:
    """By the weighted index of Jaccard (Ruzicka's) of two multisets, or because one is in the other."""

    def weight(words: Counter[str]) -> float:
        return sum(count * weights[word] for word, count in words.items())

    common, either = weight(one & other), weight(one | other)
    shorter = min(weight(one), weight(other))
    contained = common >= LEAST_CONTAINED * shorter and common >= LEAST_OF_LONGER * either
    return common >= LEAST_IN_COMMON * either or (shorter > 0 and contained)
