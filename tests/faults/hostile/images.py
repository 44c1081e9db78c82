"""Images, and folders of them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.faults.hostile.case import CONFIG, DATA, Place, hostile, simple


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """The bytes of an image."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """With its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, colour: int = 0, extra: bytes = b"") -> bytes:
    """A PNG with a header that may say anything; rows: already deflated."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def blank(width: int, height: int, colour: int = 0) -> bytes:
    """A PNG of one colour; small on disk."""
    line = bytes(1 + width * {0: 1, 2: 3, 6: 4}[colour])
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    return png(width, height, rows, colour)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
ONE_PIXEL = zlib.compress(b"\0\0")
MIB = zlib.compress(bytes(2**20), 9)

simple(
    "image: JPEG cut short",
    DATA,
    "a/x.jpg",
    slow=True,
    make=lambda p: p.image("x.jpg", encoded(NOISE, "JPEG")[:900]),
)
simple(
    "image: PNG cut short",
    DATA,
    "a/x.png",
    slow=True,
    make=lambda p: p.image("x.png", encoded(NOISE, "PNG")[:5000]),
)
simple("image: an empty file", DATA, "a/x.png", "empty", slow=True, make=lambda p: p.image("x.png", b""))
simple(
    "image: text",
    DATA,
    "a/x.png",
    "not an image",
    slow=True,
    make=lambda p: p.image("x.png", b"hello\n" * 99),
)
simple(
    "image: SVG with a script",
    DATA,
    "a/x.png",
    "not an image",
    slow=True,
    make=lambda p: p.image("x.png", b"<svg onload='alert(1)'/>"),
)
simple(
    "image: PostScript",
    DATA,
    "a/x.png",
    "not an image",
    slow=True,
    make=lambda p: p.image(
        "x.png", f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({p.canary}) (w) file\n".encode()
    ),
)
simple(
    "image: 14,000 x 14,000 pixels",
    DATA,
    "a/x.png",
    "too many",
    slow=True,
    make=lambda p: p.image("x.png", blank(14_000, 14_000)),
)
simple(
    "image: a header of 100,000 x 100,000",
    DATA,
    "a/x.png",
    "too many",
    make=lambda p: p.image("x.png", png(100_000, 100_000, ONE_PIXEL)),
)
simple(
    "image: a header of 2^31 x 2^31",
    DATA,
    "a/x.png",
    slow=True,
    make=lambda p: p.image("x.png", png(2**31 - 1, 2**31 - 1, ONE_PIXEL)),
)
simple("image: no width", DATA, "a/x.png", slow=True, make=lambda p: p.image("x.png", png(0, 0, ONE_PIXEL)))
simple(
    "image: a bomb in zTXt",
    DATA,
    "a/x.png",
    slow=True,
    make=lambda p: p.image(
        "x.png", png(1, 1, ONE_PIXEL, extra=png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**30), 1)))
    ),
)
simple(
    "image: ten thousand bombs in zTXt",
    DATA,
    "a/x.png",
    slow=True,
    make=lambda p: p.image("x.png", png(1, 1, ONE_PIXEL, extra=png_chunk(b"zTXt", b"k\0\0" + MIB) * 10_000)),
)


@hostile("image: bombs in iCCP and zTXt among good ones", DATA, "2 files", "a/x.png", "a/z.png")
def _(place: Place) -> list[str]:
    place.images()
    profile = png_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(2**28), 1))
    place.file("photos/a/x.png", png(1, 1, ONE_PIXEL, extra=profile))
    frames = [Image.new("RGB", (9, 9), (i, i, i)) for i in range(20)]
    place.file("photos/a/w.webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    gif = encoded(Image.new("P", (9, 9)), "GIF")
    image = gif[gif.index(b"\x2c") : -1]
    place.file("photos/a/millions.gif", gif[:-1] + image * 500_000 + b";")
    place.file("photos/a/z.png", b"broken")
    return place.build("path: photos")


simple(
    "image: a GIF whose screen is 65,535 x 65,535",
    DATA,
    "a/x.gif",
    make=lambda p: p.image(
        "x.gif", b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x01\0\0;"
    ),
)
simple("image: a file of 100 GB", DATA, "a/x.jpg", "larger", slow=True, make=lambda p: huge_image(p))


def huge_image(place: Place) -> list[str]:
    """An image that is one long hole."""
    args = place.image("x.jpg", b"")
    os.truncate(place.work / "photos/a/x.jpg", 10**11)
    return args


@hostile("image: a pipe", DATA, "a/x.jpg", "not a regular file")
def _(place: Place) -> list[str]:
    os.mkfifo(place.images() / "a" / "x.jpg")
    return place.build("path: photos")


@hostile("image: links in a circle and out of the folder", DATA, "leaves the folder", "a folder above")
def _(place: Place) -> list[str]:
    photos = place.images()
    (photos / "a" / "loop.jpg").symlink_to("loop.jpg")
    (photos / "a" / "up").symlink_to("../..")
    (photos / "a" / "round").symlink_to("..")
    (photos / "a" / "out.jpg").symlink_to(place.root / "outside" / "secret.txt")
    (photos / "a" / "zero.jpg").symlink_to("/dev/zero")
    return place.build("path: photos")


def linked(place: Place, more: str = "") -> list[str]:
    """Twenty-five folders, each with two links to the next: 2^25 ways to the last one."""
    place.images()
    for i in range(26):
        (place.work / "photos" / f"c{i}").mkdir()
    for i in range(25):
        for name in "ab":
            (place.work / "photos" / f"c{i}" / name).symlink_to(f"../c{i + 1}")
    return place.build(f"path: photos{more}")


simple("image: 2^25 ways by links", DATA, "links lead to", "ways", make=linked)
simple(
    "image: 2^25 ways by links that may be followed",
    DATA,
    "links lead to",
    slow=True,
    make=lambda p: linked(p, ", follow_links: true"),
)


def nested(place: Place, inside: Path) -> None:
    """1,500 folders, each in the one before."""
    before = Path.cwd()
    os.chdir(inside)
    try:
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
        Image.new("L", (8, 8), 128).save("deep.png")
    finally:
        os.chdir(before)


@hostile("image: 1,500 folders deep", DATA, "more than 50 deep")
def _(place: Place) -> list[str]:
    nested(place, place.images() / "a")
    return place.build("path: photos")


@hostile("predict: a folder of 1,500 folders", 0, "deep.png")
def _(place: Place) -> list[str]:
    place.run()
    nested(place, place.images())
    return ["predict", "photos/d", "--run", "trial", "--json"]


@hostile("predict: thirty times any folder", DATA, "nothing matches")
def _(place: Place) -> list[str]:
    place.run()
    linked(place)
    nested(place, place.work / "photos")
    return ["predict", "**/" * 30 + "*.bmp", "--run", "trial"]


@hostile("predict: any folder, again and again", DATA, "nothing matches", slow=True)
def _(place: Place) -> list[str]:
    place.run()
    linked(place)
    nested(place, place.work / "photos")
    return ["predict", "**/*/" * 10 + "**/*.bmp", "--run", "trial"]


PATTERNS = {
    "of counts in counts": ("((((a{60}){60}){60}){60}){60}", CONFIG, "repetitions come to more than"),
    "of 2,000 brackets": ("(" * 2000 + "a" + ")" * 2000, CONFIG, "longer than"),
    "of 400 brackets": ("(" * 400 + "a" + ")" * 400, CONFIG, "nested too deeply"),
    "that goes back and back": ("((a+)+)+$", DATA, "matches none"),
}
for _what, (_pattern, _code, _said) in PATTERNS.items():
    for _key in ("group", "class_pattern"):

        @hostile(f"{_key}: a pattern {_what}", _code, _said, slow=_key == "group")
        def _(place: Place, key: str = _key, pattern: str = _pattern) -> list[str]:
            (place.images() / "a" / f"{'a' * 60}!.png").write_bytes(
                (place.work / "photos" / "a" / "1.png").read_bytes()
            )
            return place.build(f"path: photos, {key}: '{pattern}'")


@hostile("image: hidden files are no data", DATA, "1 file ", "a/z.png")
def _(place: Place) -> list[str]:
    place.images()
    os.mkfifo(place.work / "photos/a/.pipe.jpg")
    place.file("photos/.git/x.jpg", b"broken")
    place.file("photos/a/._1.png", b"broken")
    place.file("photos/a/z.png", b"broken")
    return place.build("path: photos")


@hostile("image: names that could do harm", DATA, r"\n", r"\x1b[31m", r"\xff", "[red]", r"\u202e", "=cmd()")
def _(place: Place) -> list[str]:
    place.images()
    for name in (b"new\nline.png", b"\x1b[31m.png", b"\xff\xfe.png", b"[red]x[b].png", b"=cmd().png"):
        Path(os.fsdecode(os.fsencode(place.work / "photos/a/") + b"/" + name)).write_bytes(b"broken")
    place.file("photos/a/\u202egnp.png", b"broken")
    return place.build("path: photos")
