from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bmcli.core.errors import DataError
from bmcli.modalities.image import depth, probe
from bmcli.modalities.image.decode import Manner, decode
from tests.images import encoded

RAMP = (np.arange(12).reshape(3, 4) * 90).astype(np.uint16)


def tiff(array: np.ndarray, *, form: int, photometric: int = 1, order: str = "<", **more: int) -> bytes:
    """An uncompressed TIFF of one strip, of kinds that Pillow does not write. form: 1 unsigned, 2 signed, 3
    float; more: tags, t274=6."""
    height, width, samples = (*array.shape, 1)[:3]
    bits = array.dtype.itemsize * 8
    data = array.astype(array.dtype.newbyteorder(order)).tobytes()
    fields: dict[int, list[int]] = {
        256: [width],
        257: [height],
        258: [bits] * samples,
        259: [1],
        262: [photometric],
        277: [samples],
        278: [height],
        279: [len(data)],
        339: [form] * samples,
        **{int(name[1:]): [value] for name, value in more.items()},
    }
    fields[273] = [0]
    beyond = 8 + 2 + 12 * len(fields) + 4
    data_at = beyond + sum(4 * len(v) for v in fields.values() if len(v) > 1)
    fields[273] = [data_at]
    entries, blob = b"", b""
    for tag in sorted(fields):
        held = b"".join(struct.pack(order + "I", value) for value in fields[tag])
        if len(held) > 4:
            entry = struct.pack(order + "I", beyond + len(blob))
            blob += held
        else:
            entry = held
        entries += struct.pack(order + "HHI", tag, 4, len(fields[tag])) + entry
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, len(fields))
    return head + entries + struct.pack(order + "I", 0) + blob + data


def windowed(data: bytes, low: float = 0, high: float = 990) -> list[int]:
    return decode(data, manner=Manner(window=(low, high))).flatten().tolist()


RAMPED = [round(255 * i / 11) for i in range(12)]


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(RAMP), "PNG"),
        encoded(Image.fromarray(RAMP), "TIFF"),
        encoded(Image.fromarray(RAMP.astype(">u2")), "TIFF"),
        *(
            encoded(Image.fromarray(RAMP.astype(kind)), "TIFF", compression=c)
            for kind in (np.uint16, np.float32, np.int32)
            for c in ("tiff_lzw", "tiff_adobe_deflate")
        ),
        *(tiff(RAMP, form=1, order=order) for order in "<>"),
        *(tiff(RAMP.astype(np.int16), form=2, order=order) for order in "<>"),
        *(tiff(RAMP.astype(np.float32), form=3, order=order) for order in "<>"),
        tiff(RAMP.astype(np.uint32), form=1),
        tiff(65535 - RAMP, form=1, photometric=0),
    ],
)
def test_every_kind_of_wide_file_gives_its_values(data: bytes) -> None:
    assert windowed(data) == RAMPED
    look = probe._look(data)
    assert (look.grey, look.extent[:2], look.size) == (True, (0, 990), (3, 4))
    assert depth.glance(data) == (look.bits, True) and look.bits in (16, 32)


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_all_that_an_image_uses_of_its_bits_is_kept(bits: int) -> None:
    top = 2**bits - 1
    data = encoded(Image.fromarray(np.linspace(0, top, 256).reshape(16, 16).astype(np.uint16)), "PNG")
    low, high = probe._look(data).extent[:2]
    assert (low, high) == (0, top)
    assert len(set(windowed(data, low, high))) == 256
    assert len(set(decode(data).flatten().tolist())) <= top / 257 + 2, "what it was without a window"


def test_values_beyond_32_bits_signed_and_below_zero() -> None:
    much = tiff(RAMP.astype(np.uint32) + 3_000_000_000, form=1)
    assert windowed(much, 3_000_000_000, 3_000_000_990) == RAMPED
    assert windowed(tiff(RAMP.astype(np.int16) - 500, form=2), -500, 490) == RAMPED


def test_what_lies_beyond_the_window_is_clipped() -> None:
    data = encoded(Image.fromarray(np.array([[0, 999, 1000, 1100, 1200, 1201, 65535]], np.uint16)), "PNG")
    assert windowed(data, 1000, 1200) == [0, 0, 0, 128, 255, 255, 255]
    assert windowed(data, 1000, 1000) == [0, 0, 0, 255, 255, 255, 255], "a constant: equal or above"


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=40),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
)
def test_scaling_is_monotonous_and_within_bytes(numbers: list[float], low: float, width: float) -> None:
    values = np.sort(np.array(numbers, np.float32))
    made = depth.narrowed(values, (low, low + width))
    assert made.dtype == np.uint8 and (np.diff(made.astype(int)) >= 0).all()
    inside = (values.astype(np.float64) - low) / width
    expected = np.rint(255 * np.clip(inside, 0, 1))
    assert np.abs(made - expected).max() <= 1


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_floats_that_are_none_are_unusable(tmp_path: Path, odd: float) -> None:
    numbers = RAMP.astype(np.float32)
    numbers[1, 1] = odd
    path = tmp_path / "odd.tif"
    path.write_bytes(encoded(Image.fromarray(numbers), "TIFF"))
    assert probe.probe([str(path)]).problems == {0: "holds NaN or infinite values"}
    with pytest.raises(DataError, match=r"odd\.tif: holds NaN"):
        decode(str(path), manner=Manner(window=(0, 1)))


def test_floats_without_a_window_are_not_guessed_at() -> None:
    with pytest.raises(DataError, match="no range of values"):
        decode(encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"))


def test_colour_of_16_bits_is_read_in_its_upper_half() -> None:
    colour = np.stack([np.full((3, 4), value, np.uint16) for value in (0x1234, 0xABCD, 0xFF00)], axis=2)
    for order in "<>":
        data = tiff(colour, form=1, photometric=2, order=order)
        look = probe._look(data)
        assert look.reduced and look.bits == 16 and np.isnan(look.extent[0])
        assert decode(data)[0, 0].tolist() == [0x12, 0xAB, 0xFF]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (tiff(RAMP.astype(np.int8), form=2), "signed 8-bit"),
        (tiff(RAMP.astype(np.float64), form=3), "a TIFF of a kind that is not read"),
        (tiff(RAMP.astype(np.float16), form=3), "a TIFF of a kind that is not read"),
    ],
)
def test_kinds_that_would_be_misread_are_named(data: bytes, what: str) -> None:
    with pytest.raises(DataError, match=what):
        decode(data)
    assert depth.glance(data) == (8, False)


def test_orientation_of_a_tiff_counts_once() -> None:
    data = tiff(RAMP, form=1, t274=6)
    assert probe._look(data).size == (4, 3)
    upright = np.array(windowed(tiff(RAMP, form=1))).reshape(3, 4)
    assert windowed(data) == np.rot90(upright, -1).flatten().tolist()


def test_a_glance_at_what_is_no_image(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.png")
    for source in (
        str(tmp_path / "gone.png"),
        str(tmp_path / "pipe.png"),
        b"",
        b"II*\0",
        b"\x89PNG\r\n\x1a\n",
    ):
        assert depth.glance(source) == (8, False)
