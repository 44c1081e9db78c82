"""From the truth as found (texts) to task, classes and target arrays."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bmcli.core.errors import DataError
from bmcli.core.spec import Task

FEW = 20
"""Up to so many distinct whole numbers are taken as classes, more as a quantity."""


@dataclass(frozen=True)
class Truth:
    """The truth of N examples, as found.

    labels: one text each, or for multilabel a tuple of them. names: all labels in index order where the data
    fixes them (one 0/1 column per label). numbers: whether numbers may be a quantity; class folders' names
    and the labels of pictures in arrays never are. quantity: whether the config says that it is one.
    """

    labels: tuple[str, ...] | tuple[tuple[str, ...], ...]
    names: tuple[str, ...] | None = None
    numbers: bool = True
    quantity: bool | None = None

    @property
    def several(self) -> bool:
        """Whether an example may have any number of labels."""
        return self.names is not None or any(isinstance(label, tuple) for label in self.labels[:1])


def infer_task(truth: Truth, said: Task | None) -> Task:
    """The task: as said, else from what the truth looks like.

    Several labels per example: multilabel. Numbers: regression where one has a fraction or more than FEW
    differ. Otherwise two classes are binary and any other number multiclass.
    """
    if said is not None:
        if truth.several != (said == "multilabel"):
            have = "any number of labels" if truth.several else "one label"
            raise DataError(
                f"task {said} does not fit: the target has {have} per example",
                hint="several labels need data.label_delimiter, or a list of 0/1 columns as target",
            )
        return said
    if truth.several:
        return "multilabel"
    if truth.quantity:
        return "regression"
    distinct = {label for label in truth.labels if isinstance(label, str)}
    numbers = [n for label in distinct if (n := as_number(label)) is not None]
    # A few odd cells do not turn a quantity into classes: they are reported as unusable instead.
    if truth.numbers and len(numbers) >= 0.9 * len(distinct) and len(distinct) > 1:
        fractions = any(math.isfinite(n) and not n.is_integer() for n in numbers)
        if fractions or len(distinct) > FEW:
            return "regression"
    return "binary" if len(distinct) == 2 else "multiclass"


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
    from bmcli.files.facts import truth_value

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
    from bmcli.files.facts import truth_value

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


def variants(classes: Sequence[str]) -> list[tuple[str, ...]]:
    """Classes that differ in case, spacing or a full stop at the end alone, together."""
    found: dict[str, list[str]] = {}
    for name in classes:
        found.setdefault(_spelling(name), []).append(name)
    return [tuple(names) for key, names in found.items() if len(names) > 1 and key]


def variant_of(label: str, classes: Sequence[str]) -> str | None:
    """The class from which a label differs so."""
    key = _spelling(label)
    return next((name for name in classes if name != label and key and _spelling(name) == key), None)


def _spelling(name: str) -> str:
    return " ".join(name.casefold().split()).rstrip(".,;: ")


def encode(truth: Truth, task: Task, classes: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
    """Targets as in `Split.targets`, and position -> what is wrong with the others."""
    problems: dict[int, str] = {}
    if task == "regression":
        values = np.zeros(len(truth.labels), np.float64)
        for i, label in enumerate(truth.labels):
            number = as_number(label) if isinstance(label, str) else None
            if number is None:
                problems[i] = f"the target is '{_short(label)}', not a number"
            elif not math.isfinite(number):
                problems[i] = f"the target is {label}"
            else:
                values[i] = number
        return values, problems
    index = {name: i for i, name in enumerate(classes)}
    if task == "multilabel":
        many = np.zeros((len(truth.labels), len(classes)), np.float32)
        for i, labels in enumerate(truth.labels):
            for label in (labels,) if isinstance(labels, str) else labels:
                if label in index:
                    many[i, index[label]] = 1
                else:
                    problems[i] = f"unknown label '{_short(label)}'{_but(label, classes)}"
        return many, problems
    single = np.zeros(len(truth.labels), np.int64)
    for i, label in enumerate(truth.labels):
        found = index.get(label) if isinstance(label, str) else None
        if found is None:
            problems[i] = f"unknown class '{_short(label)}'{_but(label, classes)}"
        else:
            single[i] = found
    return single, problems


def natural(text: str) -> tuple[object, ...]:
    """A sort key: numbers before texts and by value, digits within texts by value."""
    number = as_number(text)
    if number is not None and not math.isnan(number):
        return (0, number, text)
    parts = re.split(r"(\d+)", text)
    return (1, tuple((0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in parts), text)


def as_number(text: str) -> float | None:
    """The number a cell holds, or None. Underscores do not group digits here."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _but(label: object, classes: Sequence[str]) -> str:
    near = variant_of(str(label), classes)
    return "" if near is None else f"; '{_short(near)}' is known"


def _short(label: object) -> str:
    text = str(label)
    return text if len(text) <= 40 else text[:39] + "…"
