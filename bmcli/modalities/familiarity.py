"""Does an input look like the training data? By what is measured on it, and what training has.

What is measured are `traits`; from where on an input is odd says `surprise`, so that fewer than one of a
thousand inputs like those of training are, over all that is measured on it together.

Runs of an older bm kept ranges of a few statistics instead, and are asked by these.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.core.batch import first
from bmcli.core.errors import IntegrityError
from bmcli.data.bundle import Images, Table, Texts
from bmcli.modalities.novelty import ALPHA, ENOUGH, FAR, Odd, Surprise
from bmcli.modalities.remark import Unfamiliar
from bmcli.modalities.traits import (
    MISSING,
    RARER,
    TEXTS,
    RowTraits,
    TextTraits,
    Trait,
    image_traits,
    of_images,
)
from bmcli.runs import layout
from bmcli.runs.documents import strict

if TYPE_CHECKING:
    from bmcli.core.spec import Kind
    from bmcli.data.bundle import Examples
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.modalities.source import Source
    from bmcli.runs.run import Run

FORMAT = 1
LOOKED_AT = 6_000
"""Training examples, evenly spread, that are measured."""
COMPARED = 2_000
"""Examples that are measured where all of many are looked at for another reason: to score a model on them."""
DECODED = 3_000
"""The same of images that would have to be decoded for it once more."""
FEWEST = 20
"""Examples below which nothing is said: any input would look odd."""
MOST_SAID = 3
"""Reasons given for one input."""
MOST_CELLS = 4_000_000
"""Of a wide table, fewer rows are measured."""
BEYOND = 0.1
"""What a single trait must be beyond the range of training, as a share of its width; of few examples
MARGIN."""
MARGIN = 0.25
"""What a range is widened by, as a share of its width."""

NO_NUMBER = "all its numbers are missing"
NO_WORD = "no word that could be read"
_SAID = {
    "brightness": ("darker than the training images", "brighter than the training images (inverted?)"),
    "contrast": (
        "lower contrast than the training images (blank?)",
        "higher contrast than the training images",
    ),
    "border": ("darker border", "brighter border"),
    "colour": ("less colourful than the training images (grey?)", "more colourful than the training images"),
    "detail": (
        "less detail than the training images (blank?)",
        "more detail than the training images (noise?)",
    ),
    "unknown words": ("", "mostly words that the training texts do not have"),
    "words": (NO_WORD, ""),
}


@dataclass(frozen=True)
class Familiarity:
    """ranges: statistic -> (low, high), by which an older bm tells odd inputs; columns: of a table, the name
    of each feature that is a number. surprise: how surprising which traits are; None for runs of an older bm
    and of too few examples. usual: what the traits of a text or a row are compared to.
    """

    kind: Kind
    examples: int
    ranges: dict[str, tuple[float, float]]
    columns: tuple[str | None, ...] = ()
    surprise: Surprise | None = None
    usual: TextTraits | RowTraits | None = None

    def look(
        self,
        preprocessing: Preprocessing,
        examples: Examples,
        compact: np.ndarray,
        unusable: Collection[int] = (),
    ) -> Unfamiliar:
        """What in raw examples is not as in training; see Unfamiliar. compact: as `encode_usable` has those
        that are not `unusable`."""
        said = self._known_facts(preprocessing, examples)
        good = [i for i in range(len(examples)) if i not in unusable]
        odd = {i: reasons for i, reasons in said.odd.items() if i not in unusable}
        found = self._measured(preprocessing, examples.take(good) if unusable else examples, compact)
        for i, reasons in zip(good, found, strict=True):
            if i in odd:  # a category that training does not have is rare as well
                reasons = tuple(text for text in reasons if text != RARER)
            if reasons:
                odd[i] = (*odd.get(i, ()), *reasons)
        return Unfamiliar(odd, said.taken)

    def notes(self, preprocessing: Preprocessing, examples: Examples, where: str) -> list[str]:
        """In sentences what is not as in training in many examples: what is certain of all of them, what is
        measured of at most COMPARED, evenly spread. where: 'new.csv'."""
        some = examples
        if len(examples) > COMPARED:
            some = examples.take(_spread(len(examples), COMPARED))
        batch, unusable = preprocessing.usable(some)
        compact = first(batch)
        if some is examples:
            return self.look(preprocessing, examples, compact, unusable).notes(where)
        good = [i for i in range(len(some)) if i not in unusable]
        measured = self._measured(preprocessing, some.take(good) if unusable else some, compact)
        odd = {i: reasons for i, reasons in enumerate(measured) if reasons}
        whole = self._known_facts(preprocessing, examples).notes(where)
        return [*whole, *Unfamiliar(odd).notes(f"{where}, {len(some):,} of {len(examples):,} examples")]

    def _known_facts(self, preprocessing: Preprocessing, examples: Examples) -> Unfamiliar:
        if not isinstance(self.usual, RowTraits):
            return preprocessing.unfamiliar(examples)
        new = {name for name, share in self.usual.novel.items() if share > ALPHA}
        return preprocessing.unfamiliar(examples, new)  # type: ignore[call-arg]

    def _measured(
        self, preprocessing: Preprocessing, examples: Examples, compact: np.ndarray
    ) -> list[tuple[str, ...]]:
        """What is odd about each, in words; of usable examples and their compact form."""
        if self.surprise is None:
            return self.odd(compact)
        return self._by_surprise(preprocessing, examples, compact)

    def _by_surprise(
        self, preprocessing: Preprocessing, examples: Examples, compact: np.ndarray
    ) -> list[tuple[str, ...]]:
        assert self.surprise is not None
        if not len(compact):
            return []
        known: tuple[Trait, ...] = TEXTS
        found: list[tuple[str, ...]] = [()] * len(compact)
        none = np.zeros(len(compact), bool)
        if isinstance(self.usual, TextTraits):
            assert isinstance(examples, Texts)
            traits = self.usual.of(preprocessing, examples, compact)  # type: ignore[arg-type]
            none = np.asarray(~compact.any(axis=1))
        elif isinstance(self.usual, RowTraits):
            assert isinstance(examples, Table)
            known = self.usual.traits(preprocessing)  # type: ignore[arg-type]
            traits, none = self.usual.of(preprocessing, examples)  # type: ignore[arg-type]
        else:
            known, traits = of_images(compact)
        for row, odd in self.surprise.odd(traits).items():
            found[row] = self._reasons(odd, traits[row], known, bool(none[row]))
        if self.kind == "text":
            for row in np.flatnonzero(none).tolist():
                found[row] = (NO_WORD,)
        return found

    def _reasons(
        self, odd: Sequence[Odd], traits: np.ndarray, known: Sequence[Trait], none: bool
    ) -> tuple[str, ...]:
        """In words, the most surprising first. none: whether a row has no number."""
        assert self.surprise is not None
        alone = [one for one in odd if one.trait < len(known)]
        said = [known[one.trait].high if one.high else known[one.trait].low for one in alone]
        if self.kind == "table" and none:
            said = [NO_NUMBER if text == MISSING else text for text in said]
        reasons = [text for text in dict.fromkeys(said) if text]
        if not alone:
            names = [known[trait].name for trait in self.surprise.foremost(traits, 2)]
            reasons = [f"an unusual combination of {' and '.join(dict.fromkeys(names))}"]
        return tuple(reasons[:MOST_SAID])

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
        if self.surprise is not None:
            document["surprise"] = self.surprise.to_json()
        if self.usual is not None:
            document["usual"] = self.usual.to_json()
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
        from bmcli.modalities.text.encoder import PAD_ID, UNKNOWN_ID

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
    # Images are in memory, or many of them; texts and rows would be encoded again.
    if isinstance(examples, Images):
        source = next(iter(preprocessing.source(examples).sources.values()))
        compact = np.asarray(source[_images_to_measure(source)])
    else:
        chosen = _spread(count, LOOKED_AT)
        if isinstance(examples, Table):
            chosen = _spread(count, min(len(chosen), max(FEWEST, MOST_CELLS // len(examples.columns))))
        some = examples.take(chosen)
        compact = np.asarray(next(iter(preprocessing.source(some).sources.values())))
    columns = _columns(preprocessing)
    ranges = _ranges(preprocessing.kind, compact, columns)
    margin = BEYOND if len(compact) >= ENOUGH else MARGIN
    usual: TextTraits | RowTraits | None = None
    if isinstance(examples, Table):
        usual, traits, low, high = RowTraits.fit(preprocessing, examples, chosen, ENOUGH)  # type: ignore[arg-type]
        known = usual.traits(preprocessing)  # type: ignore[arg-type]
    else:
        if isinstance(examples, Texts):
            assert isinstance(some, Texts)
            usual, traits = TextTraits.fit(preprocessing, some, compact)  # type: ignore[arg-type]
            known = TEXTS
        else:
            known, traits = of_images(compact)
        low, high = np.quantile(traits, [FAR, 1 - FAR], axis=0)
        low, high = low - margin * (high - low), high + margin * (high - low)
    surprise = Surprise.fit(traits, np.array([trait.finest for trait in known]), low, high)
    return Familiarity(preprocessing.kind, count, ranges, columns, surprise, usual)


def _spread(count: int, most: int) -> np.ndarray:
    """Positions of at most so many of `count`, evenly spread."""
    return np.arange(min(count, most)) * count // min(count, most)


def _images_to_measure(source: Source) -> np.ndarray:
    """Positions, of those in memory if they are enough."""
    count, most = len(source), LOOKED_AT
    rows = getattr(source, "rows", None)
    if rows is None or (rows >= 0).all():
        return _spread(count, most)
    ready = np.flatnonzero(rows >= 0)
    return ready[_spread(len(ready), most)] if len(ready) >= DECODED else _spread(count, DECODED)


def _ranges(
    kind: Kind, compact: np.ndarray, columns: tuple[str | None, ...]
) -> dict[str, tuple[float, float]]:
    """What an older bm goes by."""
    ranges = {}
    for name, values in statistics(kind, compact, columns).items():
        low, high = (float(v) for v in np.quantile(values, [0.001, 0.999]))
        widened = MARGIN * (high - low)
        if kind == "table":
            low, high = float(values.min()), float(values.max())
            widened = high - low
        # What cannot be less than nothing: half of what training had least.
        below = low / 2 if name in ("contrast", "detail", "colour") else low - widened
        ranges[name] = (below, high + widened)
    if "unknown words" in ranges:
        # Few unknown words in training are no reason to call one in ten odd.
        ranges["unknown words"] = (-1.0, max(0.5, ranges["unknown words"][1]))
        ranges["words"] = (0.5, float("1e9"))
    return ranges


def load(run: Run, preprocessing: Preprocessing | None = None) -> Familiarity | None:
    """Of a run; None for one that has none, IntegrityError where the file is damaged.

    preprocessing: the run's, where it is loaded already.
    """
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
        kind, examples = document["kind"], int(document["examples"])
        if preprocessing is None or "surprise" not in document:
            return Familiarity(kind, examples, ranges, columns)
        usual: TextTraits | RowTraits | None = None
        if kind == "text":
            usual = TextTraits.from_json(document["usual"], preprocessing)  # type: ignore[arg-type]
            traits = len(TEXTS)
        elif kind == "table":
            usual = RowTraits.from_json(document["usual"], preprocessing)  # type: ignore[arg-type]
            traits = len(usual.traits(preprocessing))  # type: ignore[arg-type]
        else:
            traits = len(image_traits(preprocessing.inputs[0].shape[2] or 0))
        surprise = Surprise.from_json(document["surprise"], traits)
        return Familiarity(kind, examples, ranges, columns, surprise, usual)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{run.path / layout.INPUT_STATISTICS} is damaged: {error}") from error
