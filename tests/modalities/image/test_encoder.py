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
