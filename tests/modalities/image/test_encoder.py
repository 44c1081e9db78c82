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
from bmcli.modalities.image import decode_pool
from bmcli.modalities.image.encoder import ImagePreprocessing
from bmcli.modalities.source import in_batches

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (20, 6, 9, 3), dtype=np.uint8)


def fit(images: Images, *others: Images, cache_bytes: int = 2**30, **options) -> ImagePreprocessing:
    return ImagePreprocessing.fit([images, *others], ImageConfig(**options), cache_bytes=cache_bytes)


def files(folder: Path, images: np.ndarray, suffix: str = "png") -> Images:
    folder.mkdir(exist_ok=True)
    paths = []
    for i, pixels in enumerate(images):
        paths.append(str(folder / f"{i}.{suffix}"))
        Image.fromarray(pixels.squeeze()).save(paths[-1])
    return Images(paths=tuple(paths))


@pytest.mark.parametrize("channels", [1, 3])
def test_standard_gives_mean_0_and_variance_1_per_channel(channels):
    images = (COLOUR[..., :channels] // np.array([1, 2, 4], np.uint8)[:channels]).astype(np.uint8)
    prepared = fit(Images(arrays=images))
    inputs = prepared.finish(prepared.encode(Images(arrays=images))[np.arange(20)]).astype(np.float64)
    assert inputs.shape == images.shape
    np.testing.assert_allclose(inputs.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(inputs.std(axis=(0, 1, 2)), 1, atol=1e-6)
    expected = (images - images.mean(axis=(0, 1, 2))) / images.std(axis=(0, 1, 2))
    np.testing.assert_allclose(inputs, expected, atol=1e-5)


@pytest.mark.parametrize(("normalization", "low", "high"), [("unit", 0, 1), ("symmetric", -1, 1)])
def test_fixed_scales(normalization, low, high):
    ends = Images(arrays=np.array([[[[0]]], [[[255]]]], np.uint8))
    prepared = fit(ends, normalization=normalization)
    np.testing.assert_allclose(prepared.finish(ends.arrays).ravel(), [low, high], atol=1e-6)


def test_constant_images_stay_finite():
    black = Images(arrays=np.zeros((3, 4, 4, 1), np.uint8))
    prepared = fit(black)
    assert (prepared.finish(black.arrays) == 0).all()


def test_finish_does_not_depend_on_the_batch():
    prepared = fit(Images(arrays=COLOUR))
    whole = prepared.finish(COLOUR)
    assert whole.dtype == np.float32
    for start in range(0, 20, 3):
        np.testing.assert_array_equal(prepared.finish(COLOUR[start : start + 3]), whole[start : start + 3])


def test_own_size_where_all_are_alike_else_64(tmp_path):
    alike = files(tmp_path / "a", COLOUR)
    assert fit(alike).input_shape == (6, 9, 3)
    other = files(tmp_path / "b", COLOUR[:1, :5])
    assert fit(Images(paths=alike.paths + other.paths)).input_shape == (64, 64, 3)
    assert fit(alike, size=8).input_shape == (8, 8, 3)
    assert fit(alike, size=(4, 7)).input_shape == (4, 7, 3)


def test_channels_are_1_where_all_are_grey(tmp_path):
    grey = np.repeat(COLOUR[..., :1], 3, axis=3)
    assert fit(files(tmp_path / "grey", grey, "jpg")).channels == 1
    assert fit(files(tmp_path / "grey", COLOUR[..., :1])).channels == 1
    assert fit(files(tmp_path / "colour", COLOUR)).channels == 3
    assert fit(files(tmp_path / "colour", COLOUR), channels=1).channels == 1


@pytest.mark.parametrize("options", [{}, {"size": 5}, {"channels": 1}, {"size": (12, 4), "channels": 1}])
def test_files_and_arrays_give_the_same_pixels(tmp_path, options):
    prepared = fit(Images(arrays=COLOUR), **options)
    from_arrays = prepared.encode(Images(arrays=COLOUR))[np.arange(20)]
    from_files = prepared.encode(files(tmp_path / "p", COLOUR))[np.arange(20)]
    np.testing.assert_array_equal(from_arrays, from_files)


def test_beyond_the_cache_images_are_decoded_when_asked_for(tmp_path):
    images = files(tmp_path / "p", COLOUR)
    prepared, lazy = fit(images), fit(images, cache_bytes=100)
    assert lazy == prepared  # the same statistics
    source = lazy.encode(images)
    assert isinstance(prepared.encode(images), np.ndarray)
    assert not isinstance(source, np.ndarray)
    assert len(source) == 20
    order = RANDOM.permutation(20)
    np.testing.assert_array_equal(source[order], prepared.encode(images)[order])
    Path(images.paths[3]).write_bytes(b"broken")
    with pytest.raises(DataError, match=r"3\.png"):
        source[np.array([2, 3])]


def test_the_splits_share_the_cache(tmp_path):
    images = files(tmp_path / "p", COLOUR)
    prepared = fit(images, images, cache_bytes=COLOUR.nbytes + 1)
    assert not isinstance(prepared.encode(images), np.ndarray)


def test_training_images_are_decoded_once(tmp_path):
    images = files(tmp_path / "p", COLOUR)
    prepared = fit(images)
    for path in images.paths:
        Path(path).unlink()
    np.testing.assert_array_equal(prepared.encode(images)[np.arange(20)], COLOUR)


def test_all_unreadable_files_are_listed_at_once(tmp_path):
    images = files(tmp_path / "p", COLOUR)
    for i in (2, 5, 7):
        Path(images.paths[i]).write_bytes(b"not an image")
    with pytest.raises(DataError) as caught:
        fit(images)
    assert [Path(p.place.file).name for p in caught.value.problems] == ["2.png", "5.png", "7.png"]
    prepared = fit(Images(arrays=COLOUR))
    usable, problems = prepared.encode_usable(images)
    assert len(usable) == 17
    assert sorted(problems) == [2, 5, 7]
    np.testing.assert_array_equal(usable[2], COLOUR[3])


def photos(folder: Path, count: int = 23, *, grey: bool = False) -> Path:
    """A folder of two classes with JPEGs of several sizes, some on their side."""
    random = np.random.default_rng(1)
    for i in range(count):
        path = folder / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (40 + i, 61 + 3 * i, 1 if grey else 3), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x0112] = 1 + i % 8
        Image.fromarray(pixels.squeeze()).save(path, exif=exif)
    return folder


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("size", [None, 16, (20, 12)])
def test_what_the_model_sees_does_not_depend_on_the_cache(tmp_path, monkeypatch, size, grey):
    folder = photos(tmp_path / "p", grey=grey)
    options = PreprocessingConfig(image={"size": size})
    seen = []
    for cache_gib, known, threads in (
        (1.0, options, 2),
        (6e-6, options, 1),  # room for a few
        (0.0, options, 3),
        (1.0, None, 2),  # not known while looking at them
        (0.0, None, 1),
    ):
        monkeypatch.setattr(decode_pool, "threads", lambda threads=threads: threads)
        decode_pool.pool.cache_clear()
        bundle = load(DataConfig(path=str(folder), cache_gib=cache_gib), preprocessing=known)
        prepared, spec = preprocessing.fit(bundle, options, cache_gib=cache_gib)
        splits = [bundle.train, bundle.validation, bundle.test]
        order = RANDOM.permutation(len(bundle.train))
        back = np.argsort(order)
        encoded = [prepared.encode(split.examples) for split in splits]
        first = prepared.finish(encoded[0][order])[back]
        others = [source[np.arange(len(source))] for source in encoded[1:]]
        seen.append((bundle.fingerprint, prepared, spec, [first, *others]))
    decode_pool.pool.cache_clear()
    for other in seen[1:]:
        assert other[:3] == seen[0][:3]
        for mine, theirs in zip(other[3], seen[0][3], strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("known", [True, False])
def test_the_cache_holds_what_fits_of_all_splits_and_no_more(tmp_path, known):
    folder = photos(tmp_path / "p", 40)
    options = PreprocessingConfig(image={"size": 16})
    room = 11 * 16 * 16 * 3
    gib = room / 2**30
    config = DataConfig(path=str(folder), cache_gib=gib)
    bundle = load(config, preprocessing=options if known else None)
    prepared, _ = preprocessing.fit(bundle, options, cache_gib=gib)
    again = preprocessing.load(preprocessing.dump(prepared, preprocessing.spec_of(bundle, prepared)))[0]
    for it in (prepared, preprocessing.with_cache(again, bundle, gib)):
        sources = [it.encode(s.examples) for s in (bundle.train, bundle.validation, bundle.test)]
        kept = {id(source.pixels): source.pixels.nbytes for source in sources}
        assert room // 2 < sum(kept.values()) <= room
    if not known:  # nobody has told it what there is room for
        assert len(again.encode(bundle.train.examples).pixels) == 0


def test_images_decoded_while_looking_are_not_decoded_again(tmp_path):
    folder = photos(tmp_path / "p")
    options = PreprocessingConfig(image={"size": 16, "channels": 3})
    bundle = load(DataConfig(path=str(folder)), preprocessing=options)
    for path in folder.glob("*/*.jpg"):
        path.unlink()
    prepared, _ = preprocessing.fit(bundle, options)
    for split in (bundle.train, bundle.validation, bundle.test):
        assert prepared.encode(split.examples)[np.arange(len(split))].any()


def test_a_wrong_guess_at_the_channels_changes_nothing(tmp_path):
    """Of the images from which it is guessed what the others are like, none has the colour."""
    folder = photos(tmp_path / "p", 100, grey=True)
    odd = sorted(folder.glob("*/*.jpg"))[1]
    Image.fromarray(COLOUR[0]).resize((90, 90)).save(odd)
    options = PreprocessingConfig(image={"size": 16})
    bundle = load(DataConfig(path=str(folder), test=0, validation=0), preprocessing=options)
    assert bundle.train.examples.decoded.channels == 1
    prepared, _ = preprocessing.fit(bundle, options)
    assert prepared.channels == 3
    decoded = [reader.decode(path, (16, 16), 3) for path in bundle.train.examples.paths]
    np.testing.assert_array_equal(prepared.encode(bundle.train.examples)[np.arange(100)], decoded)


@pytest.mark.parametrize("kept", [0, 7])
def test_many_files_are_decoded_ahead_in_processes_to_the_same_pixels(
    kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = files(tmp_path / "p", COLOUR)
    prepared = fit(images, cache_bytes=kept * 5 * 5 * 3, size=5)
    source = prepared.encode(images)
    order = RANDOM.permutation(len(COLOUR))
    batches = np.array_split(order, 3)
    expected = [source[batch] for batch in batches]
    monkeypatch.setattr("bmcli.modalities.image.source.MANY", 1)
    monkeypatch.setattr(
        "bmcli.modalities.image.encoder.decode_into", lambda *_: pytest.fail("in this process")
    )
    for mine, theirs in zip(in_batches(source, batches), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    absent = next(i for i in order[::-1] if source.rows[i] < 0)
    Path(images.paths[absent]).write_bytes(b"nothing")
    with pytest.raises(DataError, match=f"{absent}.png cannot be read"):
        list(in_batches(source, batches))


# === More than 8 bits ===


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


# === Numbers in arrays ===


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
