"""Images of more than 8 bits, and how images fit a size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bmcli.config.schema import DataConfig, ImageConfig, PreprocessingConfig
from bmcli.core.errors import DataError
from bmcli.data import load
from bmcli.data.bundle import Images
from bmcli.modalities import preprocessing
from bmcli.modalities.image import decode as reader
from bmcli.modalities.image.encoder import ImagePreprocessing
from bmcli.modalities.source import in_batches
from tests.modalities.image.test_encoder import COLOUR, RANDOM, files, fit


def scans(folder: Path, values: np.ndarray, suffix: str = "png") -> Images:
    """values: [N, h, w]."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, pixels in enumerate(values):
        paths.append(str(folder / f"{i}.{suffix}"))
        Image.fromarray(pixels).save(paths[-1])
    return Images(paths=tuple(paths))


TWELVE_BITS = (1000 + RANDOM.integers(0, 64, (20, 6, 9))).astype(np.uint16)


def scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint(255 * np.clip((values.astype(np.float64) - low) / (high - low), 0, 1))[..., None]


def test_wide_images_are_scaled_by_the_range_of_the_training_split(tmp_path: Path):
    train = scans(tmp_path / "train", TWELVE_BITS)
    other = scans(tmp_path / "other", TWELVE_BITS * 2 - 1030)
    prepared = fit(train, other)
    low, high = float(TWELVE_BITS.min()), float(TWELVE_BITS.max())
    assert prepared.manner.window == (low, high) and prepared.bits == (16,)
    for images, values in ((train, TWELVE_BITS), (other, TWELVE_BITS * 2 - 1030)):
        np.testing.assert_array_equal(prepared.encode(images)[np.arange(20)], scaled(values, low, high))
        usable, problems = prepared.encode_usable(images)
        assert not problems
        np.testing.assert_array_equal(usable, scaled(values, low, high))
    contents = Images(contents=tuple(Path(p).read_bytes() for p in train.paths))
    np.testing.assert_array_equal(prepared.encode_usable(contents)[0], scaled(TWELVE_BITS, low, high))
    assert prepared.notes == (
        f"16-bit images: values {low:,.0f} to {high:,.0f} scaled to 0 to 255 (seen in training)",
    )
    again = ImagePreprocessing.from_json(prepared.to_json())
    assert again == prepared and again.notes == prepared.notes


def test_a_window_of_the_users(tmp_path: Path):
    train = scans(tmp_path / "train", TWELVE_BITS)
    prepared = fit(train, window=(900, 1100))
    assert prepared.manner.window == (900, 1100)
    np.testing.assert_array_equal(prepared.encode(train)[np.arange(20)], scaled(TWELVE_BITS, 900, 1100))
    assert "values 900 to 1,100" in prepared.notes[0] and "preprocessing.image.window" in prepared.notes[0]


def test_images_of_8_bits_know_nothing_of_it(tmp_path: Path):
    images = files(tmp_path / "p", COLOUR)
    prepared = fit(images)
    assert (prepared.manner.window, prepared.bits, prepared.notes) == (None, (8,), ())
    np.testing.assert_array_equal(prepared.encode(images)[np.arange(20)], COLOUR)
    windowed = fit(images, window=(0, 10))
    np.testing.assert_array_equal(windowed.encode(images)[np.arange(20)], COLOUR)


def test_an_older_file_scales_as_it_did(tmp_path: Path):
    images = scans(tmp_path / "p", np.array([[[0, 257, 65535, 32896, 128]]], np.uint16))
    document = fit(Images(arrays=np.zeros((1, 1, 5, 1), np.uint8))).to_json()
    for key in ("fit", "window", "window_from", "bits"):
        del document[key]
    old = ImagePreprocessing.from_json(document)
    assert old.manner == reader.Manner("squash", None) and old.unfamiliar(images).odd == {}
    assert old.encode(images)[np.arange(1)].ravel().tolist() == [0, 1, 255, 128, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"window": [3, 1]},
        {"window": [1]},
        {"window": ["a", 1]},
        {"fit": "stretch"},
        {"window_from": "moon"},
        {"bits": [None]},
        {"window": [float("nan"), 1]},
    ],
)
def test_damage_of_the_window_is_noticed(change):
    document = {**fit(Images(arrays=COLOUR)).to_json(), **change}
    with pytest.raises((ValueError, TypeError)):
        ImagePreprocessing.from_json(document)


