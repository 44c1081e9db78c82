from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bmcli import data
from bmcli.cli.app import run as bm
from bmcli.config.schema import DataConfig
from bmcli.core.errors import UsageError
from bmcli.data.bundle import Split, Table, Texts
from bmcli.evaluation.measure import prepare
from bmcli.evaluation.robustness import STRENGTHS, by_corruptions
from bmcli.evaluation.slices import sliceable, slices
from bmcli.inference.opened import OpenedRun
from bmcli.modalities.image.corruptions import CORRUPTIONS
from bmcli.modalities.text.corruptions import in_capitals, with_typos
from tests.linear_run import MakeRun

RNG = np.random.default_rng(0)


def split_of(examples: Table | Texts, targets: np.ndarray) -> Split:
    return Split(examples, targets, tuple(map(str, range(len(targets)))))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_images_are_changed_the_more_the_stronger(name: str, channels: int) -> None:
    smooth = np.linspace(40, 200, 32)[:, None] + 20 * np.sin(np.arange(32))[None]
    images = np.repeat(np.stack([smooth, smooth.T])[..., None], channels, axis=3).astype(np.uint8)
    change = []
    for strength in STRENGTHS:
        made = CORRUPTIONS[name](images, strength, np.random.default_rng(1))
        assert made.shape == images.shape and made.dtype == np.uint8
        change.append(float(np.abs(made.astype(int) - images).mean()))
        again = CORRUPTIONS[name](images, strength, np.random.default_rng(1))
        assert (made == again).all()
    assert 0 < change[0] < change[1] < change[2] < 90


def test_texts_keep_their_words() -> None:
    texts = ["the story of a long night in the city"] * 50
    for strength in STRENGTHS:
        capitals = in_capitals(texts, strength, np.random.default_rng(0))
        assert [text.lower() for text in capitals] == texts and capitals != texts
        typos = with_typos(texts, strength, np.random.default_rng(0))
        assert all(len(text.split(" ")) == 9 for text in typos) and typos != texts
    assert in_capitals(texts[:1], 5, RNG) == [texts[0].upper()]


