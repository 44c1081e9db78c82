from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import pytest

from bmcli.modalities.image._processes import in_order
from bmcli.modalities.image._shared_memory import SharedArray, lent

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no such memory here")


class Unreachable(SharedArray):
    """Memory that other processes cannot get at."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        super().__setstate__(("/nowhere", *state[1:]))


def test_what_another_process_writes_is_there() -> None:
    shared = SharedArray((40, 3))
    assert shared.array.shape == (40, 3) and not shared.array.any()
    others = set(in_order(_fill, [(shared, row) for row in range(40)]))
    assert os.getpid() not in others
    assert (shared.array == np.arange(40)[:, None]).all()


def test_the_array_outlives_what_made_it() -> None:
    array = SharedArray((2, 2)).array
    array[1] = 7
    assert array.tolist() == [[0, 0], [7, 7]]


def test_memory_let_go_of_is_not_mistaken_for_another() -> None:
    kept, other = SharedArray((4,)), SharedArray((4,))
    assert pickle.loads(pickle.dumps(kept)).array.tolist() == [0] * 4
    _, identity, shape = kept.__getstate__()
    state = pickle.dumps(kept)
    del kept
    lost = pickle.loads(state)
    with pytest.raises(OSError, match=r"No such file"):
        _ = lost.array
    assert lost.reached() is None
    # As if the other had been given the number that the first had.
    place, _, _ = other.__getstate__()
    mistaken = SharedArray.__new__(SharedArray)
    mistaken.__setstate__((place, identity, shape))
    with pytest.raises(OSError, match="no longer"):
        _ = mistaken.array


def test_another_process_may_not_get_at_it() -> None:
    [(process, reached)] = in_order(_reached, [(Unreachable((2, 2)),)])
    assert process != os.getpid() and not reached


def test_where_the_system_has_none_it_lends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lent((2, 2)) is not None
    monkeypatch.delattr("os.memfd_create")
    assert lent((2, 2)) is None


def test_nothing_is_an_array_too() -> None:
    assert SharedArray((0, 8, 8, 3)).array.shape == (0, 8, 8, 3)


def _fill(shared: SharedArray, row: int) -> int:
    shared.array[row] = row
    return os.getpid()


def _reached(shared: SharedArray) -> tuple[int, bool]:
    return os.getpid(), shared.reached() is not None
