"""Texts that are the same but for case, spacing, punctuation and a few words.

Each text becomes the set of its runs of SHINGLE words, hashed. Those with one of their BOTTOM smallest
hashes in common (a MinHash sketch; Broder, 1997) are compared in full: Jaccard's index of the sets.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, cast

import numpy as np

from bmcli.doctor import findings
from bmcli.doctor.findings import MOST_EXAMPLES, Finding, Gathered, Pair, by_features, of_pairs
from bmcli.doctor.near_texts import near_texts
from bmcli.files.scripts import words_in
from bmcli.modalities.values import BETWEEN

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.modalities.text.examples import Texts

SHINGLE = 3
BOTTOM = 16
LEAST = 0.7
"""Jaccard's index from which two texts count as one."""
MOST_TOGETHER = 50
"""What more texts than this have in common is boilerplate, and proves nothing."""

_WORD = re.compile(r"\w+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Examiner(findings.Examiner):
    """Texts: copies, and those that are short or longer than the model reads."""

    def shown(self, every: Gathered, config: ExperimentConfig) -> tuple[str, ...]:
        """See findings.Examiner."""
        parts = _parts(every)
        return parts[0] if len(parts) == 1 else tuple(map(BETWEEN.join, zip(*parts, strict=True)))

    def findings(
        self,
        every: Gathered,
        config: ExperimentConfig,
        shown: np.ndarray | tuple[str, ...] | None,
        progress: Callable[[int, int], None] | None,
    ) -> list[Finding]:
        """See findings.Examiner."""
        return of_texts(every, _parts(every), config.preprocessing.text.max_length)

    def checks(self, every: Gathered) -> list[tuple[str, str, int]]:
        """See findings.Examiner."""
        return [("length", "", len(every.ids)), ("short", "", len(every.ids))]


def _parts(every: Gathered) -> list[tuple[str, ...]]:
    """All texts; of pairs, the first of each, and the second."""
    parts = [[texts for _, texts in one.parts] for one in cast("list[Texts]", every.examples)]
    return [tuple(chain.from_iterable(of_all)) for of_all in zip(*parts, strict=True)]


def of_texts(every: Gathered, parts: Sequence[Sequence[str]], max_length: int) -> list[Finding]:
    """parts: the texts; of pairs, the first of each, and the second. max_length: words that the model
    reads."""
    pairs = same_texts(*parts)
    if every.neighbours is not None:
        words_of = [[_WORD.findall(text.casefold()) for text in part] for part in parts]
        pairs += near_texts(words_of, every.neighbours, pairs)
    found = [*of_pairs(every, pairs, "texts"), *by_features(every, pairs)]
    words = np.sum([[words_in(text) for text in part] for part in parts], axis=0)
    longer = int((words > max_length).sum())
    if longer:
        share = longer / len(words)
        message = (
            f"{share:.0%} of the texts have more words than the model reads (preprocessing.text.max_length: "
            f"{max_length}); the longest has {words.max():,.0f}"
        )
        found.append(Finding("length", "warning" if share > 0.1 else "note", message, longer))
    short = np.flatnonzero(words < 3)
    if len(short):
        examples = tuple(every.example((int(i),), "short") for i in short[:MOST_EXAMPLES])
        message = f"{len(short):,} texts have fewer than 3 words"
        found.append(Finding("short", "note", message, len(short), examples))
    return found


def same_texts(*parts: Sequence[str]) -> list[Pair]:
    """Pairs of equal texts, each with one it equals: of n copies at least n - 1 pairs.

    Those that are not exact are 'spelled otherwise' (case, spacing, punctuation) or 'reworded'. parts: the
    texts; of examples with two texts, the first of each, and the second: both must be equal.
    """
    words = [tuple(_WORD.findall(text.casefold()) for text in texts) for texts in zip(*parts, strict=True)]
    found: dict[tuple[int, int], Pair] = {}
    seen: dict[tuple[str, ...], int] = {}
    forms: dict[tuple[str, ...], int] = {}
    for i, text in enumerate(zip(*parts, strict=True)):
        form = tuple(" ".join(own) or one.strip() for own, one in zip(words[i], text, strict=True))
        if text in seen:
            found[seen[text], i] = Pair(seen[text], i, True, "same")
        elif form in forms:
            found[forms[form], i] = Pair(forms[form], i, False, "spelled otherwise")
        seen.setdefault(text, i)
        forms.setdefault(form, i)
    kept = sorted(forms.values())
    hashes = _Hashes()
    sets = {i: [_shingles(own, hashes) for own in words[i]] for i in kept}
    whole = {i: own[0] if len(own) == 1 else np.unique(np.concatenate(own)) for i, own in sets.items()}
    for first, second in sorted(_candidates(whole)):
        if min(map(_jaccard, sets[first], sets[second])) >= LEAST:
            found[first, second] = Pair(first, second, False, "reworded")
    return [found[key] for key in sorted(found)]


class _Hashes(dict[str, int]):
    """A hash of every word, computed once."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[word] = int.from_bytes(digest, "big")
        return self[word]


def _shingles(words: Sequence[str], hashes: _Hashes) -> np.ndarray:
    """uint64, sorted, distinct."""
    of_words = np.array([hashes[word] for word in words], np.uint64)
    length = max(min(SHINGLE, len(words)), 1)
    runs = np.zeros(max(len(words) - length + 1, 1), np.uint64)
    for place in range(min(length, len(words))):  # a polynomial of the words, modulo 2⁶⁴
        runs = (runs * _MULTIPLIER + of_words[place : place + len(runs)]) * _MULTIPLIER
        runs ^= runs >> np.uint64(29)
    return np.unique(runs)


def _candidates(sets: dict[int, np.ndarray]) -> set[tuple[int, int]]:
    together: dict[int, list[int]] = defaultdict(list)
    for i, hashes in sets.items():
        for one in hashes[:BOTTOM].tolist():
            together[one].append(i)
    return {
        (first, second)
        for members in together.values()
        if 1 < len(members) <= MOST_TOGETHER
        for at, first in enumerate(members)
        for second in members[at + 1 :]
    }


def _jaccard(first: np.ndarray, second: np.ndarray) -> float:
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / max(len(first) + len(second) - common, 1)
