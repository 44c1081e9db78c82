from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmcli.config.schema import TableConfig
from bmcli.core.errors import DataError
from bmcli.data.bundle import Table
from bmcli.modalities.table.encoder import TablePreprocessing

ALL = np.arange(1000)


def objects(*cells):
    values = np.empty(len(cells), object)
    values[:] = cells
    return values


def fit(columns, **options):
    return TablePreprocessing.fit(Table(columns), TableConfig(**options))


def rows(prepared, columns):
    return np.asarray(prepared.encode(Table(columns)))


def test_numbers_are_scaled_in_float64():
    # In float32 these would all be the same number.
    values = 1e9 + np.array([0.0, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(
        rows(fit({"a": values}), {"a": values})[:, 0], [-1.3416407, -0.4472136, 0.4472136, 1.3416407]
    )
    minmax = rows(fit({"a": values}, scaling="minmax"), {"a": values})
    np.testing.assert_allclose(minmax[:, 0], [0, 1 / 3, 2 / 3, 1], rtol=1e-6)
    np.testing.assert_allclose(rows(fit({"a": values}, scaling="none"), {"a": values})[:, 0], values)


def test_missing_numbers_are_filled_and_said_where_training_had_some():
    train = {"a": np.array([1.0, np.nan, 2.0, 9.0]), "b": np.array([1.0, 2.0, 3.0, 4.0])}
    for missing, fill in (("mean", 4.0), ("median", 2.0)):
        prepared = fit(train, scaling="none", missing=missing)
        assert tuple(one.name for one in prepared.features) == ("a", "a is missing", "b")
        encoded = rows(prepared, {"a": np.array([np.nan, 5.0]), "b": np.array([np.nan, 5.0])})
        np.testing.assert_allclose(encoded, [[fill, 1, 2.5], [5, 0, 5]])


def test_missing_can_be_refused():
    with pytest.raises(DataError) as caught:
        fit({"a": np.array([1.0, np.nan, np.nan])}, missing="error")
    assert len(caught.value.problems) == 2
    prepared = fit({"a": np.array([1.0, 2.0])}, missing="error")
    with pytest.raises(DataError, match="'a' is missing"):
        prepared.encode(Table({"a": np.array([np.nan])}))


def test_categories_by_frequency_then_name_and_a_place_for_all_else():
    prepared = fit({"c": objects("b", "a", "b", "a", "z", "d", None)}, max_categories=3)
    names = tuple(one.name for one in prepared.features)
    assert names == ("c = a", "c = b", "c = d", "c = (other)")
    encoded = rows(prepared, {"c": objects("a", "d", "z", None, "never seen", "[red]")})
    np.testing.assert_array_equal(encoded.argmax(axis=1), [0, 2, 3, 3, 3, 3])
    np.testing.assert_array_equal(encoded.sum(axis=1), 1)


def test_constant_and_empty_columns_are_harmless():
    train = {"k": np.array([0.1] * 7), "gone": np.full(7, np.nan), "none": objects(*[None] * 7)}
    prepared = fit(train)
    encoded = rows(prepared, train)
    assert np.isfinite(encoded).all()
    np.testing.assert_array_equal(encoded[:, 0], 0)
    np.testing.assert_allclose(rows(prepared, {**train, "k": np.full(7, 1.1)})[:, 0], 1.0)


def test_absent_columns_are_named_and_extra_ones_ignored():
    prepared = fit({"a": np.arange(3.0), "b": np.arange(3.0), "[red]": np.arange(3.0)})
    with pytest.raises(DataError, match=r"'b', '\[red\]'"):
        prepared.encode(Table({"a": np.arange(2.0), "x": np.arange(2.0)}))
    table = {"x": np.arange(3.0), "[red]": np.arange(3.0), "b": np.arange(3.0), "a": np.arange(3.0)}
    assert rows(prepared, table).shape == (3, 3)


def test_cells_that_are_no_number_are_problems_with_their_row():
    prepared = fit({"a": np.arange(4.0), "b": np.arange(4.0)})
    table = Table({"a": objects("1", " 2.5 ", "abc", None), "b": np.array([1.0, np.inf, 2.0, 3.0])})
    with pytest.raises(DataError) as caught:
        prepared.encode(table)
    assert [str(p.place) for p in caught.value.problems] == ["row 2", "row 3"]
    usable, problems = prepared.encode_usable(table)
    assert sorted(problems) == [1, 2]
    assert "abc" in problems[2]
    np.testing.assert_array_equal(
        usable, rows(prepared, {"a": np.array([1.0, np.nan]), "b": np.array([1.0, 3.0])})
    )


def test_numbers_in_a_column_of_categories_are_written_as_people_do():
    prepared = fit({"c": objects("1", "2", "2.5", "1")})
    encoded = rows(prepared, {"c": np.array([1.0, 2.0, 2.5, 7.0, np.nan])})
    np.testing.assert_array_equal(encoded.argmax(axis=1), [0, 1, 2, 3, 3])


def test_features_carry_coefficients_back_to_raw_columns():
    train = {"a": np.array([1.0, 5.0, 9.0]), "b": np.array([2.0, 2.0, 8.0]), "c": objects("x", "y", "x")}
    prepared = fit(train)
    encoded = rows(prepared, train)
    for i, feature in enumerate(prepared.features):
        if feature.of == "value":
            np.testing.assert_allclose(
                encoded[:, i] * feature.scale + feature.offset, train[feature.column], rtol=1e-6
            )
        else:
            assert (feature.offset, feature.scale) == (0, 1)


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=20),
    st.floats(allow_nan=True, allow_infinity=False),
    st.sampled_from(["standard", "minmax", "none"]),
)
def test_what_comes_out_is_finite(train, later, scaling):
    try:
        prepared = fit({"a": np.array(train)}, scaling=scaling)
    except DataError as error:
        assert "too large" in error.message
        return
    assert np.isfinite(rows(prepared, {"a": np.array([*train, later])})).all()


@given(
    st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=30),
    st.lists(st.text(), max_size=10),
    st.integers(1, 5),
)
def test_each_row_has_one_category(train, later, at_most):
    prepared = fit({"c": objects(*train)}, max_categories=at_most)
    encoded = rows(prepared, {"c": objects(*train, *later)})
    np.testing.assert_array_equal(encoded.sum(axis=1), 1)
    assert prepared == TablePreprocessing.from_json(prepared.to_json())


def test_no_columns_is_an_error():
    with pytest.raises(DataError, match="no column"):
        fit({})
