from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bmcli.config.schema import DataConfig
from bmcli.core.errors import DataError, MissingExtraError
from bmcli.data import load
from bmcli.files.suffixes import IMAGE_SUFFIXES
from bmcli.modalities.image.decode import decode
from tests.images import encoded
from tests.modalities.image.test_depth import tiff

RED = Image.new("RGB", (12, 8), (200, 30, 60))
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 60_000, (48, 48)).astype(np.uint16))


def heic(image: Image.Image = RED) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    return encoded(image, "HEIF", quality=95)


@pytest.mark.parametrize("form", ["TIFF", "AVIF", "HEIF"])
def test_formats_of_phones_and_scanners(form: str) -> None:
    data = heic() if form == "HEIF" else encoded(RED, form)
    array = decode(data)
    assert array.shape == (8, 12, 3) and np.abs(array.astype(int) - (200, 30, 60)).max() <= 12


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), [255, 0, 0]),
        (Image.new("LA", (2, 2), (0, 0)), [255]),
        (Image.new("1", (2, 2), 1), [255]),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 0)), [255, 255, 255]),
    ],
)
def test_colours_of_tiff(image: Image.Image, expected: list[int]) -> None:
    assert decode(encoded(image, "TIFF"))[0, 0].tolist() == expected


def test_of_several_pages_the_first_is_read_and_that_is_said(tmp_path: Path) -> None:
    pages = [Image.new("L", (8, 8), grey) for grey in (10, 200)]
    for name in ("a", "b"):
        for i in range(4):
            path = tmp_path / "scans" / name / f"{i}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            pages[0].save(path, save_all=i > 1, append_images=pages[1:] if i > 1 else [])
    bundle = load(DataConfig(path=str(tmp_path / "scans"), test=0.0, validation=0.0))
    assert "4 files of several pages or frames: the first of each is read" in bundle.notes
    assert all(decode(path)[0, 0] == 10 for path in bundle.train.examples.paths or ())


def test_a_folder_that_mixes_suffixes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / "mixed" / name
        folder.mkdir(parents=True)
        for suffix, form in ((".jfif", "JPEG"), (".TIF", "TIFF"), (".tiff", "TIFF"), (".avif", "AVIF")):
            (folder / f"x{suffix}").write_bytes(encoded(RED, form))
        (folder / "x.heic").write_bytes(heic())
        (folder / "y.jpg").write_bytes(heic())  # a phone's image, renamed
    bundle = load(DataConfig(path=str(tmp_path / "mixed"), test=0.0, validation=0.0))
    assert len(bundle.train) == 12


@pytest.mark.parametrize(("bits", "deeper"), [(8, False), (10, True)])
def test_of_heic_of_10_bits_the_upper_8_are_read_and_that_is_said(
    bits: int, deeper: bool, tmp_path: Path
) -> None:
    import pillow_heif

    for name in ("a", "b"):
        for i in range(3):
            path = tmp_path / "phone" / name / f"{i}.heic"
            path.parent.mkdir(parents=True, exist_ok=True)
            values = np.full((16, 16, 3), 200 if bits == 8 else 51_400, np.uint8 if bits == 8 else np.uint16)
            mode = "RGB" if bits == 8 else "RGB;16"
            pillow_heif.from_bytes(mode, (16, 16), values.tobytes()).save(path)
    bundle = load(DataConfig(path=str(tmp_path / "phone"), test=0.0, validation=0.0))
    said = "6 files of more than 8 bits per colour: the upper 8 bits of each value are read"
    assert (said in bundle.notes) == deeper
    assert abs(int(decode(bundle.train.examples.paths[0])[0, 0, 0]) - 200) <= 4


def test_suffixes_are_written_in_lower_case() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)


@pytest.fixture
def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)


