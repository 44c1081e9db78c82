"""Images as Python has them: the same examples as from files, and an error for what could mean two things."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bmcli.core.errors import UsageError
from bmcli.inference.inputs import Reading
from bmcli.inference.inputs import read as read_files
from bmcli.modalities import python_inputs
from bmcli.modalities.image.encoder import ImagePreprocessing
from bmcli.modalities.image.python_arrays import Wanted

COLOUR, GREY = Wanted(16, 12, 3), Wanted(8, 8, 1)
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (40, 30, 3), np.uint8)


def pieces(inputs: Any, wanted: Wanted = COLOUR, notes: list[str] | None = None, **more: Any) -> list[Any]:
    note = None if notes is None else notes.append
    return list(python_inputs.read(inputs, Reading("image"), wanted=wanted, note=note, **more))


def seen(inputs: Any, wanted: Wanted = COLOUR) -> np.ndarray:
    """What the run's preprocessing makes of it: uint8 [N, height, width, channels]."""
    scale = (1 / 255,) * wanted.channels
    prepared = ImagePreprocessing(
        wanted.height, wanted.width, wanted.channels, "unit", scale, (0.0,) * wanted.channels
    )
    found = [piece for piece in pieces(inputs, wanted) if piece.names]
    assert not any(piece.problems for piece in found)
    return np.concatenate([prepared.encode_usable(piece.examples)[0] for piece in found])


def names(inputs: Any, wanted: Wanted = COLOUR) -> list[str]:
    return [name for piece in pieces(inputs, wanted) for name in piece.names]


def test_one_array_is_one_image_not_as_many_as_it_has_rows() -> None:
    assert len(seen(np.zeros((128, 128, 3), np.uint8))) == 1
    assert len(seen(np.zeros((128, 128, 1), np.uint8))) == 1
    assert len(seen(np.zeros((128, 128), np.uint8))) == 1
    assert len(seen(np.zeros((5, 128, 128, 3), np.uint8))) == 5
    assert len(seen(np.zeros((5, 128, 128), np.uint8))) == 5, "no image has 5 rows of 128 channels"
    assert len(seen(np.zeros((3, 8, 8), np.uint8), GREY)) == 3, "of the size of the run's own grey images"
    assert len(seen(np.zeros((1, 128, 128), np.uint8))) == 1


@pytest.mark.parametrize(
    "form", ["array", "batch", "list", "pillow", "opened", "bytes", "file", "path", "text"]
)
def test_every_form_of_one_image_is_the_same_to_the_run(form: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(PHOTO).save(path)
    forms = {
        "array": PHOTO,
        "batch": PHOTO[None],
        "list": [PHOTO],
        "pillow": Image.fromarray(PHOTO),
        "opened": Image.open(path),
        "bytes": path.read_bytes(),
        "file": io.BytesIO(path.read_bytes()),
        "path": path,
        "text": str(path),
    }
    (from_file,) = [piece for piece in read_files([str(path)], Reading("image")) if piece.names]
    prepared = ImagePreprocessing(16, 12, 3, "unit", (1 / 255,) * 3, (0.0,) * 3)
    assert np.array_equal(seen(forms[form]), prepared.encode_usable(from_file.examples)[0])


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV"]
)
def test_modes_are_converted_as_files_are(mode: str, tmp_path: Path) -> None:
    rgba = np.dstack([PHOTO, RNG.integers(0, 256, PHOTO.shape[:2], np.uint8)])
    through = {"La": "LA", "RGBa": "RGBA"}.get(mode)
    image = Image.fromarray(rgba)
    image = (
        image.convert(through).convert(mode) if through else image.convert("RGB" if mode == "HSV" else "RGBA")
    )
    image = image if image.mode == mode else image.convert("RGB").convert(mode) if mode != "PA" else image
    if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
        image.save(path)
        assert np.array_equal(seen(image), seen(path))
    else:
        assert seen(image).shape == (1, 16, 12, 3)


