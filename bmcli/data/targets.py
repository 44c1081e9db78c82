"""From the truth as found (texts) to task, classes and target arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.core.errors import DataError
from bmcli.core.spec import Task
from bmcli.files.facts import truth_value
from bmcli.tasks._truth import Truth, as_number, natural

if TYPE_CHECKING:
    import numpy as np


def infer_task(truth: Truth, said: Task | None) -> Task:
    """The task: as said, else from what the truth looks like."""
    if said is not None:
        if truth.several != tasks.of(said).several:
            have = "any number of labels" if truth.several else "one label"
            raise DataError(
                f"task {said} does not fit a target with {have} per example",
                hint="several labels need data.label_delimiter, or a list of 0/1 columns as target",
            )
        return said
    return tasks.infer(truth)


def classes_of(truths: Sequence[Truth]) -> tuple[str, ...]:
    """All classes or labels, in natural order (numbers by value, 'a2' before 'a10')."""
    for truth in truths:
        if truth.names is not None:
            return truth.names
    found: set[str] = set()
    for truth in truths:
        for label in truth.labels:
            found.update((label,) if isinstance(label, str) else label)
    return tuple(sorted(found, key=natural))


def same_value(truth: Truth, classes: Sequence[str]) -> tuple[Truth, Counter[tuple[str, str]]]:
    """The truth with labels that say what a class says in another way (1.0 for 1, TRUE or yes for true) as
    that class; and (label, class) -> how often."""
    found: Counter[tuple[str, str]] = Counter()
    if truth.several:
        return truth, found
    words = {truth_value(name): name for name in classes}
    flags = len(classes) == 2 and words.keys() == {True, False}
    numbers: dict[float, str | None] = {}
    for name in classes:
        if (number := as_number(name)) is not None:
            numbers[number] = None if number in numbers else name
    known = frozenset(classes)

    def meant(label: str) -> str | None:
        if flags and (value := truth_value(label)) is not None:
            return words[value]
        number = as_number(label)
        return None if number is None else numbers.get(number)

    replaced = {
        label: other
        for label in dict.fromkeys(truth.labels)
        if isinstance(label, str) and label not in known and (other := meant(label)) is not None
    }
    if not replaced:
        return truth, found
    for label in truth.labels:
        if label in replaced:
            found[str(label), replaced[str(label)]] += 1
    return replace(truth, labels=tuple(replaced.get(str(label), str(label)) for label in truth.labels)), found


def one_word_each(truth: Truth) -> tuple[Truth, Counter[tuple[str, str]]]:
    """The truth of a column of booleans with the most frequent word for each value; as above."""
    counts = Counter(label for label in truth.labels if isinstance(label, str) and label)
    first: dict[bool | None, str] = {}
    ranked = sorted(counts, key=lambda word: (-counts[word], word))

    def like_the_first(word: str) -> bool:  # True goes with False rather than with FALSE
        return (word.islower(), word.isupper()) == (ranked[0].islower(), ranked[0].isupper())

    for word in sorted(ranked, key=lambda word: not like_the_first(word)):
        first.setdefault(truth_value(word), word)
    if None in first or len(counts) <= len(first):
        return truth, Counter()
    same = {word: first[truth_value(word)] for word in counts}
    found = Counter({(word, same[word]): n for word, n in counts.items() if word != same[word]})
    return replace(truth, labels=tuple(same.get(str(label), str(label)) for label in truth.labels)), found


def encode(truth: Truth, task: Task, classes: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
    """Targets as in `Split.targets`, and position -> what is wrong with the others."""
    return tasks.of(task).encode(truth, classes)
