from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from bmcli.core.errors import DataError
from bmcli.modalities.image import decode as images
from bmcli.modalities.image.decode import MAX_PIXELS, Manner, decode
from tests.images import broken_files, encoded


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_every_format_is_read_from_path_and_bytes(tmp_path: Path, form: str) -> None:
    colour = Image.new("RGB", (6, 4), (200, 30, 60))
    path = tmp_path / "image.xyz"
    path.write_bytes(encoded(colour, form))
    array = decode(str(path))
    assert array.shape == (4, 6, 3) and array.dtype == np.uint8
    assert np.abs(array.astype(int) - (200, 30, 60)).max() <= 12
    assert (decode(path.read_bytes()) == array).all()


def test_size_and_channels() -> None:
    data = encoded(Image.new("RGB", (40, 20), (255, 0, 0)), "PNG")
    assert decode(data, (5, 7)).shape == (5, 7, 3)
    grey = decode(data, (5, 7), 1)
    assert grey.shape == (5, 7, 1) and set(np.unique(grey)) == {76}, "ITU-R 601 luma of red"
    assert decode(encoded(Image.new("L", (3, 2), 9), "PNG"), None, 3).tolist() == [[[9, 9, 9]] * 3] * 2
    assert decode(encoded(Image.new("L", (3, 2), 9), "PNG")).shape == (2, 3, 1)


def test_reducing_averages_and_does_not_pick() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(decode(encoded(Image.fromarray(stripes), "PNG"), (8, 8)).astype(int) - 127).max() <= 2


def test_a_reduced_jpeg_is_close_to_one_reduced_afterwards() -> None:
    ramp = np.add.outer(np.arange(256), np.arange(256))[..., None] * np.array([0.5, 0.25, 0.1])
    data = encoded(Image.fromarray(ramp.astype(np.uint8)), "JPEG", quality=95)
    reference = Image.fromarray(decode(data)).resize((16, 16), Image.Resampling.BILINEAR)
    assert np.abs(decode(data, (16, 16)).astype(int) - np.asarray(reference).astype(int)).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    array = np.zeros((24, 32, 3), np.uint8)
    array[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(array), "JPEG", exif=exif, quality=95)
    shown = decode(data)
    assert shown.shape[:2] == ((24, 32) if orientation < 5 else (32, 24))
    corners = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    white = {c for c in ((0, 0), (0, -1), (-1, 0), (-1, -1)) if shown[c].min() > 200}
    assert white == {corners[orientation]}
    small = decode(data, (8, 8))
    assert {c for c in ((0, 0), (0, -1), (-1, 0), (-1, -1)) if small[c].min() > 150} == white


def test_transparency_lies_on_white() -> None:
    assert decode(encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 0)), "PNG")).tolist() == [[[255, 255, 255]]]
    assert decode(encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 128)), "PNG")).flatten()[0] in (126, 127, 128)
    assert decode(encoded(Image.new("LA", (1, 1), (0, 0)), "PNG"), None, 1).tolist() == [[[255]]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    assert decode(encoded(palette, "PNG")).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert decode(encoded(palette, "PNG", transparency=0))[0, 0].tolist() == [255, 255, 255]


def test_other_modes_become_eight_bits() -> None:
    wide = Image.fromarray(np.array([[0, 257, 65535, 32896]], np.uint16))
    assert decode(encoded(wide, "PNG")).flatten().tolist() == [0, 1, 255, 128]
    assert decode(encoded(Image.new("1", (1, 1), 1), "PNG")).flatten().tolist() == [255]
    red = decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert red.shape == (8, 8, 3) and red[0, 0, 0] > 200 and red[0, 0, 1] < 60


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (2, 2), c) for c in ((255, 0, 0), (0, 255, 0))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data)[0, 0].tolist() == [255, 0, 0]


def test_what_cannot_be_used_is_a_data_error_naming_the_file(tmp_path: Path) -> None:
    import re

    for name, what in broken_files(tmp_path).items():
        with pytest.raises(DataError) as error:
            decode(str(tmp_path / name), (8, 8), 3)
        assert name in error.value.message and re.search(what, error.value.message), error.value.message


def test_pillows_own_bomb_limit_is_ours() -> None:
    assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS


def _small_files() -> dict[str, bytes]:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8))
    files = {}
    for suffix in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
        stream = io.BytesIO()
        image.save(stream, suffix)
        files[suffix] = stream.getvalue()
    return files


@settings(max_examples=300, deadline=None)
@given(
    data=st.sampled_from(sorted(_small_files().items())),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    kept=st.integers(0, 600),
)
def test_any_damaged_file_is_an_image_or_is_named(
    data: tuple[str, bytes], changes: list[tuple[int, int]], kept: int
) -> None:
    spoiled = bytearray(data[1])
    for position, value in changes:
        spoiled[position % len(spoiled)] = value
    try:
        array = decode(bytes(spoiled[:kept]), (5, 4), 3)
    except DataError as error:
        assert len(error.problems) == 1 and error.problems[0].message
    else:
        assert array.shape == (5, 4, 3) and array.dtype == np.uint8
        assert (array == _by_pillow(bytes(spoiled[:kept]), (5, 4), 3)).all()


