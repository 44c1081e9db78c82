from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from bmcli.data.readers._processes import in_order
from bmcli.data.readers._shared import SharedArray

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no such memory here")


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
    kept = SharedArray((4,))
    state = pickle.dumps(kept)
    assert (pickle.loads(state).array == kept.array).all()
    del kept
    with pytest.raises(OSError):
        pickle.loads(state)
    with SharedArray((4,))._file, pytest.raises(OSError, match="no longer"):  # it takes the same number
        pickle.loads(state)


def test_nothing_is_an_array_too() -> None:
    assert SharedArray((0, 8, 8, 3)).array.shape == (0, 8, 8, 3)


def _fill(shared: SharedArray, row: int) -> int:
    shared.array[row] = row
    return os.getpid()