@pytest.mark.parametrize("skip", [False, True])
def test_without_the_plugin_the_extra_is_named(tmp_path: Path, request, skip: bool) -> None:
    """With `skip_unusable` too: nothing is wrong with the files."""
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.heic").write_bytes(heic())
        (tmp_path / "photos" / name / "2.jpg").write_bytes(encoded(RED, "JPEG"))
    request.getfixturevalue("without_heic")
    config = DataConfig(path=str(tmp_path / "photos"), test=0.0, validation=0.0, skip_unusable=skip)
    with pytest.raises(MissingExtraError) as error:
        load(config)
    assert error.value.hint == "pip install 'bmcli[heic]'"
    with pytest.raises(DataError, match=r"bmcli\[heic\]"):
        decode(str(tmp_path / "photos" / "a" / "1.heic"))
    assert decode(encoded(RED, "AVIF")).shape == (8, 12, 3), "which Pillow reads by itself"


def test_a_small_file_with_huge_tiles_is_refused() -> None:
    square = np.zeros((16, 16), np.uint8)
    with pytest.raises(DataError, match="tile of 60000 × 60000 pixels"):
        decode(tiff(square, form=1, t322=60_000, t323=60_000))
    huge = tiff(np.zeros((1, 1), np.uint8), form=1, t256=60_000, t257=60_000)
    with pytest.raises(DataError, match="pixels"):
        decode(huge)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged TIFF files; bm silences them too
@settings(max_examples=200, deadline=None)
@given(
    data=st.sampled_from(
        [
            encoded(NOISE, "TIFF"),
            encoded(NOISE, "TIFF", compression="tiff_lzw"),
            encoded(RED, "TIFF", compression="tiff_adobe_deflate"),
            encoded(RED, "AVIF"),
        ]
    ),
    changes=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=6),
    kept=st.none() | st.integers(0, 6000),
)
def test_any_damaged_file_is_an_image_or_is_named(
    data: bytes, changes: list[tuple[int, int]], kept: int | None
) -> None:
    spoiled = bytearray(data)
    for position, value in changes:
        spoiled[position % len(spoiled)] = value
    try:
        array = decode(bytes(spoiled[:kept]), (5, 4), 3)
    except DataError as error:
        assert len(error.problems) == 1 and error.problems[0].message
    else:
        assert array.shape == (5, 4, 3) and array.dtype == np.uint8


NOISY = """
import sys
from bmcli.modalities.image import _processes, probe
paths = sys.argv[2:]
if sys.argv[1] == "processes":
    probe.MANY = 1
found = probe.probe(paths)
print(len(found.problems))
"""


@pytest.mark.parametrize("how", ["threads", "processes"])
def test_nothing_of_pillow_or_its_libraries_reaches_stderr(tmp_path: Path, how: str) -> None:
    lzw = bytearray(encoded(NOISE, "TIFF", compression="tiff_lzw"))
    lzw[300:900:7] = b"\xff" * len(lzw[300:900:7])
    exif = Image.Exif()
    exif[0x010E] = "text"
    jpeg = encoded(RED, "JPEG", exif=exif.tobytes())
    files = {
        "palette.png": encoded(Image.new("P", (4, 4), 1), "PNG", transparency=bytes([0, 16])),
        "exif.jpg": jpeg.replace(b"text", b"\xff\xff\xff\xff").replace(
            b"\x01\x0e\x00\x02", b"\x01\x0e\x00\x63"
        ),
        "lzw.tif": bytes(lzw),
        "cut.tif": encoded(NOISE, "TIFF", compression="tiff_lzw")[:2000],
        "samples.tif": tiff(np.zeros((2, 2), np.uint8), form=1, t277=9),
        "tag.tif": tiff(np.zeros((2, 2), np.uint8), form=1, t306=5, t33432=70_000),
        "deflate.tif": encoded(NOISE, "TIFF", compression="tiff_adobe_deflate")[:-900],
        "large.png": encoded(Image.new("1", (9_500, 9_500)), "PNG"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in files]
    command = [sys.executable, "-W", "always", "-c", NOISY, how, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert int(done.stdout) >= 3
