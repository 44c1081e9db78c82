"""Planted copies of images and texts are found, and hardly anything else."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from bmcli.doctor.duplicate_images import DETAIL, same_images
from bmcli.doctor.image import blank
from bmcli.doctor.image_alignment import SIDE
from bmcli.doctor.text import same_texts


def scenes(count: int, seed: int = 0) -> np.ndarray:
    """Smooth random colours with some noise: uint8 [count, SIDE, SIDE, 3]."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), int)
        made.append(np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8))
    return np.stack(made) if made else np.zeros((0, SIDE, SIDE, 3), np.uint8)


def digits(count: int) -> np.ndarray:
    """Real ones, many of them alike, with a margin."""
    images = load_digits().images[:count]
    grown = [Image.fromarray((i * 15.9).astype(np.uint8)).resize((SIDE - 8, SIDE - 8), 3) for i in images]
    return np.pad(np.stack([np.asarray(one) for one in grown]), ((0, 0), (4, 4), (4, 4)))[..., None]


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream)).reshape(pixels.shape)


def moved(pixels: np.ndarray, y: int, x: int) -> np.ndarray:
    edged = np.pad(pixels, ((4, 4), (4, 4), (0, 0)), mode="edge")
    return edged[4 + y : 4 + y + SIDE, 4 + x : 4 + x + SIDE]


CHANGES = {
    "equal": lambda p, rng: p,
    "flipped": lambda p, rng: p[:, ::-1],
    "moved": lambda p, rng: moved(p, *rng.integers(1, 4, 2)),
    "re-encoded": lambda p, rng: jpeg(p, 70),
    "flipped and re-encoded": lambda p, rng: jpeg(np.ascontiguousarray(p[:, ::-1]), 80),
}


def check_planted(images: np.ndarray, each: int, allowed: int) -> None:
    rng = np.random.default_rng(1)
    sources = rng.permutation(len(images))[: each * len(CHANGES)]
    names = list(CHANGES) * each
    copies = [CHANGES[name](images[s], rng) for name, s in zip(names, sources, strict=True)]
    found = same_images(np.concatenate([images, np.stack(copies)]))
    by_pair = {(pair.first, pair.second): pair for pair in found}
    planted = {
        (int(s), len(images) + i): name for i, (s, name) in enumerate(zip(sources, names, strict=True))
    }
    missed = [name for pair, name in planted.items() if pair not in by_pair]
    assert len(missed) <= 0.05 * len(planted), missed
    assert len(by_pair.keys() - planted.keys()) <= allowed
    for pair, name in planted.items():
        if pair in by_pair:
            assert by_pair[pair].exact == (name == "equal")
            assert ("flipped" in by_pair[pair].how) == ("flipped" in name)


def test_planted_images_are_found_among_scenes() -> None:
    check_planted(scenes(400), 20, allowed=0)


def test_planted_digits_are_found_among_ones_much_alike() -> None:
    check_planted(digits(1_000), 40, allowed=10)


def test_few_images_and_none() -> None:
    assert same_images(scenes(0)) == [] and same_images(scenes(1)) == []
    (pair,) = same_images(np.repeat(scenes(1), 2, axis=0))
    assert (pair.first, pair.second, pair.exact) == (0, 1, True)
    assert same_images(scenes(2)) == []


def test_blank_images() -> None:
    made = scenes(3)
    made[1] = (10, 200, 30)
    assert blank(made).tolist() == [False, True, False]


WORDS = tuple("a film story of night and day actor scene music love war city child road sea long".split())  # noqa: SIM905


def review(rng: np.random.Generator, length: int = 60) -> str:
    return " ".join(rng.choice(WORDS, length)) + f" number {rng.integers(10**9)}."


def test_planted_texts_are_found() -> None:
    rng = np.random.default_rng(0)
    texts = [review(rng) for _ in range(300)]

    def reworded(text: str) -> str:
        words = text.split()
        words[int(rng.integers(len(words)))] = "changed"
        return " ".join(words)

    changes = {
        "same": lambda t: t,
        "spelled otherwise": lambda t: "  ".join(t.upper().split()).replace(".", " !"),
        "reworded": reworded,
    }
    names = list(changes) * 15
    copies = [changes[name](texts[i]) for i, name in enumerate(names)]
    found = {(pair.first, pair.second): pair for pair in same_texts(texts + copies)}
    planted = {(i, 300 + i): name for i, name in enumerate(names)}
    assert found.keys() == planted.keys()
    assert all(found[pair].how == name for pair, name in planted.items())
    assert all(found[pair].exact == (name == "same") for pair, name in planted.items())


