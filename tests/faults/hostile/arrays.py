"""Arrays in .npz files."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib

import numpy as np

from tests.faults.hostile.case import DATA, Payload, Place, hostile, simple


def npy_header(shape: object, dtype: str = "<f4") -> bytes:
    """The beginning of a .npy file of that shape."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def zeros_deflated(size: int) -> bytes:
    """`size` zeros (a multiple of 2**20) as a raw deflate stream, made without deflating them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // 2**20) + b"\x03\x00"


def zip_of(name: str, packed: bytes, size: int, crc: int = 0) -> bytes:
    """A zip with one deflated member that says it is that large."""
    sizes = struct.pack("<II", len(packed), min(size, 0xFFFFFFFF))
    extra = struct.pack("<HHQQ", 1, 16, size, len(packed)) if size >= 0xFFFFFFFF else b""
    if extra:
        sizes = struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)
    common = struct.pack("<HHHHHI", 45, 0, 8, 0, 33, crc) + sizes
    common += struct.pack("<HH", len(name), len(extra))
    local = b"PK\x03\x04" + common + name.encode() + extra
    central = b"PK\x01\x02" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0)
    central += name.encode() + extra
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end


def npz(place: Place, **members: bytes) -> list[str]:
    """`bm check --build` of a .npz with these members, as raw bytes."""
    with zipfile.ZipFile(place.work / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return place.build("path: d.npz")


def npy(array: np.ndarray) -> bytes:
    """As a .npy file's bytes."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


LABELS = npy(np.arange(10) % 2)


@hostile("npz: a pickle", DATA, "d.npz", "Python objects", slow=True)
def _(place: Place) -> list[str]:
    place.file("d.npz", pickle.dumps(Payload(place.canary)))
    return place.build("path: d.npz")


@hostile("npz: an array of objects", DATA, "d.npz", "Python objects")
def _(place: Place) -> list[str]:
    return npz(place, x=npy(np.array([Payload(place.canary)] * 10, dtype=object)), y=LABELS)


@hostile("npz: a single array", DATA, "d.npz", "single array", slow=True)
def _(place: Place) -> list[str]:
    place.file("d.npz", LABELS)
    return place.build("path: d.npz")


@hostile("npz: a bomb of 8 GiB of zeros", DATA, "d.npz", "8.0 GiB")
def _(place: Place) -> list[str]:
    header = npy_header((2**17, 128, 128), "<f4")
    size = 8 * 2**30
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packed.compress(header) + packed.flush(zlib.Z_FULL_FLUSH)
    place.file("d.npz", zip_of("x.npy", start + zeros_deflated(size), size + len(header)))
    return place.build("path: d.npz")


simple(
    "npz: a shape of 10^15 numbers and no data",
    DATA,
    "d.npz",
    "x",
    make=lambda p: npz(p, x=npy_header((10**6, 10**6, 10**3)), y=LABELS),
)
simple(
    "npz: a shape beyond any number",
    DATA,
    "d.npz",
    make=lambda p: npz(p, x=npy_header((10**30, 10**30)), y=LABELS),
)
simple(
    "npz: a negative shape", DATA, "d.npz", slow=True, make=lambda p: npz(p, x=npy_header((-1, 4)), y=LABELS)
)
simple(
    "npz: a header of nested brackets",
    DATA,
    "d.npz",
    slow=True,
    make=lambda p: npz(p, x=npy_header("(" * 5000 + ")" * 5000), y=LABELS),
)
simple(
    "npz: a header that calls",
    DATA,
    "d.npz",
    slow=True,
    make=lambda p: npz(p, x=npy_header(f"__import__('os').mkdir('{p.canary}')"), y=LABELS),
)
simple("npz: no .npy inside", DATA, "d.npz", slow=True, make=lambda p: npz(p, x=b"nothing", y=LABELS))


@hostile("npz: encrypted", DATA, "d.npz")
def _(place: Place) -> list[str]:
    npz(place, x=LABELS, y=LABELS)
    data = bytearray((place.work / "d.npz").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + offset] |= 1
    place.file("d.npz", bytes(data))
    return place.build("path: d.npz")


@hostile("npz: packed in a way there is none", DATA, "d.npz", slow=True)
def _(place: Place) -> list[str]:
    npz(place, x=LABELS, y=LABELS)
    data = bytearray((place.work / "d.npz").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + offset] = 77
    place.file("d.npz", bytes(data))
    return place.build("path: d.npz")


@hostile("npz: array names of terminal codes", DATA, r"\x1b[31m", slow=True)
def _(place: Place) -> list[str]:
    return npz(place, **{"\x1b[31m": LABELS, "[red]": LABELS})