def test_another_number_of_bits_is_remarked(tmp_path: Path):
    wide, plain = scans(tmp_path / "w", TWELVE_BITS), files(tmp_path / "p", COLOUR)
    floats = scans(tmp_path / "f", TWELVE_BITS.astype(np.float32), "tif")
    on_wide, on_plain = fit(wide), fit(plain)
    assert on_wide.unfamiliar(wide).odd == on_plain.unfamiliar(plain).odd == {}
    assert set(on_wide.unfamiliar(plain).odd) == set(on_plain.unfamiliar(wide).odd) == set(range(20))
    assert (
        on_wide.unfamiliar(plain)
        .odd[0][0]
        .startswith("has 8 bits per value, where the training images have 16")
    )
    assert "from 0 to 65,535" in on_plain.unfamiliar(wide).odd[3][0]
    assert set(on_wide.unfamiliar(floats).odd) == set(range(20))
    problems = on_plain.encode_usable(floats)[1]
    assert set(problems) == set(range(20)) and "no range of values" in problems[0]


def test_an_outlier_that_takes_the_grey_levels_is_said(tmp_path: Path):
    hot = np.repeat(TWELVE_BITS, 5, axis=0)
    hot[3, 0, 0] = 65535
    note = fit(scans(tmp_path / "p", hot)).notes[1]
    assert "preprocessing.image.window=[1000,1063]" in note


def own(folder: Path, *, wide: str, **options) -> tuple:
    """Loaded and fitted: 12 images of 16 bits in each class named in `wide`, of 8 bits in the other."""
    for name in "ab":
        images = TWELVE_BITS[:12] if name in wide else (TWELVE_BITS[:12] - 1000).astype(np.uint8)
        scans(folder / name, images)
    image = ImageConfig(**options)
    bundle = load(DataConfig(path=str(folder)), preprocessing=PreprocessingConfig(image=image))
    prepared, _ = preprocessing.fit(bundle, PreprocessingConfig(image=image))
    return bundle, prepared


@pytest.mark.parametrize("options", [{}, {"size": (6, 9)}, {"size": 4}, {"window": (990, 1100), "size": 4}])
def test_what_was_decoded_while_looking_is_what_is_decoded_later(tmp_path: Path, options):
    bundle, prepared = own(tmp_path / "p", wide="ab", **options)
    assert (bundle.train.examples.decoded is not None) == ("window" in options)
    train = bundle.train.examples
    for split in (bundle.train, bundle.validation, bundle.test):
        source = prepared.encode(split.examples)[np.arange(len(split))]
        alone = prepared.encode_usable(Images(paths=split.examples.paths))[0]
        np.testing.assert_array_equal(source, alone)
    values = np.stack([np.asarray(Image.open(path)) for path in train.paths])
    if "window" not in options:
        assert prepared.manner.window == (values.min(), values.max()), "of the training split alone"
    inputs = prepared.finish(prepared.encode(train)[np.arange(len(train))]).astype(np.float64)
    assert abs(inputs.mean()) < 1e-5 and abs(inputs.std() - 1) < 1e-5


def test_a_folder_of_8_and_16_bits_is_said(tmp_path: Path):
    bundle, prepared = own(tmp_path / "p", wide="a")
    assert any(note.startswith("12 of 24 images have more than 8 bits") for note in bundle.notes)
    assert prepared.bits == (8, 16)
    train = bundle.train.examples
    source = prepared.encode(train)[np.arange(len(train))]
    for path, made in zip(train.paths, source, strict=True):
        if "/b/" in path:
            np.testing.assert_array_equal(made[..., 0], np.asarray(Image.open(path)))
    clean, _ = own(tmp_path / "q", wide="ab")
    assert not any("more than 8 bits" in note for note in clean.notes)