def _by_pillow(data: bytes, size: tuple[int, int] | None, channels: int | None) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "_plain_jpeg", lambda data, size, fit: None)
        return decode(data, size, channels)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    mode=st.sampled_from(["L", "RGB", "RGB", "CMYK"]),
    options=st.fixed_dictionaries(
        {
            "quality": st.integers(1, 100),
            "progressive": st.booleans(),
            "subsampling": st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
            "restart_marker_blocks": st.integers(0, 3),
        }
    ),
    size=st.none() | st.tuples(st.integers(1, 70), st.integers(1, 70)),
    channels=st.sampled_from([None, 1, 3]),
    seed=st.integers(0, 9),
)
def test_a_plain_jpeg_has_pillows_pixels(shape, mode, options, size, channels, seed) -> None:
    """Two builds of libjpeg-turbo: predictions must not depend on which of them read the image."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(coarse).resize(shape[::-1]).convert(mode), "JPEG", **options)
    assert (images._plain_jpeg(data, None) is None) == (mode == "CMYK")
    assert (decode(data, size, channels) == _by_pillow(data, size, channels)).all()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(DataError):
        decode(data)


@pytest.mark.parametrize("side", [375, 376, 499])
def test_a_jpeg_reduced_on_the_way_is_not_shifted(side: int) -> None:
    """Half of 375 lines are 187.5: the decoder gives 188, and the last is not stretched over the edge."""
    y, x = np.mgrid[:side, :500]
    wave = 127 + 60 * np.sin(y / 15) + 60 * np.cos(x / 15)
    data = encoded(Image.fromarray(wave.round().astype(np.uint8)), "JPEG", quality=97)
    whole = Image.open(io.BytesIO(data)).resize((64, 64), Image.Resampling.BILINEAR)
    difference = decode(data, (64, 64), 1)[..., 0].astype(int) - np.asarray(whole).astype(int)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("shape", [(40, 40), (20, 60), (61, 20), (400, 90), (90, 401)])
def test_crop_and_pad_keep_proportions(form: str, shape: tuple[int, int]) -> None:
    """Against resizing the whole and then cutting, or putting black beside it."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    wave = 127 + 60 * np.sin(y / 30) + 60 * np.cos(x / 30)
    image = Image.fromarray(wave.round().astype(np.uint8))
    data = encoded(image, form, **({"quality": 98} if form == "JPEG" else {}))
    size = (16, 24)
    cropped = decode(data, size, 1, Manner("crop"))[..., 0].astype(int)
    scale = max(16 / height, 24 / width)
    whole = image.resize((round(width * scale), round(height * scale)), Image.Resampling.BILINEAR)
    left, top = (whole.width - 24) / 2, (whole.height - 16) / 2
    expected = whole.transform(
        (24, 16), Image.Transform.AFFINE, (1, 0, left, 0, 1, top), Image.Resampling.BILINEAR
    )
    assert np.abs(cropped - np.asarray(expected)).max() <= 8
    padded = decode(data, size, 1, Manner("pad"))[..., 0].astype(int)
    scale = min(16 / height, 24 / width)
    inner = image.resize((round(width * scale), round(height * scale)), Image.Resampling.BILINEAR)
    made = Image.new("L", (24, 16))
    made.paste(inner, ((24 - inner.width) // 2, (16 - inner.height) // 2))
    assert np.abs(padded - np.asarray(made)).max() <= 4
    assert (padded[np.asarray(made) == 0] == 0).all()


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_a_turned_image_is_fitted_as_the_upright_one(fit: str, orientation: int, form: str) -> None:
    y, x = np.mgrid[:31, :60]
    image = Image.fromarray((3 * x + y).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if form == "JPEG" else {}
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(image, form, exif=exif, **options))))
    turned = decode(encoded(image, form, exif=exif, **options), (17, 24), 1, Manner(fit))
    upright = decode(encoded(shown, "PNG", exif=Image.Exif()), (17, 24), 1, Manner(fit))
    assert np.abs(turned.astype(int) - upright.astype(int)).max() <= 2


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(["squash", "crop", "pad"]),
    st.sampled_from(["JPEG", "PNG"]),
)
def test_any_proportions_fit(own: tuple[int, int], size: tuple[int, int], fit: str, form: str) -> None:
    array = decode(encoded(Image.new("L", own[::-1], 200), form), size, 3, Manner(fit))
    assert array.shape == (*size, 3)
    assert fit == "pad" or (np.abs(array.astype(int) - 200) <= 2).all(), "no black where none is put"


def test_what_pillow_has_no_words_for_is_transparent_too() -> None:
    clear = Image.new("LA", (2, 2), (0, 0)).convert("La")
    assert images.eight_bits(clear).getpixel((0, 0)) in (255, (255, 255, 255))
