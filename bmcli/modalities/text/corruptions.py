"""Texts as the world makes them: with typos, in capitals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_TYPOS = {1: 0.05, 3: 0.15, 5: 0.30}
_CAPITALS = {1: 0.1, 3: 0.5, 5: 1.0}


def with_typos(texts: Sequence[str], strength: int, rng: np.random.Generator) -> list[str]:
    """A share of the words loses a letter, doubles one, or has two neighbours swapped."""

    def spoiled(word: str) -> str:
        if len(word) < 3 or rng.random() >= _TYPOS[strength]:
            return word
        at, kind = int(rng.integers(0, len(word) - 1)), int(rng.integers(3))
        if kind == 0:
            return word[:at] + word[at + 1 :]
        if kind == 1:
            return word[: at + 1] + word[at:]
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return [" ".join(spoiled(word) for word in text.split(" ")) for text in texts]


def in_capitals(texts: Sequence[str], strength: int, rng: np.random.Generator) -> list[str]:
    """A share of the words is written in capitals."""
    share = _CAPITALS[strength]
    return [
        " ".join(word.upper() if rng.random() < share else word for word in text.split(" ")) for text in texts
    ]


TEXTS: dict[str, Callable[[Sequence[str], int, np.random.Generator], list[str]]] = {
    "typos": with_typos,
    "capitals": in_capitals,
}