def test_a_photo_on_its_side_is_turned_whether_it_was_loaded_or_not(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "side.png"
    Image.fromarray(PHOTO).save(path, exif=exif)
    loaded = Image.open(path)
    loaded.load()
    assert np.array_equal(seen(path), seen(loaded))
    assert np.array_equal(seen(path), seen(Image.open(path)))
    assert not np.array_equal(seen(path), seen(PHOTO))


def test_a_large_jpeg_that_pillow_has_only_opened_is_decoded_as_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.fromarray(RNG.integers(0, 256, (400, 300, 3), np.uint8)).save(path)
    opened = Image.open(path)
    assert np.array_equal(seen(path), seen(opened))
    assert opened.size == (300, 400), "and the user's image is left as it was"
    opened.load()


def test_sixteen_bits_keep_them(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (20, 20), np.uint16)
    path = tmp_path / "deep.png"
    Image.fromarray(deep).save(path)
    assert np.array_equal(seen(Image.fromarray(deep), GREY), seen(path, GREY))


def test_lists_mix_and_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PHOTO).save(path)
    other = np.zeros((7, 9, 3), np.uint8)
    mixed = [PHOTO, path, other, Image.fromarray(PHOTO), other, str(path), path.read_bytes()]
    found = seen(mixed)
    same = [np.array_equal(one, found[0]) for one in found]
    assert same == [True, True, False, True, False, True, True]
    assert names(mixed) == ["0", str(path), "2", "3", "4", str(path), "6"]
    assert names(str(tmp_path)) == names(f"{tmp_path}/*.png") == [str(path)]
    assert names(image for image in mixed) == names(mixed) == names(np.array(mixed, dtype=object))


def test_numbers_that_are_bytes_beyond_doubt() -> None:
    notes: list[str] = []
    exact = seen(PHOTO)
    for dtype in (np.float32, np.float64, np.int64, np.int16, np.uint32):
        assert np.array_equal(seen(PHOTO.astype(dtype)), exact)
    assert np.array_equal(seen(PHOTO > 100), seen((PHOTO > 100).astype(np.uint8) * 255))
    pieces(PHOTO * 0.9, notes=notes)
    assert notes == ["float64 pixels are rounded to whole numbers from 0 to 255"]


