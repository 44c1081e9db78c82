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

LEAST_LIKENESS = 0.8
"""Cosine of features."""
LEAST_IN_COMMON = 0.6
"""Weight of the words that two texts have in common, of those that either has."""


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
    weights = _weights([words for part in parts for words in part])
    found = []
    for first, second in near_pairs:
        shares = [_in_common(Counter(part[first]), Counter(part[second]), weights) for part in parts]
        if min(shares) >= LEAST_IN_COMMON:
            found.append(Pair(first, second, False, "reworded", by_features=True))
    return found


def _weights(texts: Sequence[Sequence[str]]) -> dict[str, float]:
    counts = Counter(word for words in texts for word in set(words))
    return {word: float(np.log((1 + len(texts)) / count)) for word, count in counts.items()}


def _in_common(one: Counter[str], other: Counter[str], weights: dict[str, float]) -> float:
    """Weighted index of Jaccard (Ruzicka's), of two multisets; of two empty ones 1."""
    both = sum(count * weights[word] for word, count in (one & other).items())
    either = sum(count * weights[word] for word, count in (one | other).items())
    return both / either if either else 1.0
