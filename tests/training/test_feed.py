"""The order of examples and their changes depend on (seed, epoch, example) alone."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from bmcli.core.spec import INPUT
from bmcli.modalities.source import NamedSources
from bmcli.training.feed import Feed, Group, padded_length

N, BATCH = 23, 5


class Noise:
    """An augmentation that shows its random numbers."""

    uniforms = 2
    alternates = False

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return images + u.sum(axis=1, keepdims=True), targets


@pytest.fixture
def feed() -> Feed:
    source = np.arange(N, dtype=np.float64).reshape(N, 1) * 10
    targets = np.arange(N, dtype=np.float32).reshape(N, 1)
    return Feed(NamedSources({INPUT: source}), targets, None, [Noise()], BATCH, seed=3)


def batches(feed: Feed, epoch: int = 1, start: int = 0, size: int = 1) -> list[tuple[np.ndarray, ...]]:
    groups = feed.groups(epoch, start=start, size=lambda: size)
    return [row for g in groups for row in zip(g.inputs[INPUT], g.targets, g.examples, strict=True)]


def assert_equal(left: list[tuple[np.ndarray, ...]], right: list[tuple[np.ndarray, ...]]) -> None:
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_every_example_once_per_epoch(feed: Feed) -> None:
    seen = np.concatenate([examples for _, _, examples in batches(feed)])
    assert sorted(seen) == list(range(N))
    assert feed.steps_per_epoch == 5


def test_group_size_changes_nothing(feed: Feed) -> None:
    assert_equal(batches(feed, size=1), batches(feed, size=3))


def test_starting_in_the_middle_continues_the_same_batches(feed: Feed) -> None:
    assert_equal(batches(feed)[3:], batches(feed, start=3, size=2))


def test_epochs_and_seeds_differ(feed: Feed) -> None:
    assert not np.array_equal(feed.order(1), feed.order(2))
    assert not np.array_equal(feed.order(1), replace(feed, seed=4).order(1))


def test_targets_belong_to_their_inputs(feed: Feed) -> None:
    for inputs, targets, examples in batches(feed):
        np.testing.assert_array_equal(targets[:, 0], examples)
        np.testing.assert_allclose(inputs[:, 0] // 10, examples)


def test_the_last_smaller_batch_stands_alone(feed: Feed) -> None:
    groups: list[Group] = list(feed.groups(1, start=0, size=lambda: 100))
    assert [g.inputs[INPUT].shape[:2] for g in groups][-1] == (1, N % BATCH)


def test_an_unreadable_example_is_raised_to_whoever_trains(feed: Feed) -> None:
    class Broken:
        def __len__(self) -> int:
            return N

        def __getitem__(self, indices: np.ndarray) -> np.ndarray:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        batches(replace(feed, source=NamedSources({INPUT: Broken()})))


def test_leaving_early_ends_the_thread(feed: Feed) -> None:
    groups = feed.groups(1, start=0, size=lambda: 1)
    next(groups)
    groups.close()
    assert not [t for t in threading.enumerate() if t.name == "bm-feed"]


def texts(count: int = 203, longest: int = 40) -> Feed:
    """Texts of all lengths, the k-th beginning with the token k + 1."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, longest + 1, count)
    tokens = np.where(np.arange(longest) < lengths[:, None], 7, 0).astype(np.int32)
    tokens[:, 0] = np.arange(count) + 1
    targets = np.arange(count, dtype=np.float32).reshape(-1, 1)
    lengths = {INPUT: np.count_nonzero(tokens, axis=1)}
    return Feed(NamedSources({INPUT: tokens}), targets, None, [], 8, seed=3, lengths=lengths)


def test_texts_of_like_length_share_a_batch_and_lose_nothing_but_padding() -> None:
    feed = texts()
    seen, padding, plain_padding = [], 0, 0
    for inputs, targets, examples in batches(feed):
        whole = feed.source[examples][INPUT]
        np.testing.assert_array_equal(inputs, whole[:, : inputs.shape[1]])
        assert not whole[:, inputs.shape[1] :].any()
        np.testing.assert_array_equal(targets[:, 0], examples)
        padding += np.count_nonzero(inputs == 0)
        plain_padding += np.count_nonzero(whole == 0)
        seen += examples.tolist()
    assert sorted(seen) == list(range(203))
    assert padding < plain_padding / 4


def test_batches_by_length_come_in_any_order_and_the_same_however_grouped() -> None:
    feed = texts()
    assert not np.array_equal(feed.order(1), feed.order(2))
    assert_equal(batches(feed, size=1), batches(feed, size=64))
    assert_equal(batches(feed)[7:], batches(feed, start=7, size=3))
    widths = [inputs.shape[1] for inputs, _, _ in batches(feed)]
    assert widths != sorted(widths) and len(set(widths)) <= 8
    finer = [inputs.shape[1] for inputs, _, _ in batches(replace(feed, padded_lengths=16))]
    assert len(set(widths)) < len(set(finer)) <= 16 and sum(finer) < sum(widths)


@pytest.mark.parametrize("longest", [1, 3, 8, 13, 200, 640])
def test_padded_lengths_are_few_and_enough(longest: int) -> None:
    found = {padded_length(np.array([length]), longest) for length in range(longest + 1)}
    assert len(found) <= 8 and max(found) == longest
    assert all(padded_length(np.array([n]), longest) >= max(n, 1) for n in range(longest + 1))


def test_alternating_numbers_are_opposite_in_every_second_epoch(feed: Feed) -> None:
    class Alternating(Noise):
        alternates = True

        def apply(self, images, targets, u):  # type: ignore[no-untyped-def]
            return u.copy(), targets

    feed = replace(feed, augmentations=[Alternating()])
    first, second, third = (
        np.concatenate([i[np.argsort(e)] for i, _, e in [stacked(batches(feed, n))]]) for n in (1, 2, 3)
    )
    np.testing.assert_array_equal(first, third)
    np.testing.assert_allclose(first + second, 1)
    assert not ((first < 0.5) & (second < 0.5)).any()


def stacked(rows: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    return tuple(np.concatenate(column) for column in zip(*rows, strict=True))
