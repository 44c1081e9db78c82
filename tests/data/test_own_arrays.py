"""Arrays in a .npz file as data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.core.errors import DataError
from tests.data.test_own_tables import Load, npz, whole, write


def test_arrays(load: Load, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(40) % 4
    pixels = random.integers(0, 256, (40, 6, 5), np.uint8)
    one = load(path=npz(tmp_path / "a.npz", x=pixels, y=labels))
    assert (one.kind, one.task, one.classes) == ("image", "multiclass", ("0", "1", "2", "3"))
    assert one.train.examples.arrays.shape[1:] == (6, 5, 1) and one.test is not None  # type: ignore[union-attr]
    unit = load(path=npz(tmp_path / "b.npz", x=pixels[..., None] / 255, y=labels), test=0, validation=0)
    assert (unit.train.examples.arrays[..., 0] == pixels).all()  # type: ignore[union-attr]
    split = load(
        path=npz(tmp_path / "c.npz", x_train=pixels, y_train=labels, x_test=pixels[:8], y_test=labels[:8])
    )
    assert len(split.test or ()) == 8 and split.test.ids[0] == "test/0"  # type: ignore[union-attr]
    table = load(path=npz(tmp_path / "d.npz", x=random.normal(size=(40, 3)), y=random.normal(size=40)))
    assert (table.kind, table.task) == ("table", "regression")
    assert list(table.train.examples.columns) == ["0", "1", "2"]  # type: ignore[union-attr]
    many = load(path=npz(tmp_path / "e.npz", x=pixels, y=(random.random((40, 3)) < 0.5).astype(int)))
    assert (many.task, many.classes) == ("multilabel", ("0", "1", "2"))
    named = load(path=npz(tmp_path / "f.npz", x=pixels, y=np.array(["cat", "dog"] * 20)))
    assert named.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, "neither x and y"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(3)}, "do not belong together"),
        ({"x": np.zeros((4, 5, 5, 2), np.uint8), "y": np.arange(4)}, "neither images"),
        (
            {"x": np.full((4, 5, 5), np.nan), "y": np.arange(4)},
            "4 images of x hold NaN or infinity: 0, 1, 2, 3",
        ),
        ({"x": np.array([["a", "b"]] * 4), "y": np.arange(4)}, "not numbers"),
        ({"x": np.zeros((4, 5, 5), np.uint8), "y": np.full((4, 2), 7)}, "a column per label"),
        (
            {
                "x_train": np.zeros((4, 5)),
                "y_train": np.arange(4),
                "x_test": np.zeros((4, 6)),
                "y_test": np.arange(4),
            },
            "differ in shape",
        ),
        ({"x": np.array([{}] * 4, dtype=object), "y": np.arange(4)}, "Python objects"),
        ({"x": np.zeros((4, 5)), "y": np.array([b"caf\xe9"] * 4)}, "y is not UTF-8"),
    ],
)
def test_arrays_that_make_no_sense(load: Load, tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(path=npz(tmp_path / "a.npz", **arrays))


def test_a_broken_npz(load: Load, tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", x=np.zeros((9, 4)), y=np.arange(9))
    write(path, path.read_bytes()[:300])
    with pytest.raises(DataError, match="cannot be read"):
        load(path=path)
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(DataError, match="single array"):
        load(path=(tmp_path / "b.npy").rename(tmp_path / "b.npz"))


def test_infinite_numbers_in_arrays_are_rows_to_name(load: Load, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[5, 1] = np.inf
    path = npz(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)
    with pytest.raises(DataError) as error:
        load(path=path)
    assert [str(p.place) for p in error.value.problems] == ["all/5"]
    assert "all/5" not in whole(load(path=path, skip_unusable=True))


def test_nan_in_an_array_is_no_class(load: Load, tmp_path: Path) -> None:
    y = np.arange(40) % 2.0
    y[7], y[8] = np.nan, np.inf
    path = npz(tmp_path / "a.npz", x=np.zeros((40, 5, 5), np.uint8), y=y)
    with pytest.raises(DataError) as error:
        load(path=path)
    found = [(str(p.place), p.message) for p in error.value.problems]
    assert found == [("all/7", "the target is nan"), ("all/8", "the target is inf")]
    assert load(path=path, skip_unusable=True).classes == ("0", "1")
