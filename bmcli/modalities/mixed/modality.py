"""Examples of several parts, as a dataset of your own brings them: each part is of another modality."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from bmcli.core.errors import DataError
from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.modalities.base import MODALITIES, Add, Expect, Modality, Note, modality_of
from bmcli.modalities.values import Attribute, Inspected, Readme, Words

if TYPE_CHECKING:
    import numpy as np

    from bmcli.config.schema import PreprocessingConfig
    from bmcli.core.examples import Data, Examples
    from bmcli.core.plain import Document
    from bmcli.files.facts import ColumnFacts
    from bmcli.files.tables import Frame
    from bmcli.modalities.inputs import Inputs, Reading
    from bmcli.modalities.mixed.encoder import MixedPreprocessing
    from bmcli.modalities.mixed.examples import Mixed
    from bmcli.modalities.parts import Part
    from bmcli.modalities.preprocessing import Preprocessing


@MODALITIES.register("mixed")
class MixedExamples(Modality):
    """Examples of several parts, each an input of the model."""

    words = Words("example", "examples", runs="examples of several parts", argument="TABLE.csv")
    place = 50
    suffixes = TABLE_SUFFIXES
    of_tables = True
    has_augmentations = True

    def options(self, preprocessing: object) -> object:
        """See Modality: all sections, of which each part takes its own."""
        return preprocessing

    def described(self, shape: str) -> str:
        """See Modality."""
        return shape

    # === reading ===

    def read_inputs(
        self,
        inputs: Sequence[str],
        reading: Reading,
        stdin: IO[bytes],
        note: Note | None,
        expect: Expect | None,
    ) -> Iterator[Inputs]:
        """See Modality."""
        from bmcli.modalities.mixed.rows import read

        assert reading.encoder is not None
        return read(inputs, reading, _encoder(reading.encoder).encoders, stdin, note, expect)

    def reading_columns(self, encoder: Preprocessing) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """See Modality: those of all parts; each part's decimal marks are its own."""
        from bmcli.modalities.mixed.rows import columns_of

        return columns_of(_encoder(encoder).encoders), {}

    def from_rows(
        self,
        frame: Frame,
        columns: Sequence[str],
        facts: Mapping[str, ColumnFacts],
        missing: Sequence[str],
        *,
        as_found: bool = False,
    ) -> tuple[Examples, list[tuple[int, str]]]:
        """See Modality: only a run defines which columns belong to which part."""
        raise DataError(
            f"{frame.path}: which columns are of which part of an example is not known",
            hint="examples of several parts come from a dataset of your own: docs/plugins.md",
        )

    def rows_for(
        self, frame: Frame, columns: Sequence[str], missing: Sequence[str], encoder: Preprocessing | None
    ) -> tuple[Examples, list[tuple[int, str]]]:
        """See Modality: each part from its own columns."""
        from bmcli.modalities.mixed.rows import examples_in

        if encoder is None:
            return self.from_rows(frame, columns, {}, missing)
        try:
            return examples_in(frame, _encoder(encoder).encoders)
        except DataError as error:
            raise DataError(f"{frame.path}: {error.message}", hint=error.hint) from error

    def unusable(self, encoder: Preprocessing, examples: Examples) -> dict[int, str]:
        """See Modality: of every part."""
        found: dict[int, str] = {}
        for part, own in _encoder(encoder).encoders.items():
            odd = modality_of(own.kind).unusable(own, _mixed(examples).parts[part])
            for position, what in odd.items():
                found[position] = "; ".join(filter(None, (found.get(position), f"{part}: {what}")))
        return dict(sorted(found.items()))

    def wanted(self, encoder: Preprocessing) -> Mapping[str, Preprocessing]:
        """See Modality: the parts' encoders."""
        return _encoder(encoder).encoders

    def read_objects(
        self, inputs: object, reading: Reading, wanted: object, note: Note, expect: Expect
    ) -> Iterator[Inputs]:
        """See Modality: a dict of what each part's own modality takes, or paths of tables."""
        from bmcli.modalities.mixed.inputs import read_objects

        assert isinstance(wanted, Mapping)
        return read_objects(inputs, reading, wanted, note, expect)

    def inspect(
        self,
        examples: Examples,
        preprocessing: PreprocessingConfig | None,
        cache_bytes: int,
        progress: Callable[[int, int], None] | None,
    ) -> Inspected | None:
        """See Modality: every part. What is counted is named 'part/count'."""
        from bmcli.modalities.mixed.examples import Mixed

        parts = dict(_mixed(examples).parts)
        problems: dict[int, str] = {}
        digests: dict[str, bytes] = {}
        counts: dict[str, int] = {}
        for part, some in parts.items():
            found = modality_of(some.kind).inspect(some, preprocessing, cache_bytes // len(parts), progress)
            if found is None:
                continue
            parts[part] = found.examples
            digests |= found.digests
            counts |= {f"{some.kind}/{name}": count for name, count in found.counts.items()}
            for position, what in found.problems.items():
                problems[position] = "; ".join(filter(None, (problems.get(position), f"{part}: {what}")))
        return Inspected(Mixed(parts), problems, digests, counts)

    def inspection_notes(self, counts: Mapping[str, int]) -> tuple[str, ...]:
        """See Modality."""
        kinds: dict[str, dict[str, int]] = {}
        for name, count in counts.items():
            kind, _, own = name.partition("/")
            kinds.setdefault(kind, {})[own] = count
        return tuple(note for kind, own in kinds.items() for note in modality_of(kind).inspection_notes(own))

    def data_notes(self, splits: Mapping[str, Examples]) -> tuple[str, ...]:
        """See Modality."""
        return tuple(
            f"{part}: {note}"
            for part, some in _mixed(splits["train"]).parts.items()
            for note in modality_of(some.kind).data_notes(
                {name: _mixed(examples).parts[part] for name, examples in splits.items()}
            )
        )

    # === the encoder ===

    def fit(self, data: Data, options: object, *, cache_bytes: int) -> Preprocessing:
        """See Modality: each part by its own modality, with its own section of the options."""
        from bmcli.modalities.mixed.encoder import MixedPreprocessing, part_of

        parts = _mixed(data.train.examples).parts
        encoders = {}
        for part, examples in parts.items():
            modality = modality_of(examples.kind)
            own = modality.options(options)
            encoders[part] = modality.fit(part_of(data, part), own, cache_bytes=cache_bytes // len(parts))
        return MixedPreprocessing(encoders)

    def load(self, part: Document, files: Mapping[str, str]) -> Preprocessing:
        """See Modality."""
        from bmcli.modalities.mixed.encoder import MixedPreprocessing

        encoders = {
            name: modality_of(one["kind"]).load(one["encoder"], one["files"]) for name, one in part.items()
        }
        if not encoders:
            raise ValueError("no parts")
        return MixedPreprocessing(encoders)

    def parts(self, encoder: Preprocessing) -> Mapping[str, Part]:
        """See Modality."""
        return _encoder(encoder).parts

    def with_cache(self, encoder: Preprocessing, data: Data, cache_bytes: int) -> Preprocessing:
        """See Modality."""
        from bmcli.modalities.mixed.encoder import MixedPreprocessing, part_of

        encoders = _encoder(encoder).encoders
        share = cache_bytes // len(encoders)
        return MixedPreprocessing(
            {
                part: modality_of(own.kind).with_cache(own, part_of(data, part), share)
                for part, own in encoders.items()
            }
        )

    # === how examples are described ===

    def add_to_fingerprint(self, examples: Examples, add: Add, digests: Mapping[str, bytes]) -> None:
        """See Modality: part by part, with its name."""
        for part, some in _mixed(examples).parts.items():
            add(f"{part} {some.kind}\n".encode())
            modality_of(some.kind).add_to_fingerprint(some, add, digests)

    def sliceable(self, examples: Examples, beside: list[str]) -> list[str]:
        """See Modality: 'part.attribute'."""
        own = [
            f"{part}.{name}"
            for part, some in _mixed(examples).parts.items()
            for name in modality_of(some.kind).sliceable(some, [])
        ]
        return [*own, *beside]

    def attribute(self, examples: Examples, name: str) -> Attribute:
        """See Modality."""
        part, _, own = name.partition(".")
        some = _mixed(examples).parts[part]
        return modality_of(some.kind).attribute(some, own)

    def excerpt(self, examples: Examples, position: int) -> str | None:
        """See Modality: of the parts that are text; None if there are only images."""
        parts = _mixed(examples).parts.items()
        found = {part: modality_of(some.kind).excerpt(some, position) for part, some in parts}
        return "; ".join(f"{part}: {text}" for part, text in found.items() if text is not None) or None

    def thumbnail(self, examples: Examples, position: int, window: tuple[float, float] | None) -> np.ndarray:
        """See Modality: of the first part."""
        some = next(iter(_mixed(examples).parts.values()))
        return modality_of(some.kind).thumbnail(some, position, window)

    def readme(self) -> Readme:
        """See Modality."""
        return replace(
            super().readme(),
            inputs="a part of each example, prepared as preprocessing.json says",
            steps="1. Prepare each part as its encoder in preprocessing.json says.",
            imported="Mixed",
            example='Mixed({"part": ..., "other part": ...})',
        )


def _mixed(examples: Examples) -> Mixed:
    from bmcli.modalities.mixed.examples import Mixed

    assert isinstance(examples, Mixed)
    return examples


def _encoder(encoder: Preprocessing) -> MixedPreprocessing:
    from bmcli.modalities.mixed.encoder import MixedPreprocessing

    assert isinstance(encoder, MixedPreprocessing)
    return encoder
