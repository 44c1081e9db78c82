"""Which examples are for training, validation and test: seeded, stratified, groups kept together.

Recipe. Every example gets a key: BLAKE2b, 8 bytes, of "<seed>/<purpose>/<id>" (its group's name in place of
its id, where there are groups). Sorting by key is the shuffle. So a cut depends on the seed and the examples'
names alone: not on the order of files, not on a library's random numbers; and most examples stay on their
side when others are added. Test is cut first, then validation out of the rest.

Shares. A cut holds round(share * N) examples, at least one; for classification each class is cut in
proportion (largest remainders), and never loses its last example, so a class of one stays in training.
Groups go whole: in the order of their keys a group joins the cut if that brings the cut's class counts
closer to the wanted ones, which stratifies approximately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from bmcli import tasks
from bmcli.core.errors import DataError
from bmcli.core.spec import SplitName, Task
from bmcli.data.bundle import Parts, Split


def cut(
    parts: Parts, *, test: float, validation: float, seed: int
) -> tuple[Parts, dict[str, str], tuple[str, ...]]:
    """Fill in the splits that `parts` does not bring, out of its train.

    Returns the parts with their splits (None if the share is 0), how each came about, and notes.
    """
    made: dict[str, str] = {}
    notes: list[str] = []
    shares: tuple[tuple[SplitName, float], ...] = (("test", test), ("validation", validation))
    for name, share in shares:
        if parts.split(name) is not None or not share:
            continue
        chosen = choose(parts.train, parts.task, share, seed, name, parts.groups)
        rest = np.flatnonzero(~chosen)
        if not chosen.any() or not len(rest):
            raise DataError(
                f"the {name} split would be empty: {len(parts.train)} examples"
                + (f" in {len(set(parts.groups))} groups" if parts.groups else "")
                + " cannot be divided further",
                hint=f"give more data, or set data.{name}: 0",
            )
        if name == "test":
            notes += _small_classes(parts)
        groups = parts.groups
        parts = replace(
            parts.with_split(name, parts.train.take(np.flatnonzero(chosen))),
            train=parts.train.take(rest),
            groups=None if groups is None else tuple(groups[i] for i in rest),
        )
        how = ["grouped"] if groups else []
        how += ["stratified"] if tasks.of(parts.task).exclusive else []
        made[name] = ", ".join([f"cut {share:g}", *how, f"seed {seed}"])
    return parts, made, tuple(notes)


def choose(
    split: Split, task: Task, share: float, seed: int, purpose: str, groups: Sequence[str] | None = None
) -> np.ndarray:
    """Which examples a cut takes: bool [N]."""
    asked = tasks.of(task)
    strata = asked.strata(split.targets)
    if groups is not None:
        return _choose_groups(strata, groups, share, seed, purpose)
    counts = np.bincount(strata)
    total = max(1, round(share * len(split)))
    room = (counts - 1).clip(0) if asked.exclusive else counts
    return _first_of_each(strata, allocate(counts, total, room), shuffled(split.ids, seed, purpose))


def sample(split: Split, task: Task, size: int, seed: int) -> Split:
    """At most `size` examples, in their order: classes in proportion, at least one of each if it can."""
    if len(split) <= size:
        return split
    strata = tasks.of(task).strata(split.targets)
    counts = np.bincount(strata)
    base = np.minimum(counts, 1) if np.count_nonzero(counts) <= size else np.zeros_like(counts)
    take = base + allocate(counts, size - int(base.sum()), counts - base)
    return split.take(np.flatnonzero(_first_of_each(strata, take, shuffled(split.ids, seed, "limit"))))


def shuffled(names: Sequence[str], seed: int, purpose: str) -> np.ndarray:
    """A permutation of positions, int64 [N], that depends on nothing but the arguments."""
    start = f"{seed}/{purpose}/".encode()
    keys = b"".join(
        blake2b(start + name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names
    )
    return np.argsort(np.frombuffer(keys, ">u8"), kind="stable")


def allocate(counts: np.ndarray, total: int, room: np.ndarray) -> np.ndarray:
    """`total` places shared out in proportion to `counts`, by largest remainder, never beyond `room`."""
    total = min(total, int(room.sum()))
    quota = counts * (total / max(1, counts.sum()))
    taken: np.ndarray = np.minimum(np.floor(quota).astype(np.int64), room)
    while (left := total - int(taken.sum())) > 0:
        open_ = np.flatnonzero(taken < room)
        best = open_[np.argsort((taken - quota)[open_], kind="stable")]
        taken[best[:left]] += 1
    return taken


def _first_of_each(strata: np.ndarray, take: np.ndarray, order: np.ndarray) -> np.ndarray:
    """bool [N]: the first take[s] examples of every stratum s in `order`."""
    by_stratum = order[np.argsort(strata[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(strata, minlength=len(take)))])[:-1]
    rank = np.arange(len(strata)) - starts[strata[by_stratum]]
    chosen = np.zeros(len(strata), bool)
    chosen[by_stratum[rank < take[strata[by_stratum]]]] = True
    return chosen


def _choose_groups(
    strata: np.ndarray, groups: Sequence[str], share: float, seed: int, purpose: str
) -> np.ndarray:
    names, index = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    counts = np.zeros((len(names), int(strata.max(initial=0)) + 1))
    np.add.at(counts, (index, strata), 1)
    rest = counts.sum(axis=0)
    # The last column is the size: without it many small classes would outweigh it.
    rows = np.column_stack([counts, counts.sum(axis=1)])
    gap = share * rows.sum(axis=0)
    taken = np.zeros(len(names), bool)
    order = shuffled(list(names), seed, purpose)

    def spares_a_class(group: int) -> bool:
        return bool(((rest - counts[group] > 0) | (counts[group] == 0)).all())

    for group in order:
        closer = ((gap - rows[group]) ** 2).sum() < (gap**2).sum()
        if closer and spares_a_class(group):
            taken[group] = True
            gap, rest = gap - rows[group], rest - counts[group]
    if not taken.any():  # all are larger than the share: the smallest that may go
        allowed = [g for g in order if spares_a_class(g)]
        if allowed:
            taken[min(allowed, key=lambda g: rows[g, -1])] = True
    return taken[index]


def _small_classes(parts: Parts) -> list[str]:
    if not tasks.of(parts.task).exclusive:
        return []
    counts = np.bincount(parts.train.targets, minlength=len(parts.classes))
    few = [f"'{parts.classes[i]}' ({counts[i]})" for i in np.flatnonzero((counts > 0) & (counts < 3))]
    if not few:
        return []
    shown = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
    return [f"too few examples for all splits, so training gets them: {shown}"]
