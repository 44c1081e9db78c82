"""Unlabelled examples of several parts, as Python has them: a dict of what each part's modality takes, or
paths of tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bmcli.core.errors import DataError, UsageError
from bmcli.modalities.base import Expect, Note, modality_of
from bmcli.modalities.inputs import Inputs, Reading
from bmcli.modalities.mixed.examples import Mixed
from bmcli.modalities.mixed.rows import read
from bmcli.modalities.python_types import is_path, path_of

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.modalities.preprocessing import Preprocessing


def read_objects(
    inputs: object, reading: Reading, encoders: Mapping[str, Preprocessing], note: Note, expect: Expect
) -> Iterator[Inputs]:
    """Pieces of examples. encoders: those of the run's parts.

    Raises UsageError if a part is missing, DataError if one cannot be read or the parts are not
    equally many.
    """
    listed = ", ".join(encoders)
    if isinstance(inputs, str) or is_path(inputs):
        inputs = [inputs]
    if isinstance(inputs, list | tuple) and inputs and all(isinstance(i, str) or is_path(i) for i in inputs):
        yield from read([path_of(path) for path in inputs], reading, encoders, io.BytesIO(), note, None)
        return
    if not isinstance(inputs, Mapping):
        raise UsageError(
            f"expected a dict of the parts {listed}, or the path of a table",
            hint=f"predict({{{next(iter(encoders))!r}: ...}})",
        )
    if odd := sorted(map(str, set(inputs) ^ set(encoders))):
        raise UsageError(f"the parts are {listed}; missing or not known: {', '.join(odd)}")
    counts: list[int] = []
    readers = {
        part: _Reader(part, encoder, inputs[part], reading, note, counts.append)
        for part, encoder in encoders.items()
    }
    done = 0
    while True:
        ready = {part: reader.ready() for part, reader in readers.items()}
        if not any(ready.values()):
            return
        if not all(ready.values()):
            short = ", ".join(part for part, there in ready.items() if not there)
            raise DataError(f"the parts are not equally many: no more than {done:,} of {short}")
        if done == 0 and counts:
            expect(max(counts))
        size = min(ready.values())
        examples = Mixed({part: reader.taken(size) for part, reader in readers.items()})
        yield Inputs(examples, tuple(str(done + i) for i in range(size)))
        done += size


class _Reader:
    """One part, read by its modality, in pieces of any size."""

    def __init__(
        self, part: str, encoder: Preprocessing, inputs: object, reading: Reading, note: Note, expect: Expect
    ) -> None:
        modality = modality_of(encoder.kind)
        columns, decimals = modality.reading_columns(encoder)
        own = replace(reading, kind=encoder.kind, columns=columns, decimals=decimals, encoder=encoder)
        self._part = part
        self._pieces = modality.read_objects(inputs, own, modality.wanted(encoder), note, expect)
        self._examples: Examples | None = None
        self._begun = 0

    def ready(self) -> int:
        """How many of this part are at hand; 0 at its end."""
        while self._examples is None or self._begun == len(self._examples):
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            if piece.problems:
                raise DataError(
                    f"{len(piece.problems)} of '{self._part}' cannot be used", problems=piece.problems
                )
            self._examples, self._begun = piece.examples, 0
        return len(self._examples) - self._begun

    def taken(self, count: int) -> Examples:
        """The next `count`, which are at hand."""
        assert self._examples is not None
        begun, self._begun = self._begun, self._begun + count
        return self._examples.take(range(begun, self._begun))
