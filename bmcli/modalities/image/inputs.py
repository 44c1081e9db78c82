"""Unlabelled images: files, and one on stdin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import IO

from bmcli.core.errors import Place, Problem
from bmcli.files.inputs import STDIN, bytes_of, expanded
from bmcli.files.suffixes import IMAGE_SUFFIXES
from bmcli.modalities.image.decode import MAX_BYTES
from bmcli.modalities.image.examples import Images
from bmcli.modalities.inputs import Inputs

PIECE = 256
"""Number of images read and passed on at a time."""
PIECE_BYTES = 32 * 2**20
"""Most bytes of image files passed on at a time, except for a single larger file: a piece of large photos
would otherwise take many seconds without progress, and without a chance to stop."""


def read(inputs: Sequence[str], stdin: IO[bytes], expect: Callable[[int], object] | None) -> Iterator[Inputs]:
    """See `bmcli.inference.inputs.read`."""
    paths: list[str] = []
    problems: list[Problem] = []
    held = 0

    def piece() -> Inputs:
        nonlocal held
        made = Inputs(Images(paths=tuple(paths)), tuple(paths), tuple(problems))
        paths.clear()
        problems.clear()
        held = 0
        return made

    for name, files in expanded(inputs, IMAGE_SUFFIXES, problems, expect):
        if name == STDIN:
            yield piece()
            yield _image_from(stdin)
            continue
        for path in files:
            size = bytes_of(path)
            if len(paths) == PIECE or (paths and held + size > PIECE_BYTES):
                yield piece()
            paths.append(path)
            held += size
    yield piece()


def _image_from(stdin: IO[bytes]) -> Inputs:
    data = stdin.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        problem = Problem(f"larger than {MAX_BYTES // 2**20} MiB", Place(STDIN))
        return Inputs(Images(paths=()), (), (problem,))
    return Inputs(Images(contents=(data,)), (STDIN,))
