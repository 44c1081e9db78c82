"""Remarks on data: on how it was prepared, and on examples unlike those of training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOST = 5
"""Lines of one kind."""
THAN = (" than the training images", " than the training texts")
"""Said once if several reasons end with it."""


@dataclass(frozen=True)
class Remark:
    """One line on screen and in the run's notes.

    warning: something may be wrong, rather than worth knowing.
    """

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Unfamiliar:
    """What in some examples is not as in training.

    odd: position -> in words, of the examples that are unlike those of training; taken: what was read as
    something that training has, in words -> number of examples.
    """

    odd: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    taken: Mapping[str, int] = field(default_factory=dict)

    def notes(self, where: str) -> list[str]:
        """In sentences, with the number of examples, the most frequent ones first. where: 'test',
        'new.csv'."""
        counts = Counter(text for texts in self.odd.values() for text in texts)
        return [*_lines(where, counts), *_lines(where, Counter(self.taken))]


def joined(reasons: Sequence[str]) -> str:
    """What is unusual in one input, in a line: 'darker than the training images; lower contrast (blank?)'."""
    said = list(reasons[:1])
    for reason in reasons[1:]:
        for than in THAN:
            if any(than in earlier for earlier in reasons[:1]):
                reason = reason.replace(than, "")
        said.append(reason)
    return "; ".join(said)


def _lines(where: str, counts: Counter[str]) -> list[str]:
    lines = [f"{where}: {text} ({count:,} examples)" for text, count in counts.most_common(MOST)]
    lines = [line.replace("(1 examples)", "(1 example)") for line in lines]
    if len(counts) > MOST:
        rest = sum(counts.values()) - sum(count for _, count in counts.most_common(MOST))
        lines.append(f"{where}: {len(counts) - MOST:,} more such values ({rest:,} examples)")
    return lines
