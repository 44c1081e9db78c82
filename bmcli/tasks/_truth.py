"""Labels of examples as found in the data, before a task turns them into targets."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

FEW = 20
"""Up to this number of distinct whole numbers are classes, more are a quantity."""


@dataclass(frozen=True)
class Truth:
    """The truth of N examples, as found.

    labels: one text each, or for multilabel a tuple of them. names: all labels in index order where the data
    fixes them (one 0/1 column per label). numbers: whether numbers may be a quantity; class folders' names
    and the labels of images in arrays never are. quantity: whether the config says that it is one.
    """

    labels: tuple[str, ...] | tuple[tuple[str, ...], ...]
    names: tuple[str, ...] | None = None
    numbers: bool = True
    quantity: bool | None = None

    @property
    def several(self) -> bool:
        """Whether an example may have any number of labels."""
        return self.names is not None or any(isinstance(label, tuple) for label in self.labels[:1])

    def distinct(self) -> set[str]:
        """All different labels; empty if an example has several."""
        return {label for label in self.labels if isinstance(label, str)}

    def is_quantity(self) -> bool:
        """Whether the labels are numbers of which one has a fraction or more than FEW differ."""
        if self.several:
            return False
        if self.quantity:
            return True
        distinct = self.distinct()
        numbers = [n for label in distinct if (n := as_number(label)) is not None]
        # A few odd cells do not turn a quantity into classes: they are reported as unusable instead.
        if not self.numbers or len(numbers) < 0.9 * len(distinct) or len(distinct) < 2:
            return False
        return any(math.isfinite(n) and not n.is_integer() for n in numbers) or len(distinct) > FEW


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


def shortened(label: object) -> str:
    """At most 40 characters of a label, for messages."""
    text = str(label)
    return text if len(text) <= 40 else text[:39] + "…"


def unknown(what: str, label: object, classes: Sequence[str]) -> str:
    """'unknown class 'Tulip '; 'tulip' is known'"""
    near = variant_of(str(label), classes)
    but = "" if near is None else f"; '{shortened(near)}' is known"
    return f"unknown {what} '{shortened(label)}'{but}"
