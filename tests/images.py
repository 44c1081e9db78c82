"""Small image files: noise, every format, and the ways that a file can be broken."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_image(
    path: Path, seed: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB", **options: Any
) -> Path:
    """A small image of noise; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = len(Image.new(mode, (1, 1)).getbands())
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], bands), np.uint8)
    Image.fromarray(noise[:, :, 0] if bands == 1 else noise, mode).save(path, **options)
    return path


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def huge_png() -> bytes:
    """60,000 × 60,000 in a few bytes of header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def broken_files(folder: Path) -> dict[str, str]:
    """File name -> what the message must say."""
    good = write_image(folder / "good.jpg", size=(64, 64)).read_bytes()
    png = write_image(folder / "good.png", size=(64, 64)).read_bytes()
    contents = {
        "empty.jpg": (b"", "empty"),
        "text.png": (b"not an image at all", "known format"),
        "truncated.jpg": (good[: len(good) // 2], "truncated"),
        "truncated.png": (png[: len(png) // 2], "decoded"),
        "header.jpg": (good[:20], "cannot|known"),
        "flipped.png": (png[:60] + b"\xff\xff\xff\xff" + png[64:], "decoded"),
        "huge.png": (huge_png(), "pixels"),
        "drawing.png": (encoded(Image.new("L", (2, 2)), "PPM"), "known format"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe.jpg")
    return {name: what for name, (_, what) in contents.items()} | {
        "pipe.jpg": "regular",
        "gone.jpg": "no such",
    }