def test_a_run_on_corrupted_copies(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run({"data": {"name": "digits", "limit": 300}})
    runs = ["--runs-dir", str(run.path.parent)]
    assert bm(["evaluate", "trial", "--corruptions", "--json", *runs]) == 0
    document = json.loads(capsys.readouterr().out)
    found = {(one["corruption"], one["strength"]): one["figure"] for one in document["corruptions"]}
    assert found["none", 0] == document["metrics"]["accuracy"] and len(found) == 1 + 4 * 3
    assert found["brightness", 5] < found["none", 0]
    assert json.loads(run.read_text("evaluation/test-corruptions.json"))["split"] == "test"
    assert bm(["gate", "trial", "--split", "test-corruptions", "--min", "accuracy=0", *runs]) == 7
    assert "was not evaluated on test-corruptions" in capsys.readouterr().out
    assert bm(["evaluate", "trial", "--corruptions", *runs]) == 0
    assert "accuracy of corrupted copies" in capsys.readouterr().out
    table = make_run({"data": {"name": "diabetes"}}, name="table")
    with pytest.raises(UsageError, match="rows of tables"):
        by_corruptions(prepare(OpenedRun(table)))
    assert bm(["evaluate", "table", "--corruptions", *runs]) == 2
    assert not table.exists("evaluation/test.json"), "refused before anything is measured"


def test_slices_are_the_parts_of_the_split() -> None:
    count = 400
    targets = RNG.integers(0, 2, count)
    kind = np.array(["good", "bad", None, "rare"], object)[RNG.choice(4, count, p=[0.5, 0.4, 0.07, 0.03])]
    right = np.where(kind == "bad", RNG.random(count) < 0.6, True)
    outputs = np.eye(2, dtype=np.float32)[np.where(right, targets, 1 - targets)]
    age = RNG.uniform(0, 80, count)
    age[:5] = np.nan
    table = Table({"kind": kind, "age": age, "door": RNG.integers(1, 4, count).astype(float)})
    found = slices("binary", split_of(table, targets), outputs, ("no", "yes"), ["kind", "age", "door"])
    by = {name: [one for one in found if one.by == name] for name in ("kind", "age", "door")}
    for parts in by.values():
        assert sum(one.examples for one in parts) == count
    metrics = {one.value: one for one in by["kind"]}
    assert metrics["good"].figure == 1.0 and metrics["bad"].figure < 0.75
    assert metrics["rare"].few and not metrics["good"].few and "(missing)" in metrics
    assert len(by["age"]) == 5 and [one.value for one in by["door"]] == ["1", "2", "3"]
    for one in found:
        assert one.interval is None or one.interval[0] <= one.figure <= one.interval[1]
    with pytest.raises(UsageError, match="cannot be sliced by 'aeg'") as error:
        slices("binary", split_of(table, targets), outputs, ("no", "yes"), ["aeg"])
    assert "age" in (error.value.hint or "")


def test_texts_are_sliced_by_length() -> None:
    texts = Texts(tuple("word " * n for n in range(1, 101)))
    targets = np.zeros(100, int)
    outputs = np.eye(2, dtype=np.float32)[np.r_[np.zeros(50, int), np.ones(50, int)]]
    found = slices("binary", split_of(texts, targets), outputs, ("a", "b"), ["length"])
    assert [one.figure for one in found] == [1.0, 1.0, 0.0, 0.0] and found[0].value == "1 – 25 words"


def test_columns_no_model_sees_are_sliced_by_too(make_run: MakeRun, tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(3)
    rows = ["x,y,shop,year,label"]
    for i in range(300):
        label, shop = i % 2, ("north", "south", "east")[i % 3]
        x = rng.normal() if shop == "south" else 3 * label + rng.normal()
        rows.append(f"{x:.3f},{rng.normal():.3f},{shop},{2000 + i % 9 if i % 7 else 'n/a'},{'ab'[label]}")
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(rows))
    data = {"path": str(path), "target": "label", "features": ["x", "y"], "test": 0.5}
    run = make_run({"data": data})
    runs = ["--runs-dir", str(run.path.parent)]
    assert (
        bm(["evaluate", "trial", "--slice", "shop", "--slice", "year", "--slice", "x", "--json", *runs]) == 0
    )
    document = json.loads(capsys.readouterr().out)
    found = {(one["by"], one["value"]): one for one in document["slices"]}
    shops = {value: one["figure"] for (by, value), one in found.items() if by == "shop"}
    assert set(shops) == {"north", "south", "east"} and shops["south"] < min(shops["north"], shops["east"])
    assert ("year", "(missing)") in found and sum(by == "year" for by, _ in found) == 5
    for name in ("shop", "year", "x"):
        parts = [one["examples"] for (by, _), one in found.items() if by == name]
        assert sum(parts) == document["examples"], name
    assert bm(["evaluate", "trial", "--slice", "shpo", *runs]) == 2
    assert "did you mean shop?" in capsys.readouterr().err
    # Other files have columns too, of which each is known to be a number or not.
    assert (
        bm(["evaluate", "trial", "--data", str(path), "--slice", "shop", "--slice", "x", "--json", *runs])
        == 0
    )
    other = json.loads(capsys.readouterr().out)
    assert [one["value"] for one in other["slices"] if one["by"] == "shop"] == ["east", "north", "south"]
    assert sum(one["by"] == "x" for one in other["slices"]) == 4
    assert run.exists(f"evaluation/{other['split']}-slices.json")


def test_texts_are_sliced_by_the_columns_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    lines = [f"a film, number {i};{'web' if i % 4 < 2 else 'shop'};{i % 2}" for i in range(80)]
    path.write_text("\n".join(["text;source;label", *lines]))
    config = {"path": str(path), "text": "text", "target": "label", "delimiter": ";", "test": 0.5}
    split = data.load(DataConfig.model_validate(config)).test
    assert split is not None and sliceable(split) == ["source", "length"]
    outputs = np.eye(2, dtype=np.float32)[split.targets]
    found = slices("binary", split, outputs, ("0", "1"), ["source"])
    assert {one.value for one in found} == {"web", "shop"} and sum(one.examples for one in found) == 40


def test_parts_of_whole_numbers_do_not_overlap() -> None:
    years = np.repeat(np.arange(2015.0, 2024.0), 10)
    targets = np.zeros(len(years), int)
    outputs = np.eye(2, dtype=np.float32)[targets]
    split = split_of(Table({"year": years}), targets)
    found = slices("binary", split, outputs, ("a", "b"), ["year", "year"])
    assert [one.value for one in found] == ["2015 – 2016", "2017 – 2018", "2019 – 2020", "2021 – 2023"]


def test_parts_of_numbers_below_zero_have_no_dash_beside_a_minus() -> None:
    values = np.arange(-40.0, 40.0)
    targets = np.zeros(len(values), int)
    outputs = np.eye(2, dtype=np.float32)[targets]
    found = slices("binary", split_of(Table({"t": values}), targets), outputs, ("a", "b"), ["t"])
    assert [one.value for one in found][:2] == ["−40 to −21", "−20 to −1"]
