"""In place of what a small training run spends most of its time on, where no test can tell: laying out and
painting plots nobody looks at, and waiting for the disk."""

from __future__ import annotations

from typing import Any, BinaryIO

# A PNG of one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f0001010100b138f6140000000049454e44ae426082"
)


def print_png(_: Any, stream: BinaryIO, **__: Any) -> None:
    """matplotlib's FigureCanvasAgg.print_png, without what it takes."""
    stream.write(PIXEL)


def fsync(_: Any) -> None:
    """os.fsync, without the wait: only a power cut could tell."""
