"""Inputs as Python has them: arrays, images of Pillow, tensors, frames, records, texts, paths.

They become the same pieces that `bmcli.inference.inputs` reads from files, so a prediction is the same number
whichever way its input came. What could mean two things is an error that says how to write either. Nothing of
pandas, polars, Pillow or a framework of tensors is imported unless an object of theirs is passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bmcli.modalities.base import modality_of
from bmcli.modalities.inputs import Inputs, Reading

__all__ = ["read"]


def read(
    inputs: object,
    reading: Reading,
    *,
    wanted: object = None,
    note: Callable[[str], object] | None = None,
    expect: Callable[[int], object] | None = None,
) -> Iterator[Inputs]:
    """The examples, piece by piece, in order; each piece with its own problems. See docs/python.md.

    wanted: what the run takes such objects for, as `Modality.wanted` has it.
    note, expect: as `bmcli.inference.inputs.read` takes them.
    UsageError if the object is none of these, or is ambiguous; the message says what to write.
    """
    say = note or (lambda text: None)
    count = expect or (lambda number: None)
    return modality_of(reading.kind).read_objects(inputs, reading, wanted, say, count)