def test_pairs_of_texts_are_alike_if_both_are() -> None:
    premise = "a man in a red coat walks his dog along the river in the rain"
    pairs = [
        (premise, "A man walks a dog."),
        (premise, "A man is asleep."),  # the same premise alone is no copy
        (premise, "A man walks a dog."),
        (premise.upper(), "a man walks  a dog"),
        (premise.replace("rain", "snow"), "A man walks a dog."),
        ("A man walks a dog.", premise),
        (f"{premise} A", "man walks a dog."),
    ]
    found = {(one.first, one.second): one.how for one in same_texts(*zip(*pairs, strict=True))}
    assert found == {(0, 2): "same", (0, 3): "spelled otherwise", (0, 4): "reworded"}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_texts_are_compared(texts: list[str]) -> None:
    for pair in same_texts(texts):
        assert 0 <= pair.first < pair.second < len(texts)
        assert not pair.exact or texts[pair.first] == texts[pair.second]
    copies = len(texts) - len(set(texts))
    assert sum(pair.exact for pair in same_texts(texts)) == copies


def changed(pixels: np.ndarray, how: str) -> np.ndarray:
    image = Image.fromarray(pixels)
    if how == "brightened":
        return np.asarray(image.point(lambda v: min(255, 12 + v * 115 // 100)))
    if how == "turned":
        return np.asarray(image.rotate(3, Image.Resampling.BICUBIC))
    return np.asarray(image.crop((1, 1, SIDE - 1, SIDE - 1)).resize((SIDE, SIDE), 2))


def test_brightened_turned_and_cropped_photos_are_found() -> None:
    made = scenes(120)
    names = ["brightened", "turned", "cropped"] * 8
    copies = np.stack([changed(made[i], how) for i, how in enumerate(names)])
    found = {(pair.first, pair.second): pair.how for pair in same_images(np.concatenate([made, copies]))}
    planted = {(i, 120 + i): how for i, how in enumerate(names)}
    assert len(found.keys() & planted.keys()) >= 22 and not found.keys() - planted.keys()
    told = [found[pair] for pair, how in planted.items() if how == "brightened" and pair in found]
    assert all("brightened" in how for how in told)


def strokes(places: list[tuple[int, int, int]]) -> np.ndarray:
    """Black bars on white, uint8 [n, 96, 96, 1]: each at x, from y on, of a length."""
    made = np.full((len(places), DETAIL, DETAIL, 1), 255, np.uint8)
    for one, (x, y, length) in zip(made, places, strict=True):
        one[y : y + length, x : x + 6] = 0
    return made


class Kept:
    """Details of images in memory."""

    def __init__(self, large: np.ndarray) -> None:
        self.images = large
        grown = [Image.fromarray(one.squeeze()).resize((SIDE, SIDE), 2) for one in large]
        self.small = np.stack([np.asarray(one).reshape(SIDE, SIDE, -1) for one in grown])

    def equal(self, first: int, second: int) -> bool:
        return np.array_equal(self.images[first], self.images[second])

    def large(self, position: int) -> np.ndarray:
        return self.images[position]


def test_single_strokes_are_no_copies_unless_in_the_same_place() -> None:
    bars = [(20 + 5 * i, 15 + 3 * (i % 4), 60 + i % 3) for i in range(10)]
    made = strokes([*bars, bars[3]])
    blurred = np.asarray(Image.fromarray(made[5, :, :, 0]).resize((70, 70), 2).resize((96, 96), 2))
    kept = Kept(np.concatenate([made, blurred[None, :, :, None]]))
    found = {(pair.first, pair.second): pair.how for pair in same_images(kept.small, details=kept)}
    assert found == {(3, 10): "same", (5, 11): "re-encoded"}


def test_what_is_alike_only_as_a_thumbnail_is_no_copy() -> None:
    """A fine pattern, which a thumbnail does not show, in one of two images."""
    rng = np.random.default_rng(0)
    large = np.stack(
        [np.asarray(Image.fromarray(one).resize((DETAIL, DETAIL), 3)) for one in scenes(20)]
    ).astype(int)
    pattern = 70 * ((np.indices((DETAIL, DETAIL)) // 2).sum(axis=0) % 2 * 2 - 1)[..., None]
    half = (np.arange(DETAIL) > DETAIL // 2)[None, :, None]
    patterned = np.clip(large[4] + pattern * half, 0, 255)
    noisy = np.clip(large[7] + rng.normal(0, 3, large[7].shape), 0, 255)
    kept = Kept(np.concatenate([large, patterned[None], noisy[None]]).astype(np.uint8))
    without = {(pair.first, pair.second) for pair in same_images(kept.small)}
    found = {(pair.first, pair.second) for pair in same_images(kept.small, details=kept)}
    assert without == {(4, 20), (7, 21)} and found == {(7, 21)}


def test_equal_thumbnails_are_equal_images_only_where_every_pixel_is() -> None:
    large = np.stack([np.asarray(Image.fromarray(one).resize((DETAIL, DETAIL), 3)) for one in scenes(4)])
    other = large[1].copy()
    other[50, 50] ^= 1
    kept = Kept(np.concatenate([large, other[None], large[2:3]]))
    pairs = {(p.first, p.second): (p.exact, p.how) for p in same_images(kept.small, details=kept)}
    assert pairs == {(1, 4): (False, "re-encoded"), (2, 5): (True, "same")}