@pytest.mark.parametrize(
    "array, said, hint",
    [
        (PHOTO / 255, "share of white", "x * 255"),
        (PHOTO.astype(np.uint16), "8 bits", "astype('uint8')"),
        (PHOTO.astype(int) - 128, "not negative", "0 to 255"),
        (PHOTO.astype(int) * 16, "4,080", "astype('uint8')"),
        (PHOTO * np.nan, "NaN", ""),
        (PHOTO.astype(complex), "complex128", ""),
        (np.zeros((3, 40, 30), np.uint8), "3 grey images", "transpose(1, 2, 0)"),
        (np.zeros((4, 40, 30), np.uint8), "4 grey images", "x[..., None]"),
        (np.zeros((40, 30, 2), np.uint8), "40 grey images", "x[None]"),
        (np.zeros((3, 40, 3), np.uint8), "3 grey images", "x[None]"),
        (np.zeros((5, 3, 40, 1), np.uint8), "its second axis or its last", "transpose(0, 2, 3, 1)"),
        (np.zeros((5, 16 * 12 * 3), np.uint8), "flattened", "x.reshape(-1, 16, 12, 3)"),
        (np.zeros(16 * 12, np.uint8), "flattened", "x.reshape(-1, 16, 12, 3)"),
        (np.zeros(7, np.uint8), "not an image", "height × width"),
        (np.zeros((2, 2, 4, 4, 3), np.uint8), "not an image", "height × width"),
        (np.zeros((2, 0, 5, 3), np.uint8), "no pixels", ""),
        ([np.zeros((2, 4, 4, 3), np.uint8)], "one image", "np.concatenate"),
        ([np.zeros((9, 8, 8), np.uint8)], "one image", "np.concatenate"),
        ([np.zeros((3, 40, 3), np.uint8)], "the first axis or the last", "transpose(1, 2, 0)"),
        (PHOTO.tolist(), "nested lists", "np.asarray"),
        ([1, 2], "a list of numbers", "np.asarray"),
        ({"image": PHOTO}, "got a dict", ""),
        ({1, 2}, "no order", "list"),
        (5, "got an int", ""),
        (io.StringIO("x"), "opened for text", "'rb'"),
    ],
)
def test_what_could_mean_two_things_is_an_error_that_says_how_to_write_it(
    array: Any, said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        pieces(array)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_channels_first_where_nothing_else_can_be_meant() -> None:
    notes: list[str] = []
    first = PHOTO.transpose(2, 0, 1)
    (piece,) = [one for one in pieces(first[None], notes=notes) if one.names]
    assert np.array_equal(piece.examples.arrays[0], PHOTO)
    (piece,) = [one for one in pieces([first], notes=notes) if one.names]
    assert np.array_equal(piece.examples.arrays[0], PHOTO)
    assert [note.partition(":")[0] for note in notes] == ["read with the channels first"] * 2


class Tensor:
    """As a framework's tensor: no array, but it can be made one."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.moved = array, False

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        moved = Tensor(self.array)
        moved.moved = True
        return moved

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if type(self).__module__ == "torch" and not self.moved:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        return self.array


def test_tensors_of_any_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.array_equal(seen(Tensor(PHOTO)), seen(PHOTO))
    assert np.array_equal(seen([Tensor(PHOTO), PHOTO]), seen([PHOTO, PHOTO]))
    monkeypatch.setattr(Tensor, "__module__", "torch")
    assert np.array_equal(seen(Tensor(PHOTO)), seen(PHOTO)), "brought from its device first"


def test_transparency_is_laid_on_white_as_of_files(tmp_path: Path) -> None:
    rgba = np.dstack([PHOTO, RNG.integers(0, 256, PHOTO.shape[:2], np.uint8)])
    path = tmp_path / "clear.png"
    Image.fromarray(rgba).save(path)
    assert np.array_equal(seen(rgba), seen(path))


def test_a_run_that_goes_beyond_bytes_takes_numbers_as_they_are() -> None:
    (piece,) = pieces(np.full((2, 8, 8), 0.5, np.float32), Wanted(8, 8, 1, wide=True))
    assert piece.examples.arrays.dtype == np.float32


def test_what_is_missing_or_not_there_is_a_problem_of_its_own(tmp_path: Path) -> None:
    found = pieces([PHOTO, None, float("nan"), tmp_path / "nowhere.png"])
    problems = [(str(p.place), p.message) for piece in found for p in piece.problems]
    assert problems == [
        ("input 1", "the image is missing"),
        ("input 2", "the image is missing"),
        (str(tmp_path / "nowhere.png"), "there is no such file"),
    ]
    assert [name for piece in found for name in piece.names] == ["0"]


def test_how_many_there_are_is_known_at_once(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(PHOTO).save(tmp_path / f"{i}.png")
    counts: list[int] = []
    pieces([tmp_path, PHOTO], expect=counts.append)
    assert sum(counts) == 4 and counts[0] == 2


def test_a_piece_of_large_files_holds_few_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(b"x" * 100)
    monkeypatch.setattr("bmcli.modalities.image.inputs.PIECE_BYTES", 250)
    monkeypatch.setattr("bmcli.modalities.image.python_inputs.PIECE_BYTES", 250)
    for found in (pieces(tmp_path), list(read_files([str(tmp_path)], Reading("image")))):
        assert [len(piece.names) for piece in found] in ([2, 2, 1], [2, 2, 1, 0])
