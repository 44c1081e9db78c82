"""Augmentations against slow, plain references."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bmcli.modalities.image.augment import AUGMENTATIONS
from bmcli.modalities.image.augment.color import Color
from bmcli.modalities.image.augment.crop import Crop
from bmcli.modalities.image.augment.cutout import Cutout
from bmcli.modalities.image.augment.flip import Flip
from bmcli.modalities.image.augment.mixup import Mixup
from bmcli.modalities.image.augment.rotation import Rotation

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
TARGETS = np.eye(6, dtype=np.float32)
DEFAULTS = [AUGMENTATIONS.get(name)() for name in AUGMENTATIONS]
NAMES = list(AUGMENTATIONS)


def uniforms(augmentation, n=6, seed=1):
    return np.random.default_rng(seed).random((n, augmentation.uniforms))


@pytest.mark.parametrize("augmentation", DEFAULTS, ids=NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_is_a_pure_function_on_uint8(augmentation, channels):
    images, targets, u = IMAGES[..., :channels].copy(), TARGETS.copy(), uniforms(augmentation)
    kept = images.copy(), targets.copy(), u.copy()
    first, second = (augmentation.apply(images, targets, u) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    for now, before in zip((images, targets, u), kept, strict=True):
        np.testing.assert_array_equal(now, before)
    assert first[0].dtype == np.uint8
    assert first[0].shape == images.shape
    assert first[1].dtype == np.float32


@pytest.mark.parametrize(
    "augmentation", [a for a in DEFAULTS if not isinstance(a, Mixup)], ids=lambda a: a.registry_name
)
def test_examples_do_not_see_their_neighbours(augmentation):
    u = uniforms(augmentation)
    whole, _ = augmentation.apply(IMAGES, TARGETS, u)
    for i in range(len(IMAGES)):
        alone, _ = augmentation.apply(IMAGES[i : i + 1], TARGETS[i : i + 1], u[i : i + 1])
        np.testing.assert_array_equal(alone[0], whole[i])


@pytest.mark.parametrize("augmentation", DEFAULTS, ids=NAMES)
@pytest.mark.parametrize("extreme", [0.0, np.nextafter(1.0, 0.0)])
def test_takes_the_ends_of_the_unit_interval(augmentation, extreme):
    images, targets = augmentation.apply(IMAGES, TARGETS, np.full((6, augmentation.uniforms), extreme))
    assert images.shape == IMAGES.shape
    assert np.isfinite(targets).all()


@pytest.mark.parametrize(
    "augmentation",
    [
        Flip(vertical=True),
        Crop(),
        Crop(fill="reflect"),
        Rotation(degrees=180),
        Rotation(fill="edge"),
        Color(),
    ],
    ids=repr,
)
def test_the_middle_changes_nothing(augmentation):
    images, targets = augmentation.apply(IMAGES, TARGETS, np.full((6, augmentation.uniforms), 0.5))
    np.testing.assert_array_equal(images, IMAGES)
    assert targets is TARGETS


def test_flip_mirrors_those_below_a_half():
    u = np.array([[0.1, 0.9], [0.9, 0.1], [0.1, 0.1], [0.9, 0.9], [0.49, 0.5], [0.5, 0.49]])
    images, _ = Flip(vertical=True).apply(IMAGES, TARGETS, u)
    for before, after, (across, down) in zip(IMAGES, images, u, strict=True):
        expected = before[:, ::-1] if across < 0.5 else before
        np.testing.assert_array_equal(after, expected[::-1] if down < 0.5 else expected)
    only_across, _ = Flip().apply(IMAGES, TARGETS, u)
    np.testing.assert_array_equal(only_across[1], IMAGES[1])


@pytest.mark.parametrize("fill", ["zero", "reflect"])
def test_crop_cuts_its_window_out_of_the_padded_image(fill):
    augmentation = Crop(padding=2, fill=fill)
    u = uniforms(augmentation)
    images, _ = augmentation.apply(IMAGES, TARGETS, u)
    n, height, width, channels = IMAGES.shape
    for i in range(n):
        top, left = int(u[i, 0] * 5) - 2, int(u[i, 1] * 5) - 2
        for y in range(height):
            for x in range(width):
                from_y, from_x = y + top, x + left
                if fill == "reflect":
                    from_y = -from_y if from_y < 0 else min(from_y, 2 * (height - 1) - from_y)
                    from_x = -from_x if from_x < 0 else min(from_x, 2 * (width - 1) - from_x)
                inside = 0 <= from_y < height and 0 <= from_x < width
                expected = IMAGES[i, from_y, from_x] if inside else np.zeros(channels)
                np.testing.assert_array_equal(images[i, y, x], expected)


def test_every_shift_of_a_crop_occurs():
    u = np.random.default_rng(0).random((5000, 2))
    one = np.zeros((1, 9, 9, 1), np.uint8)
    one[0, 4, 4] = 1
    images, _ = Crop(padding=2).apply(np.repeat(one, 5000, axis=0), np.zeros((5000, 1), np.float32), u)
    _, rows, columns, _ = np.nonzero(images)
    assert {(y - 4, x - 4) for y, x in zip(rows, columns, strict=True)} == {
        (y, x) for y in range(-2, 3) for x in range(-2, 3)
    }


@pytest.mark.parametrize("fill", ["zero", "edge"])
def test_rotation_interpolates_between_four_pixels(fill):
    augmentation = Rotation(degrees=90, fill=fill)
    u = uniforms(augmentation)
    images, _ = augmentation.apply(IMAGES, TARGETS, u)
    n, height, width, _ = IMAGES.shape

    def pixel(i, y, x):
        inside = 0 <= y < height and 0 <= x < width
        return IMAGES[i, y, x].astype(float) if inside else np.zeros(3)

    for i in range(n):
        angle = np.deg2rad((2 * u[i, 0] - 1) * 90)
        for y in range(height):
            for x in range(width):
                dy, dx = y - (height - 1) / 2, x - (width - 1) / 2
                from_y = np.sin(angle) * dx + np.cos(angle) * dy + (height - 1) / 2
                from_x = np.cos(angle) * dx - np.sin(angle) * dy + (width - 1) / 2
                if fill == "edge":
                    from_y, from_x = np.clip(from_y, 0, height - 1), np.clip(from_x, 0, width - 1)
                top, left = int(np.floor(from_y)), int(np.floor(from_x))
                down, right = from_y - top, from_x - left
                expected = (1 - down) * ((1 - right) * pixel(i, top, left) + right * pixel(i, top, left + 1))
                expected += down * (
                    (1 - right) * pixel(i, top + 1, left) + right * pixel(i, top + 1, left + 1)
                )
                np.testing.assert_allclose(images[i, y, x], expected, atol=0.51)


def test_a_quarter_turn_is_exact():
    square = IMAGES[:, :5, :5]
    images, _ = Rotation(degrees=90).apply(square, TARGETS, np.zeros((6, 1)))
    np.testing.assert_array_equal(images, np.rot90(square, axes=(2, 1)))


def test_cutout_covers_a_clipped_square_with_the_mean():
    u = uniforms(Cutout(size=3))
    u[0] = 0
    images, _ = Cutout(size=3).apply(IMAGES, TARGETS, u)
    for i in range(6):
        centre_y, centre_x = int(u[i, 0] * 5), int(u[i, 1] * 7)
        expected = IMAGES[i].copy()
        rows, columns = slice(max(0, centre_y - 1), centre_y + 2), slice(max(0, centre_x - 1), centre_x + 2)
        expected[rows, columns] = np.rint(IMAGES[i].mean(axis=(0, 1)))
        np.testing.assert_array_equal(images[i], expected)


def test_mixup_blends_images_and_targets_alike():
    u = uniforms(Mixup(alpha=1.0))
    images, targets = Mixup(alpha=1.0).apply(IMAGES, TARGETS, u)
    partner = np.argsort(u[:, 0])
    for i in range(6):
        share = u[i, 1]  # Beta(1, 1) is uniform
        expected = share * IMAGES[i].astype(float) + (1 - share) * IMAGES[partner[i]]
        np.testing.assert_allclose(images[i], expected, atol=0.51)
        np.testing.assert_allclose(
            targets[i], share * TARGETS[i] + (1 - share) * TARGETS[partner[i]], atol=1e-6
        )
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 1.5, 8.0, 100.0])
def test_mixup_draws_from_the_beta_distribution(alpha):
    from scipy.stats import beta

    from bmcli.modalities.image.augment.mixup import _symmetric_beta_quantile

    u = np.linspace(0.001, 0.999, 999)
    np.testing.assert_allclose(_symmetric_beta_quantile(u, alpha), beta.ppf(u, alpha, alpha), atol=2e-5)
    np.testing.assert_allclose(_symmetric_beta_quantile(np.array([0.0, 1.0]), alpha), [0.0, 1.0], atol=1e-3)


def test_color_against_plain_arithmetic():
    augmentation = Color(brightness=0.5, contrast=0.5, saturation=0.5)
    u = uniforms(augmentation)
    images, _ = augmentation.apply(IMAGES, TARGETS, u)
    luma = np.array([0.299, 0.587, 0.114])
    for i in range(6):
        bright, contrast, saturation = 1 + (2 * u[i] - 1) * 0.5
        expected = np.clip(IMAGES[i] * bright, 0, 255)
        mean = (expected @ luma).mean()
        expected = np.clip(mean + (expected - mean) * contrast, 0, 255)
        grey = (expected @ luma)[..., None]
        expected = np.clip(grey + (expected - grey) * saturation, 0, 255)
        np.testing.assert_allclose(images[i], expected, atol=0.51)


def test_looking_options_up_needs_no_numpy():
    module = "bmcli.modalities.image.augment"
    code = f"import sys, {module} as a; list(a.AUGMENTATIONS); print('numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