@pytest.mark.parametrize("way", ["crop", "pad"])
def test_how_it_fits_is_kept_and_the_same_while_looking(tmp_path: Path, way):
    bundle, prepared = own(tmp_path / "p", wide="", fit=way, size=(5, 5))
    images = bundle.train.examples
    assert images.decoded is not None and images.decoded.fit == way
    alone = [reader.decode(path, (5, 5), 1, reader.Manner(way)) for path in images.paths]
    np.testing.assert_array_equal(prepared.encode(images)[np.arange(len(images))], alone)
    again = ImagePreprocessing.from_json(prepared.to_json())
    assert again.manner.fit == way
    squashed = fit(images, size=5)
    assert not (squashed.encode(images)[np.arange(len(images))] == alone).all(), "not what was kept"
    arrays = np.stack([np.asarray(Image.open(path))[..., None] for path in images.paths])
    np.testing.assert_array_equal(again.encode_usable(Images(arrays=arrays))[0], alone)


def test_wide_images_are_decoded_ahead_in_processes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    images = scans(tmp_path / "p", TWELVE_BITS)
    prepared = fit(images, cache_bytes=0, fit="pad", size=8)
    source = prepared.encode(images)
    batches = np.array_split(np.arange(20), 3)
    expected = [source[batch] for batch in batches]
    monkeypatch.setattr("bmcli.modalities.image.source.MANY", 1)
    for mine, theirs in zip(in_batches(source, batches), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def arrays(path: Path, **named: np.ndarray) -> str:
    np.savez(path, **named)
    return str(path)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32, np.float64])
def test_numbers_beyond_bytes_are_scaled_by_training(tmp_path: Path, kind):
    values = TWELVE_BITS.astype(kind)
    path = arrays(
        tmp_path / "a.npz",
        x_train=values,
        y_train=np.arange(20) % 2,
        x_test=values[:4] - 900,
        y_test=np.arange(4) % 2,
    )
    bundle = load(DataConfig(path=path, validation=0.0))
    prepared, _ = preprocessing.fit(bundle, PreprocessingConfig())
    low, high = float(TWELVE_BITS.min()), float(TWELVE_BITS.max())
    assert prepared.manner.window == (low, high) and len(prepared.notes) == 1
    np.testing.assert_array_equal(
        prepared.encode(bundle.train.examples)[np.arange(20)], scaled(values, low, high)
    )
    assert (prepared.encode(bundle.test.examples)[np.arange(4)] == 0).all(), (
        "though within bytes by themselves"
    )


def test_numbers_within_bytes_stay_as_they_are(tmp_path: Path):
    small = (TWELVE_BITS - 1000).astype(np.uint16)
    for i, values in enumerate((small, small.astype(np.float64), small.astype(np.uint8), small / 255)):
        bundle = load(DataConfig(path=arrays(tmp_path / f"{i}.npz", x=values, y=np.arange(20) % 2)))
        assert bundle.train.examples.arrays.dtype == np.uint8
        assert bundle.train.examples.arrays.max() == 63


def test_floats_a_little_beyond_one_are_not_taken_for_bytes(tmp_path: Path):
    values = (TWELVE_BITS - 1000) / 60
    bundle = load(DataConfig(path=arrays(tmp_path / "a.npz", x=values, y=np.arange(20) % 2)))
    prepared, _ = preprocessing.fit(bundle, PreprocessingConfig())
    assert len(np.unique(prepared.encode(bundle.train.examples)[np.arange(5)])) > 30


def test_files_of_another_scale_than_training_are_refused(tmp_path: Path):
    small = (TWELVE_BITS - 1000).astype(np.uint8)
    path = arrays(tmp_path / "a.npz", x=small, y=np.arange(20) % 2)
    other = arrays(tmp_path / "b.npz", x=TWELVE_BITS, y=np.arange(20) % 2)
    with pytest.raises(DataError, match="the training images are bytes"):
        load(DataConfig(path=path, test=other))
    bundle = load(DataConfig(path=other, test=path))
    prepared, _ = preprocessing.fit(bundle, PreprocessingConfig())
    assert "8 bits" in prepared.unfamiliar(bundle.test.examples).odd[0][0]
