from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmcli.core.errors import DataError
from bmcli.core.spec import Task
from bmcli.data import splits
from bmcli.data.bundle import Parts, Split, Texts


def parts(targets: Any, task: Task = "multiclass", groups: Any = None, names: Any = None) -> Parts:
    targets = np.asarray(targets)
    ids = tuple(names or (f"all/{i}" for i in range(len(targets))))
    classes = tuple(map(str, range(int(targets.max()) + 1))) if task in ("binary", "multiclass") else ()
    return Parts("text", task, classes, Split(Texts(ids), targets, ids), groups=groups)


def cut(source: Parts, test: float = 0.2, validation: float = 0.1, seed: int = 0) -> dict[str, Split | None]:
    done, _, _ = splits.cut(source, test=test, validation=validation, seed=seed)
    return {"train": done.train, "validation": done.validation, "test": done.test}


labels = st.lists(st.integers(0, 4), min_size=30, max_size=300)
seeds = st.integers(0, 2**40)


@given(labels, seeds, st.sampled_from([0.1, 0.2, 0.5]), st.sampled_from([0.1, 0.3]))
@settings(max_examples=60, deadline=None)
def test_splits_are_disjoint_and_complete_and_of_the_right_size(
    targets: list[int], seed: int, test: float, validation: float
) -> None:
    source = parts(targets)
    done = cut(source, test, validation, seed)
    ids = [i for split in done.values() if split for i in split.ids]
    assert sorted(ids) == sorted(source.train.ids)
    counts = np.bincount(targets)
    assert done["test"] is not None and done["validation"] is not None
    wanted = min(round(test * len(targets)), int((counts - 1).clip(0).sum()))
    assert len(done["test"]) == wanted
    for c in np.flatnonzero(counts):
        inside = int((done["test"].targets == c).sum())
        assert inside <= counts[c] - 1, "a class keeps an example for training"
        if counts.min() > 3:
            assert abs(inside - test * counts[c]) < 1.5
    assert set(done["train"].targets.tolist()) == set(targets)  # type: ignore[union-attr]


@given(labels, seeds)
@settings(max_examples=30, deadline=None)
def test_the_cut_depends_on_seed_and_names_alone(targets: list[int], seed: int) -> None:
    source = parts(targets)
    order = np.random.default_rng(1).permutation(len(targets))
    shuffled = parts(np.asarray(targets)[order], names=[source.train.ids[i] for i in order])
    first, second = cut(source, seed=seed), cut(shuffled, seed=seed)
    for name in first:
        assert set(first[name].ids) == set(second[name].ids)  # type: ignore[union-attr]


def test_another_seed_is_another_cut() -> None:
    source = parts([0, 1] * 100)
    assert cut(source, seed=0)["test"].ids != cut(source, seed=1)["test"].ids  # type: ignore[union-attr]


def test_the_recipe_does_not_drift() -> None:
    """Old runs name their examples by these cuts: a change here needs a very good reason."""
    done = cut(parts([0, 1] * 10), 0.2, 0.1, 7)
    assert {n: s.ids for n, s in done.items() if s and n != "train"} == {
        "test": ("all/7", "all/14", "all/15", "all/16"),
        "validation": ("all/9", "all/12"),
    }


def test_most_examples_stay_on_their_side_when_others_are_added() -> None:
    before = cut(parts([0] * 500 + [1] * 500))["test"]
    after = cut(parts([0] * 500 + [1] * 500 + [0, 1] * 5))["test"]
    assert before is not None and after is not None
    assert len(set(before.ids) & set(after.ids)) > 0.95 * len(before)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 25)), min_size=60, max_size=300),
    seeds,
)
@settings(max_examples=60, deadline=None)
def test_groups_stay_together(rows: list[tuple[int, int]], seed: int) -> None:
    targets, groups = [r[0] for r in rows], tuple(f"g{r[1]}" for r in rows)
    source = parts([*targets, 0, 1, 2], groups=(*groups, "a", "b", "c"))
    of = dict(zip(source.train.ids, source.groups or (), strict=True))
    try:
        done = cut(source, seed=seed)
    except DataError:
        return
    sides = [{of[i] for i in split.ids} for split in done.values() if split]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert set(done["train"].targets.tolist()) == {0, 1, 2}  # type: ignore[union-attr]


def test_groups_are_roughly_stratified_and_of_the_right_size() -> None:
    random = np.random.default_rng(3)
    group = random.integers(0, 200, 4000)
    targets = (random.random(4000) < 0.3).astype(int)
    done = cut(parts(targets, "binary", tuple(map(str, group))))
    assert done["test"] is not None
    assert abs(len(done["test"]) - 800) < 40
    assert abs(done["test"].targets.mean() - targets.mean()) < 0.03


def test_two_large_groups_still_give_a_test_split() -> None:
    done = cut(parts([0, 1] * 20, groups=("a",) * 20 + ("b",) * 14 + ("c",) * 6), validation=0)
    assert done["test"] is not None and len(done["test"]) in (6, 14)


def test_small_classes_are_noted_and_stay_in_training() -> None:
    source = parts([0] * 20 + [1] * 20 + [2] + [3] * 2)
    done, made, notes = splits.cut(source, test=0.2, validation=0.1, seed=0)
    assert 2 in done.train.targets and 3 in done.train.targets
    assert len(notes) == 1 and "'2' (1)" in notes[0] and "'3' (2)" in notes[0]
    assert made == {"test": "cut 0.2, stratified, seed 0", "validation": "cut 0.1, stratified, seed 0"}


def test_regression_and_multilabel_are_cut_too() -> None:
    values = cut(parts(np.linspace(0, 1, 50), "regression"))
    assert [len(values[n]) for n in ("train", "validation", "test")] == [36, 4, 10]  # type: ignore[arg-type]
    many = (np.random.default_rng(0).random((200, 3)) < 0.3).astype(np.float32)
    done = cut(parts(many, "multilabel"))
    assert done["test"] is not None and len(done["test"]) == 40
    assert np.abs(done["test"].targets.mean(0) - many.mean(0)).max() < 0.08


def test_what_exists_is_not_cut_again_and_zero_cuts_nothing() -> None:
    source = parts([0, 1] * 20)
    brought = source.with_split("test", source.train.take(np.arange(3)))
    done, made, _ = splits.cut(brought, test=0.2, validation=0, seed=0)
    assert done.test is brought.test and done.validation is None and made == {}


def test_what_cannot_be_cut_says_so() -> None:
    with pytest.raises(DataError, match="test split would be empty"):
        cut(parts([0, 1, 2]))
    with pytest.raises(DataError, match="in 1 groups"):
        cut(parts([0, 1] * 10, groups=("a",) * 20))


@given(labels, st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_a_sample_is_small_and_has_every_class_it_can(targets: list[int], size: int) -> None:
    split = parts(targets).train
    taken = splits.sample(split, "multiclass", size, 0)
    assert len(taken) == min(size, len(targets))
    assert list(taken.ids) == [i for i in split.ids if i in set(taken.ids)], "in the old order"
    if size >= len(set(targets)):
        assert set(taken.targets.tolist()) == set(targets)
