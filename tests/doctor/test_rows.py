"""Planted near copies of rows are found, and rows that are alike by nature are not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from bmcli.cli.app import run as bm
from bmcli.data.bundle import Table
from bmcli.doctor.findings import TOLERANCE, Pair
from bmcli.doctor.near_rows import AROUND, _candidates, near_rows
from bmcli.doctor.table import same_rows

Columns = dict[str, np.ndarray]


def names(rng: np.random.Generator, rows: int, distinct: int) -> np.ndarray:
    known = np.array([f"name of {i}" for i in range(distinct)], object)
    return known[rng.integers(0, distinct, rows)]


def mixed(rows: int, seed: int = 0) -> Columns:
    """Three columns of numbers, of very different spread, and three of texts."""
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(rows, 3))
    numbers = {"plain": normal[:, 0], "wide": np.exp(3 * normal[:, 1]), "far": 1e6 + 40 * normal[:, 2]}
    numbers["plain"][rng.random(rows) < 0.05] = np.nan
    texts = {f"of {n}": names(rng, rows, n) for n in (4, 30, 300)}
    texts["of 30"][rng.random(rows) < 0.05] = None
    return numbers | texts


def planted(columns: Columns, count: int, seed: int = 1, moved: float = 1.0) -> tuple[Columns, set]:
    """Near copies put behind the rows: numbers off by up to `moved` tolerances, some texts respelled."""
    rng = np.random.default_rng(seed)
    rows = len(next(iter(columns.values())))
    sources = rng.permutation(rows)[:count]
    made = {}
    for name, column in columns.items():
        copies = column[sources]
        if column.dtype == object:
            copies = np.array(
                [t if t is None or rng.random() < 0.5 else t.upper().replace(" ", "  ") for t in copies],
                object,
            )
        else:
            present = column[~np.isnan(column)]
            low, high = np.quantile(present, [0.25, 0.75])
            spread = min(present.std(), (high - low) / 1.349)
            copies = copies + rng.uniform(-1, 1, count) * moved * 0.99 * TOLERANCE * spread
        made[name] = np.concatenate([column, copies])
    return made, {(int(source), rows + i) for i, source in enumerate(sources)}


def nearly(columns: Columns) -> set[tuple[int, int]]:
    return {(pair.first, pair.second) for pair in same_rows([Table(columns)]) if not pair.exact}


def check(columns: Columns, count: int = 200) -> None:
    assert nearly(columns) == set(), "nothing is planted yet"
    made, there = planted(columns, count)
    found = nearly(made)
    assert len(found & there) >= 0.95 * len(there)
    assert len(found & there) >= 0.95 * len(found)


def test_planted_rows_are_found_among_numbers_and_texts() -> None:
    check(mixed(5_000))


def test_planted_rows_are_found_among_numbers_that_follow_each_other() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=5_000)
    check({str(j): shared + 0.1 * rng.normal(size=5_000) for j in range(6)})


def test_planted_rows_are_found_among_texts_alone() -> None:
    rng = np.random.default_rng(0)
    check({str(j): names(rng, 5_000, 200) for j in range(6)})


@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes, load_iris, load_wine])
def test_real_tables_have_no_near_copies_but_planted_ones(load) -> None:
    values = load().data.astype(float)
    columns = {str(j): values[:, j] for j in range(values.shape[1])}
    assert nearly(columns) == set()
    made, there = planted(columns, 20, moved=0.5)
    found = nearly(made)
    assert found <= there and len(found) >= 18


def test_a_large_table() -> None:
    rng = np.random.default_rng(0)
    numbers = {f"n{j}": rng.normal(size=30_000) for j in range(10)}
    check(numbers | {f"t{j}": names(rng, 30_000, 2 + j * j) for j in range(10)})


def few_categories(rng: np.random.Generator) -> Columns:
    spelled = np.array(["yes", "Yes", "no", "No"], object)
    return {str(j): spelled[rng.integers(0, 4, 3_000)] for j in range(4)}


def one_number(rng: np.random.Generator) -> Columns:
    return {"n": rng.normal(size=3_000), "t": names(rng, 3_000, 3)}


def one_number_and_columns_that_repeat(rng: np.random.Generator) -> Columns:
    which = names(rng, 3_000, 10)
    return {"n": rng.normal(size=3_000)} | {str(j): which for j in range(5)}


def one_number_many_times(rng: np.random.Generator) -> Columns:
    number = rng.normal(size=3_000)
    return {str(power): number * power for power in range(1, 7)}


def measured_again_and_again(rng: np.random.Generator) -> Columns:
    time = np.linspace(0, 50, 3_000)
    return {str(j): np.sin(time * (j + 1) / 3) for j in range(6)}


def counts(rng: np.random.Generator) -> Columns:
    return {str(j): rng.poisson(3, 3_000).astype(float) for j in range(5)}


def places_spelled_in_two_ways(rng: np.random.Generator) -> Columns:
    """A code tells all the rest, and every place has many rows of either spelling."""
    code = names(rng, 3_000, 50)
    spelled = [t.upper() if rng.random() < 0.5 else t for t in code]
    return {"code": code, "place": np.array(spelled, object), "district": code}


@pytest.mark.parametrize(
    "make",
    [
        few_categories,
        places_spelled_in_two_ways,
        one_number,
        one_number_and_columns_that_repeat,
        one_number_many_times,
        measured_again_and_again,
        counts,
    ],
)
def test_rows_that_are_alike_by_nature(make) -> None:
    assert nearly(make(np.random.default_rng(0))) == set()


def test_copies_among_rows_that_are_close_by_nature() -> None:
    """Of two columns that follow each other closely not all are found, but little else; of four all are."""
    for width, noise, least in ((2, 0.01, 20), (4, 0.005, 380)):
        rng = np.random.default_rng(0)
        shared = rng.normal(size=2_000)
        columns = {str(j): shared + noise * rng.normal(size=2_000) for j in range(width)}
        made, there = planted(columns, 400)
        found = nearly(made)
        assert len(found & there) >= max(0.95 * len(found), least)


def test_how_they_differ_is_told() -> None:
    rng = np.random.default_rng(0)
    columns = {"n": rng.normal(size=200), "m": rng.normal(size=200), "t": names(rng, 200, 40)}
    rows = np.array([*range(200), 0, 1, 2, 3])
    columns = {name: column[rows] for name, column in columns.items()}
    columns["t"][[201, 203]] = [f" {columns['t'][i].title()} " for i in (1, 3)]
    columns["n"][[202, 203]] = np.round(columns["n"][[2, 3]], 4)
    pairs = {pair.second: pair for pair in same_rows([Table(columns)])}
    assert pairs[200] == Pair(0, 200, True, "same")
    assert pairs[201] == Pair(1, 201, False, "spelled otherwise")
    assert pairs[202] == Pair(2, 202, False, "rounded")
    assert pairs[203] == Pair(3, 203, False, "spelled otherwise and rounded")


def test_a_missing_number_is_near_to_a_missing_one_only() -> None:
    columns, there = planted(mixed(1_000), 40)
    columns["far"][-40:-20] = np.nan
    assert nearly(columns) <= {pair for pair in there if pair[1] >= 1_020}


CELLS = st.one_of(
    st.floats(-300, 300), st.floats(-30, 30).map(round), st.sampled_from([np.nan, np.inf, -np.inf])
)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda w: st.lists(st.lists(CELLS, min_size=w, max_size=w), min_size=1, max_size=20)
    )
)
def test_no_close_pair_is_missed(rows: Sequence[Sequence[float]]) -> None:
    """Against comparing all; the numbers are in tolerances."""
    table = np.array(rows, float)
    gaps = [np.isnan(column).astype(int) for column in table.T]
    first, second, crowded = _candidates(gaps, list(table.T), len(rows))
    found = set(zip(first.tolist(), second.tolist(), strict=True))
    assert not crowded.any() and all(a < b for a, b in found)
    for b, row in enumerate(table):
        for a in range(b):
            both = np.isnan(row) == np.isnan(table[a])
            with np.errstate(invalid="ignore"):
                close = ~(np.abs(row - table[a]) > AROUND)
            assert (a, b) in found or not (both & close).all()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(),
            st.one_of(st.none(), st.text(max_size=4)),
        ),
        max_size=12,
    )
)
def test_any_rows_are_compared(rows: list[tuple[float, str | None]]) -> None:
    numbers = np.array([number for number, _ in rows], float)
    texts = np.empty(len(rows), object)
    texts[:] = [text for _, text in rows]
    for pair in same_rows([Table({"n": numbers, "t": texts})]):
        assert 0 <= pair.first < pair.second < len(rows)
    assert near_rows([], np.zeros(0, int)) == []


def test_rounded_copies_in_two_splits(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their targets are rounded too, which is no contradiction."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [(*rng.normal(size=3), f"place {rng.integers(20)}", rng.normal()) for _ in range(300)]

    def written(row: tuple, digits: int, place: str) -> str:
        return ",".join([*(f"{v:.{digits}f}" for v in row[:3]), place, f"{row[4]:.{digits}f}"])

    train = [written(row, 6, row[3]) for row in rows[:240]]
    train += [written(row, 4, row[3].upper()) for row in rows[:3]]
    test = [written(row, 6, row[3]) for row in rows[240:]]
    test += [written(row, 4, row[3]) for row in rows[10:15]]
    for name, lines in (("train", train), ("test", test)):
        Path(f"{name}.csv").write_text("\n".join(["a,b,c,place,y", *lines]) + "\n")
    Path("t.yaml").write_text(
        "name: t\ndata: {path: train.csv, test: test.csv, target: y, validation: 0}\nmodel: mlp\n"
    )
    assert bm(["doctor", "t.yaml", "--json"]) == 0
    found = {one["check"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert found["duplicates across splits"]["message"].endswith("(0 equal, 5 nearly)")
    assert found["duplicates across splits"]["severity"] == "warning", "neighbours may be close too"
    assert "data.group" in found["duplicates across splits"]["message"]
    assert {one["detail"] for one in found["duplicates across splits"]["examples"]} == {"rounded"}
    assert found["duplicates"]["count"] == 3 and "contradictions" not in found
    assert found["duplicates"]["examples"][0]["detail"] == "spelled otherwise and rounded"
