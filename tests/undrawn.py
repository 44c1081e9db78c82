"""In place of drawing plots, where nobody looks at them: laying out and painting is a third of a small
training run."""

from __future__ import annotations

from typing import Any, BinaryIO

# A PNG of one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f0001010100b138f6140000000049454e44ae426082"
)


def savefig(_: Any, stream: BinaryIO, **__: Any) -> None:
    """matplotlib.figure.Figure.savefig, without what it takes."""
    stream.write(PIXEL)
