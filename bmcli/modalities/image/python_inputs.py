"""Images as Python has them: arrays and tensors, images of Pillow, files and their bytes.

Images of Pillow go through the same code as files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bmcli.core.errors import Place, Problem, UsageError
from bmcli.files.inputs import bytes_of, files_of
from bmcli.files.suffixes import IMAGE_SUFFIXES
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.inputs import PIECE, PIECE_BYTES
from bmcli.modalities.image.python_arrays import Wanted, pixels, several, single_image
from bmcli.modalities.image.python_files import encoded, file_bytes, file_name, is_file
from bmcli.modalities.inputs import Inputs
from bmcli.modalities.python_types import (
    array_of,
    is_array,
    is_frame,
    is_image,
    is_missing,
    is_path,
    listed,
    named,
    path_of,
)

_EXPECTED = "an image, a list of images, an array or a path"


def read(
    inputs: object, wanted: Wanted, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    """See `bmcli.modalities.python_inputs.read`."""
    said: set[str] = set()

    def once(text: str) -> None:
        if text not in said:
            said.add(text)
            note(text)

    if is_frame(inputs) or isinstance(inputs, dict):
        raise UsageError(
            f"expected {_EXPECTED}, got {named(inputs)}",
            hint="of a frame with a column of paths: frame['file'].tolist()",
        )
    if is_array(inputs):
        array = array_of(inputs)
        if array.dtype.kind not in "OSUT":
            return _batch(array, wanted, once, expect)
        inputs = [array.item()] if array.ndim == 0 else array.tolist()
    single = isinstance(inputs, str | bytes | bytearray | memoryview) or is_file(inputs)
    if single or is_path(inputs) or is_image(inputs) or is_missing(inputs):
        inputs = [inputs]
    return _each(listed(inputs, _EXPECTED), wanted, once, expect)


def _batch(
    array: np.ndarray, wanted: Wanted, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    images = pixels(several(array, wanted, note), wanted, "the array", note)
    expect(len(images))
    return _pieces(images)


def _pieces(images: np.ndarray) -> Iterator[Inputs]:
    for start in range(0, len(images), PIECE):
        some = images[start : start + PIECE]
        yield Inputs(Images(arrays=some), tuple(map(str, range(start, start + len(some)))))


def _each(
    items: list[object], wanted: Wanted, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    """Images one by one, those alike in a piece; the order stays."""
    if items and all(isinstance(item, int | float | np.number) for item in items):
        raise UsageError("a list of numbers is not an image", hint="write np.asarray(x, 'uint8')")
    if items and all(isinstance(item, list | tuple) for item in items):
        raise UsageError("nested lists are not images", hint="write np.asarray(x, 'uint8')")
    expect(len(items))
    return _in_pieces(items, wanted, note, expect)


def _in_pieces(
    items: list[object], wanted: Wanted, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    held: list[Any] = []
    names: list[str] = []
    problems: list[Problem] = []
    kind: object = None
    size = 0

    def piece() -> Inputs:
        nonlocal size
        size = 0
        examples = (
            Images(paths=tuple(held))
            if kind in (None, "paths")
            else Images(contents=tuple(held))
            if kind == "contents"
            else Images(arrays=np.stack(held))
        )
        made = Inputs(examples, tuple(names), tuple(problems))
        for filled in (held, names, problems):
            filled.clear()
        return made

    for number, item in enumerate(items):
        for one, content, name in _one(item, number, wanted, problems, note, expect):
            own = _bytes_of(content)
            if held and (one != kind or len(held) == PIECE or size + own > PIECE_BYTES):
                yield piece()
            kind = one
            size += own
            held.append(content)
            names.append(name)
    yield piece()


def _bytes_of(content: str | bytes | np.ndarray) -> int:
    if isinstance(content, str):
        return bytes_of(content)
    return len(content) if isinstance(content, bytes) else int(content.nbytes)


def _one(
    item: object,
    number: int,
    wanted: Wanted,
    problems: list[Problem],
    note: Callable[[str], object],
    expect: Callable[[int], object],
) -> Iterator[tuple[object, str | bytes | np.ndarray, str]]:
    """(kind of piece, what it holds, name) of an item of a list: of a folder, of each of its files."""
    name = str(number)
    if isinstance(item, str) or is_path(item):
        paths = list(files_of(path_of(item), IMAGE_SUFFIXES, problems))
        expect(len(paths) - 1)  # the item itself was counted
        yield from (("paths", path, path) for path in paths)
    elif is_missing(item):
        problems.append(Problem("the image is missing", Place(f"input {number}")))
    elif isinstance(item, bytes | bytearray | memoryview):
        yield "contents", bytes(item), name
    elif is_image(item):
        name = os.fsdecode(getattr(item, "filename", "") or "") or name
        yield "contents", encoded(item, number), name
    elif is_file(item):
        yield "contents", file_bytes(item, number), file_name(item) or name
    elif is_array(item):
        array = array_of(item)
        if array.ndim == 0 and array.dtype.kind in "OSU":
            yield from _one(array.item(), number, wanted, problems, note, expect)
            return
        image = pixels(single_image(array, number, wanted, note), wanted, f"input {number}", note)[0]
        yield (image.shape, image.dtype), image, name
    else:
        raise UsageError(f"input {number}: expected {_EXPECTED}, got {named(item)}")
