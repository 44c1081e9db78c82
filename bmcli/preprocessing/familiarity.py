"""Does an input look like the training data? By simple statistics of it, and the range they had in training.

The range of a statistic lies between its extreme thousandths in training, widened by MARGIN of its width: one
of a thousand clean inputs may be told odd, and what is told says why.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.errors import IntegrityError
from bmcli.runs import layout
from bmcli.runs.documents import strict

if TYPE_CHECKING:
    from bmcli.data.bundle import Examples, Kind
    from bmcli.preprocessing import Preprocessing
    from bmcli.runs.run import Run

FORMAT = 1
LOOKED_AT = 3_000
"""Training examples, evenly spread, that the ranges are taken from."""
MARGIN = 0.25
FEWEST = 20
"""Examples below which nothing is said: any input would look odd."""

_SAID = {
    "brightness": ("darker than the training pictures", "brighter than the training pictures (inverted?)"),
    "contrast": ("with less contrast than the training pictures (blank?)", "with more contrast than those"),
    "border": (
        "a darker border than the training pictures'",
        "a brighter border than the training pictures'",
    ),
    "colour": ("less colourful than the training pictures (grey?)", "more colourful than those"),
    "detail": (
        "with less detail than the training pictures (blank?)",
        "with more detail than those (noise?)",
    ),
    "unknown words": ("", "mostly words that the training texts do not have"),
    "words": ("no word that could be read", ""),
}


@dataclass(frozen=True)
class Familiarity:
    """ranges: statistic -> (low, high); columns: of a table, the name of each feature that is a number."""

    kind: Kind
    examples: int
    ranges: dict[str, tuple[float, float]]
    columns: tuple[str | None, ...] = ()

    def odd(self, compact: np.ndarray) -> list[tuple[str, ...]]:
        """What is odd about each of n encoded examples, in words; empty where nothing is."""
        if not self.ranges or not len(compact):
            return [()] * len(compact)
        found: list[list[str]] = [[] for _ in range(len(compact))]
        for name, values in statistics(self.kind, compact, self.columns).items():
            if name not in self.ranges:
                continue
            low, high = self.ranges[name]
            for at, side in ((values < low, 0), (values > high, 1)):
                for i in np.flatnonzero(at).tolist():
                    text = _said(name, side)
                    if text:
                        found[i].append(text)
        return [tuple(texts) for texts in found]

    def to_text(self) -> str:
        """The content of input_statistics.json."""
        ranges = {name: list(pair) for name, pair in self.ranges.items()}
        document: dict[str, Any] = {
            "format": FORMAT,
            "kind": self.kind,
            "examples": self.examples,
            "ranges": ranges,
        }
        if self.columns:
            document["columns"] = list(self.columns)
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _said(name: str, side: int) -> str:
    if name in _SAID:
        return _SAID[name][side]
    return f"{name} is far {'above' if side else 'below'} everything in training"


def _columns(preprocessing: Preprocessing) -> tuple[str | None, ...]:
    features = getattr(preprocessing, "features", ())
    return tuple(one.column if one.of == "value" else None for one in features)


def statistics(
    kind: Kind, compact: np.ndarray, columns: tuple[str | None, ...] = ()
) -> dict[str, np.ndarray]:
    """Statistic -> float64 [n], of encoded examples (see Preprocessing.encode)."""
    if kind == "image":
        return _of_pictures(compact)
    if kind == "text":
        from bmcli.preprocessing.text import PAD_ID, UNKNOWN_ID

        words = (compact != PAD_ID).sum(axis=1)
        unknown = (compact == UNKNOWN_ID).sum(axis=1) / np.maximum(words, 1)
        return {"words": words.astype(np.float64), "unknown words": unknown}
    return {
        name: compact[:, place].astype(np.float64) for place, name in enumerate(columns) if name is not None
    }


def _of_pictures(pictures: np.ndarray) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(pictures), 256):
        some = pictures[start : start + 256].astype(np.float32)
        grey = some.mean(axis=3)
        edge = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
        steps = [
            np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2) if grey.shape[axis] > 1
        ]
        parts = {
            "brightness": grey.mean(axis=(1, 2)),
            "contrast": grey.std(axis=(1, 2)),
            "border": edge.mean(axis=1),
            "detail": np.mean(steps, axis=0) if steps else np.zeros(len(some)),
        }
        if some.shape[3] == 3:
            parts["colour"] = np.ptp(some, axis=3).mean(axis=(1, 2))
        for name, values in parts.items():
            found.setdefault(name, []).append(values.astype(np.float64))
    return {name: np.concatenate(values) for name, values in found.items()}


def fit(preprocessing: Preprocessing, examples: Examples) -> Familiarity:
    """Of the training examples."""
    count = len(examples)
    if count < FEWEST:
        return Familiarity(preprocessing.kind, count, {})
    chosen = np.arange(min(count, LOOKED_AT)) * count // min(count, LOOKED_AT)
    ranges = {}
    # Pictures are in memory, or many of them; texts and rows would be encoded anew.
    whole = preprocessing.kind == "image"
    compact = preprocessing.encode(examples if whole else examples.take(chosen))
    columns = _columns(preprocessing)
    for name, values in statistics(
        preprocessing.kind, np.asarray(compact[chosen] if whole else compact), columns
    ).items():
        low, high = (float(v) for v in np.quantile(values, [0.001, 0.999]))
        widened = MARGIN * (high - low)
        if preprocessing.kind == "table":
            low, high = float(values.min()), float(values.max())
            widened = high - low
        # What cannot be less than nothing: half of what training had least.
        below = low / 2 if name in ("contrast", "detail", "colour") else low - widened
        ranges[name] = (below, high + widened)
    if "unknown words" in ranges:
        # Few unknown words in training are no reason to call one in ten odd.
        ranges["unknown words"] = (-1.0, max(0.5, ranges["unknown words"][1]))
        ranges["words"] = (0.5, float("1e9"))
    return Familiarity(preprocessing.kind, count, ranges, columns)


def load(run: Run) -> Familiarity | None:
    """Of a run; None for one that has none, IntegrityError where the file is damaged."""
    if not run.exists(layout.INPUT_STATISTICS) and layout.INPUT_STATISTICS not in run.manifest():
        return None
    try:
        document = strict(run.read_text(layout.INPUT_STATISTICS))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in document["ranges"].items()}
        columns = tuple(document.get("columns", ()))
        if document["kind"] not in ("image", "text", "table"):
            raise ValueError(f"kind {document['kind']!r}")
        if not all(name is None or isinstance(name, str) for name in columns):
            raise ValueError("the name of a column is not a text")
        return Familiarity(document["kind"], int(document["examples"]), ranges, columns)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{run.path / layout.INPUT_STATISTICS} is damaged: {error}") from error
