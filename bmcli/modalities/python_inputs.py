"""Inputs as Python has them: arrays, images of Pillow, tensors, frames, records, texts, paths.

They become the same pieces that `bmcli.inference.inputs` reads from files, so a prediction is the same number
whichever way its input came. What could mean two things is an error that says how to write either. Nothing of
pandas, polars, Pillow or a framework of tensors is imported unless an object of theirs is handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bmcli.inference.inputs import Inputs, Reading

if TYPE_CHECKING:
    from bmcli.modalities.image.python_inputs import Wanted

__all__ = ["read"]


def read(
    inputs: Any,
    reading: Reading,
    *,
    wanted: Wanted | None = None,
    note: Callable[[str], object] | None = None,
    expect: Callable[[int], object] | None = None,
) -> Iterator[Inputs]:
    """The examples, piece by piece, in order; each piece with its own problems. See docs/python.md.

    wanted: of a run of images, what it was trained on.
    note, expect: as `bmcli.inference.inputs.read` takes them.
    UsageError where the object is none of these, or could mean two things; the message says how to write it.
    """
    say = note or (lambda text: None)
    count = expect or (lambda number: None)
    if reading.kind == "image":
        from bmcli.modalities.image import python_inputs as images

        assert wanted is not None
        return images.read(inputs, wanted, say, count)
    if reading.kind == "table":
        from bmcli.modalities.table import python_inputs as tables

        return tables.read(inputs, reading, say, count)
    from bmcli.modalities.text import python_inputs as texts

    return texts.read(inputs, reading, say, count)
