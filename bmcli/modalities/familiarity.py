"""Whether an input looks like the training data, by statistics of both.

The modality defines the statistics; `novelty` sets the thresholds, so that fewer than one in a thousand
inputs like those of training is reported, over all statistics together.

Runs of older versions stored ranges of a few statistics instead, which are used for them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.core.batch import first
from bmcli.core.errors import IntegrityError
from bmcli.modalities.base import is_known, modality_of
from bmcli.modalities.measured import FEWEST, Trait, Usual, spread
from bmcli.modalities.novelty import Odd, Surprise
from bmcli.modalities.remark import Unfamiliar
from bmcli.runs import layout
from bmcli.runs.documents import strict

if TYPE_CHECKING:
    from bmcli.core.batch import Batch
    from bmcli.core.examples import Examples
    from bmcli.core.spec import Kind
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.runs.run import Run

FORMAT = 1
COMPARED = 2_000
"""Number of examples measured when a whole data set is read for another purpose, such as evaluation."""
MOST_SAID = 3
"""Largest number of reasons per input."""


@dataclass(frozen=True)
class Familiarity:
    """ranges: statistic -> (low, high), used by older versions; columns: of a table, the name of each numeric
    feature. surprise: how surprising which traits are; None for runs of an older bm
    and of too few examples. usual: what the traits of a text or a row are compared to. parts: of examples of
    several parts, what each part was like; nothing is measured on all of them together.
    """

    kind: Kind
    examples: int
    ranges: dict[str, tuple[float, float]]
    columns: tuple[str | None, ...] = ()
    surprise: Surprise | None = None
    usual: Usual | None = None
    parts: Mapping[str, Familiarity] = field(default_factory=dict)

    def look(
        self,
        preprocessing: Preprocessing,
        examples: Examples,
        batch: Batch,
        unusable: Collection[int] = (),
    ) -> Unfamiliar:
        """What in raw examples is not as in training; see Unfamiliar. batch: as the encoder's `usable` has
        those that are not `unusable`."""
        if self.parts:
            return self._look_at_parts(preprocessing, examples, batch, unusable)
        compact = first(batch)
        said = self._known_facts(preprocessing, examples)
        good = [i for i in range(len(examples)) if i not in unusable]
        odd = {i: reasons for i, reasons in said.odd.items() if i not in unusable}
        found = self._measured(preprocessing, examples.take(good) if unusable else examples, compact)
        for i, reasons in zip(good, found, strict=True):
            if i in odd and self.usual is not None:  # a category that training does not have is rare as well
                reasons = tuple(text for text in reasons if text != self.usual.implied)
            if reasons:
                odd[i] = (*odd.get(i, ()), *reasons)
        return Unfamiliar(odd, said.taken)

    def _look_at_parts(
        self, preprocessing: Preprocessing, examples: Examples, batch: Batch, unusable: Collection[int]
    ) -> Unfamiliar:
        odd: dict[int, tuple[str, ...]] = {}
        taken: dict[str, int] = {}
        for name, part in modality_of(self.kind).parts(preprocessing).items():
            said = self.parts[name].look(part.encoder, part.of(examples), part.batch(batch), unusable)
            taken |= {f"{name}: {what}": count for what, count in said.taken.items()}
            for position, reasons in said.odd.items():
                odd[position] = (*odd.get(position, ()), *(f"{name}: {reason}" for reason in reasons))
        return Unfamiliar(dict(sorted(odd.items())), taken)

    def notes(self, preprocessing: Preprocessing, examples: Examples, where: str) -> list[str]:
        """In sentences what is not as in training in many examples: what is certain of all of them, what is
        measured of at most COMPARED, evenly spread. where: 'new.csv'."""
        if self.parts:
            parts = modality_of(self.kind).parts(preprocessing)
            of = [(name, self.parts[name], part) for name, part in parts.items()]
            every = [
                known.notes(part.encoder, part.of(examples), f"{where}, {name}") for name, known, part in of
            ]
            return [line for lines in every for line in lines]
        some = examples
        if len(examples) > COMPARED:
            some = examples.take(spread(len(examples), COMPARED))
        batch, unusable = preprocessing.usable(some)
        compact = first(batch)
        if some is examples:
            return self.look(preprocessing, examples, batch, unusable).notes(where)
        good = [i for i in range(len(some)) if i not in unusable]
        measured = self._measured(preprocessing, some.take(good) if unusable else some, compact)
        odd = {i: reasons for i, reasons in enumerate(measured) if reasons}
        whole = self._known_facts(preprocessing, examples).notes(where)
        return [*whole, *Unfamiliar(odd).notes(f"{where}, {len(some):,} of {len(examples):,} examples")]

    def _known_facts(self, preprocessing: Preprocessing, examples: Examples) -> Unfamiliar:
        new = self.usual.open_columns() if self.usual is not None else None
        if new is None:
            return preprocessing.unfamiliar(examples)
        return preprocessing.unfamiliar(examples, new)  # type: ignore[call-arg]

    def _measured(
        self, preprocessing: Preprocessing, examples: Examples, compact: np.ndarray
    ) -> list[tuple[str, ...]]:
        """What is unusual about each, in words; of usable examples and their compact form."""
        if self.surprise is None or self.usual is None:
            return self.odd(compact)
        if not len(compact):
            return []
        found: list[tuple[str, ...]] = [()] * len(compact)
        known = self.usual.known(preprocessing)
        traits, blank = self.usual.measured(preprocessing, examples, compact)
        for row, odd in self.surprise.odd(traits).items():
            found[row] = self._reasons(odd, traits[row], known, bool(blank[row]))
        if self.usual.blank is not None:
            for row in np.flatnonzero(blank).tolist():
                found[row] = (self.usual.blank,)
        return found

    def _reasons(
        self, odd: Sequence[Odd], traits: np.ndarray, known: Sequence[Trait], blank: bool
    ) -> tuple[str, ...]:
        """In words, the most surprising first. blank: the example holds nothing to be measured."""
        assert self.surprise is not None and self.usual is not None
        alone = [one for one in odd if one.trait < len(known)]
        said = [known[one.trait].high if one.high else known[one.trait].low for one in alone]
        said = [self.usual.in_words(text, blank) for text in said]
        reasons = [text for text in dict.fromkeys(said) if text]
        if not alone:
            names = [known[trait].name for trait in self.surprise.foremost(traits, 2)]
            reasons = [f"an unusual combination of {' and '.join(dict.fromkeys(names))}"]
        return tuple(reasons[:MOST_SAID])

    def odd(self, compact: np.ndarray) -> list[tuple[str, ...]]:
        """What is unusual about each of n encoded examples, in words; empty if nothing is."""
        if not self.ranges or not len(compact):
            return [()] * len(compact)
        found: list[list[str]] = [[] for _ in range(len(compact))]
        modality = modality_of(self.kind)
        for name, values in modality.statistics(compact, self.columns).items():
            if name not in self.ranges:
                continue
            low, high = self.ranges[name]
            for at, side in ((values < low, 0), (values > high, 1)):
                for i in np.flatnonzero(at).tolist():
                    text = _said(modality.range_words, name, side)
                    if text:
                        found[i].append(text)
        return [tuple(texts) for texts in found]

    def to_text(self) -> str:
        """The content of input_statistics.json."""
        return json.dumps(self._document(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def _document(self) -> dict[str, object]:
        ranges = {name: list(pair) for name, pair in self.ranges.items()}
        document: dict[str, object] = {
            "format": FORMAT,
            "kind": self.kind,
            "examples": self.examples,
            "ranges": ranges,
        }
        if self.columns:
            document["columns"] = list(self.columns)
        if self.surprise is not None:
            document["surprise"] = self.surprise.to_json()
        if self.usual is not None and (usual := self.usual.to_json()) is not None:
            document["usual"] = usual
        if self.parts:
            document["parts"] = {name: part._document() for name, part in self.parts.items()}
        return document


def _said(words: Mapping[str, tuple[str, str]], name: str, side: int) -> str:
    if name in words:
        return words[name][side]
    return f"{name} is far {'above' if side else 'below'} everything in training"


def fit(preprocessing: Preprocessing, examples: Examples) -> Familiarity:
    """Of the training examples."""
    kind, count = preprocessing.kind, len(examples)
    if parts := modality_of(kind).parts(preprocessing):
        known = {name: fit(part.encoder, part.of(examples)) for name, part in parts.items()}
        return Familiarity(kind, count, {}, parts=known)
    found = None
    if count >= FEWEST:
        found = modality_of(kind).fit_familiarity(preprocessing, examples)
    if found is None:
        return Familiarity(kind, count, {})
    finest = np.array([trait.finest for trait in found.usual.known(preprocessing)])
    surprise = Surprise.fit(found.values, finest, found.low, found.high)
    return Familiarity(kind, count, dict(found.ranges), found.columns, surprise, found.usual)


def load(run: Run, preprocessing: Preprocessing | None = None) -> Familiarity | None:
    """Of a run; None for one that has none, IntegrityError if the file is damaged.

    preprocessing: the run's, where it is loaded already.
    """
    if not run.exists(layout.INPUT_STATISTICS) and layout.INPUT_STATISTICS not in run.manifest():
        return None
    try:
        return _read(strict(run.read_text(layout.INPUT_STATISTICS)), preprocessing)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{run.path / layout.INPUT_STATISTICS} is damaged: {error}") from error


def _read(document: Any, preprocessing: Preprocessing | None) -> Familiarity:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r}")
    ranges = {str(name): (float(low), float(high)) for name, (low, high) in document["ranges"].items()}
    columns = tuple(document.get("columns", ()))
    if not is_known(document["kind"]):
        raise ValueError(f"kind {document['kind']!r}")
    if not all(name is None or isinstance(name, str) for name in columns):
        raise ValueError("the name of a column is not a text")
    kind, examples = document["kind"], int(document["examples"])
    if preprocessing is not None and "parts" in document:
        encoders = {name: part.encoder for name, part in modality_of(kind).parts(preprocessing).items()}
        parts = {name: _read(document["parts"][name], encoder) for name, encoder in encoders.items()}
        return Familiarity(kind, examples, ranges, parts=parts)
    if preprocessing is None or "surprise" not in document:
        return Familiarity(kind, examples, ranges, columns)
    usual = modality_of(kind).load_familiarity(document.get("usual"), preprocessing)
    surprise = Surprise.from_json(document["surprise"], len(usual.known(preprocessing)))
    return Familiarity(kind, examples, ranges, columns, surprise, usual)
