"""A toy with two inputs goes all the way, without a line of bm changed."""

from __future__ import annotations

import io
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bmcli
from bmcli.core.errors import BmError, DataError, UsageError
from bmcli.experiments import checkpointing
from bmcli.runs import layout
from tests.conftest import Done

Invoke = Callable[..., Done]
TOY = Path(__file__).with_name("two_inputs.py")
CONFIG: dict[str, Any] = {
    "name": "lamps",
    "code": [str(TOY)],
    "data": {"name": "lamps", "test": 0.25, "validation": 0.2},
    "model": {"name": "towers"},
    "training": {
        "epochs": 12,
        "batch_size": 16,
        "precision": "float32",
        "optimizer": {"name": "adam", "learning_rate": 0.02},
    },
}


def examples(count: int = 240, seed: int = 0) -> Any:
    """The toy's own. Imported within a test, after which what the toy registers is forgotten."""
    from tests.models import two_inputs

    return two_inputs.examples(count, seed=seed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("lamps")
    return bmcli.train(CONFIG, runs_dir=runs, display=None).path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "runs" / "lamps-v1")
    return tmp_path / "runs" / "lamps-v1"


def given(count: int = 7) -> dict[str, Any]:
    """New lamps, as Python has them: an array of photos, and a dict of columns."""
    mixed, _ = examples(count, seed=5)
    photos, table = mixed.parts["photo"], mixed.parts["row"]
    columns = {name: list(values) for name, values in table.columns.items()}  # type: ignore[attr-defined]
    return {"photo": photos.arrays, "row": columns}  # type: ignore[attr-defined]


def test_it_learns_from_both(trained: Path) -> None:
    """Each input alone is right three times out of four."""
    record = json.loads((trained / layout.RECORD).read_text())
    assert record["status"] == "completed" and record["kind"] == "mixed"
    assert record["onnx"]["published"], record["onnx"]
    assert record["metrics"]["test"]["accuracy"] > 0.85
    assert (trained / layout.REPORT).is_file()
    kept = json.loads((trained / layout.PREPROCESSING).read_text())
    assert kept["inputs"] == {"photo": [6, 6, 1], "row": [5]}


def test_predictions_need_no_code(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, targets = examples(7, seed=5)
    found = bmcli.load(trained).predict(given(), display=None)
    assert sum(one.index == target for one, target in zip(found, targets, strict=True)) >= 6
    assert [one.input for one in found] == list("0123456")


def test_predictions_see_both_parts(trained: Path) -> None:
    run, lamps = bmcli.load(trained), given()
    as_given = [one.to_json() for one in run.predict(lamps, display=None)]
    lamps["row"]["power"] = lamps["row"]["power"][::-1]
    assert as_given != [one.to_json() for one in run.predict(lamps, display=None)]
    lamps = given()
    lamps["photo"] = lamps["photo"][::-1]
    assert as_given != [one.to_json() for one in run.predict(lamps, display=None)]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda lamps: lamps["photo"], UsageError, "expected a dict of the parts photo, row"),
        (lambda lamps: {"photo": lamps["photo"]}, UsageError, "missing or not known: row"),
        (lambda lamps: {**lamps, "photo": lamps["photo"][:3]}, DataError, "no more than 3 of photo"),
        (lambda lamps: {**lamps, "row": {"power": lamps["row"]["power"]}}, BmError, "colour"),
    ],
)
def test_parts_that_do_not_fit(
    trained: Path, change: Callable[[Any], Any], error: type[BmError], said: str
) -> None:
    with pytest.raises(error, match=said):
        bmcli.load(trained).predict(change(given()), display=None)


def test_evaluated_again_the_metrics_are_the_same(run: Path, invoke: Invoke) -> None:
    before = json.loads((run / layout.evaluation_of("test")).read_text())
    assert invoke("evaluate", str(run), "--split", "test").code == 2  # it would run its code
    done = invoke("evaluate", str(run), "--split", "test", "--trust-code")
    assert done.code == 0, done.err
    assert json.loads((run / layout.evaluation_of("test")).read_text())["metrics"] == before["metrics"]


def test_reported(run: Path, invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("report", str(run), "--output", str(tmp_path / "page.html"))
    assert done.code == 0, done.err
    assert "lamps-v1" in (tmp_path / "page.html").read_text("utf-8")


def written(folder: Path, count: int = 7) -> list[dict[str, Any]]:
    """New lamps as files: a photo each in photos/, and the rows that name them."""
    from PIL import Image

    lamps, (_, targets) = given(count), examples(count, seed=5)
    (folder / "photos").mkdir(parents=True)
    rows = []
    for i, photo in enumerate(lamps["photo"]):
        Image.fromarray(photo[..., 0]).save(folder / "photos" / f"{i}.png")
        row = {name: values[i] for name, values in lamps["row"].items()}
        rows.append({"photo": f"photos/{i}.png", **row, "label": ["off", "on"][targets[i]]})
    return rows


def as_csv(rows: list[dict[str, Any]]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n"


def answers(done: Done) -> list[Any]:
    assert done.code == 0, done.err
    return [json.loads(line)["top"] for line in done.out.splitlines()]


def test_predicted_from_a_table(run: Path, invoke: Invoke, tmp_path: Path) -> None:
    rows = written(tmp_path)
    expected = [one.to_json()["top"] for one in bmcli.load(run).predict(given(), display=None)]
    (tmp_path / "rows.csv").write_text(as_csv(rows))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = str(tmp_path / "rows.csv")
    for file in ("rows.csv", "rows.jsonl"):
        done = invoke("predict", str(tmp_path / file), "--run", str(run), "--json")
        assert answers(done) == expected
    found = bmcli.load(run).predict(Path(table), display=None)
    assert [one.to_json()["top"] for one in found] == expected
    kept = invoke("predict", table, "--run", str(run), "--json", "--keep", "label")
    assert json.loads(kept.out.splitlines()[0])["columns"] == {"label": rows[0]["label"]}


@pytest.mark.parametrize("form", ["csv", "json"])
def test_predicted_from_stdin(
    run: Path, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Files are named as the shell names them: from the working directory."""
    rows = written(tmp_path, 2)
    sent = as_csv(rows) if form == "csv" else "".join(json.dumps(row) + "\n" for row in rows)
    expected = [one.to_json()["top"] for one in bmcli.load(run).predict(given(2), display=None)]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sent.encode())))
    assert answers(invoke("predict", "-", "--run", str(run), "--json")) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"photo": "photos/none.png"}, "photo: "),
        ({"photo": ""}, "column 'photo' is empty"),
        ({"power": "much"}, "row: column 'power'"),
    ],
)
def test_rows_that_cannot_be_used(
    run: Path, invoke: Invoke, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    rows = written(tmp_path, 3)
    rows[1] |= change
    (tmp_path / "rows.csv").write_text(as_csv(rows))
    done = invoke("predict", str(tmp_path / "rows.csv"), "--run", str(run))
    assert done.code == 3 and said in done.err and "rows.csv:2" in done.err
    assert "rows.csv:1" in done.out and "rows.csv:3" in done.out


def test_a_table_without_a_column_of_a_part(run: Path, invoke: Invoke, tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "photo"} for row in written(tmp_path)]
    (tmp_path / "rows.csv").write_text(as_csv(rows))
    done = invoke("predict", str(tmp_path / "rows.csv"), "--run", str(run))
    assert done.code == 3 and "lacks the column 'photo'" in done.err


def test_evaluated_on_a_table(run: Path, invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(as_csv(written(tmp_path, 40)))
    done = invoke("evaluate", str(run), "--data", str(tmp_path / "new.csv"), "--trust-code", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["metrics"]["accuracy"] > 0.8 and found["seen_in_training"] == 0


def test_each_part_is_explained(run: Path, invoke: Invoke, tmp_path: Path) -> None:
    """With the other parts as they are: an explanation of each adds up to what its part is worth."""
    (tmp_path / "rows.csv").write_text(as_csv(written(tmp_path, 4)))
    done = invoke("explain", str(tmp_path / "rows.csv"), "--run", str(run), "--trust-code", "--json")
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [(one["input"].rpartition(":")[2], one["part"]) for one in found] == [
        (str(row), part) for row in (1, 2, 3, 4) for part in ("photo", "row")
    ]
    photo, row = found[:2]
    assert Path(photo["picture"]).is_file() and "the other parts as they are" in photo["baseline"]
    assert photo["base"] + photo["difference"] == pytest.approx(row["base"] + row["difference"], rel=1e-4)
    by_column = {one["name"]: abs(one["weight"]) for one in row["features"]}
    assert by_column["power"] > by_column["colour"]
    assert sum(one["weight"] for one in row["features"]) == pytest.approx(row["difference"], rel=0.01)
    rows = [{**row, "power": 4000.0} for row in written(tmp_path / "odd", 1)]
    (tmp_path / "odd" / "odd.csv").write_text(as_csv(rows))
    done = invoke("explain", str(tmp_path / "odd" / "odd.csv"), "--run", str(run), "--trust-code")
    assert done.code == 0 and done.err.count("power") == 1, "said once for both parts"
    (first, *_) = bmcli.load(run).explain(given(4), trust_code=True, display=None)
    assert first.part == "photo" and float(first.weights.sum()) == pytest.approx(
        photo["difference"], rel=0.01
    )


def test_the_report_explains_both_parts(run: Path, invoke: Invoke, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = invoke("report", str(run), "--explain", "--trust-code", "--output", str(page))
    assert done.code == 0, done.err
    kept = json.loads((run / layout.explanations_of("test")).read_text())["explanations"]
    assert [one["part"] for one in kept[:2]] == ["photo", "row"] and kept[0]["true"] == kept[1]["true"]
    text = page.read_text("utf-8")
    assert "What each column adds" in text and "supports the prediction" in text


def test_parts_unlike_those_of_training_are_named(run: Path, invoke: Invoke, tmp_path: Path) -> None:
    lamps = given(3)
    lamps["photo"][1, ::2] = 255 - lamps["photo"][1, ::2]  # stripes
    lamps["row"]["power"][2] = 4000.0
    lamps["row"]["colour"][2] = "ultraviolet"
    usual, striped, odd = bmcli.load(run).predict(lamps, display=None)
    assert not usual.unfamiliar
    assert striped.unfamiliar and all(one.startswith("photo: ") for one in striped.unfamiliar)
    assert any("'ultraviolet'" in one for one in odd.unfamiliar)
    assert any("power" in one for one in odd.unfamiliar)
    assert all(one.startswith("row: ") for one in odd.unfamiliar)
    with pytest.raises(DataError, match="2 of 3"):
        bmcli.load(run).predict(lamps, strict=True, display=None)
    rows = written(tmp_path, 30)
    for row in rows:
        row["power"] = 4000.0
    (tmp_path / "new.csv").write_text(as_csv(rows))
    done = invoke("evaluate", str(run), "--data", str(tmp_path / "new.csv"), "--trust-code")
    assert "new.csv, row: " in done.err and "new.csv, photo: " not in done.err


def prepared(augment: list[Any]) -> Any:
    from bmcli.config import resolve
    from bmcli.experiments.display import Silent
    from bmcli.experiments.prepare import prepare

    config = {**CONFIG, "data": {**CONFIG["data"], "augment": augment}}
    return prepare(resolve.load(config, run_code=True), display=Silent())


def test_augmentations_change_the_parts_that_they_are_for() -> None:
    from bmcli.experiments.prepare import build, make_trainer

    experiment = prepared(["flip", {"name": "crop", "padding": 1}])
    assert experiment.notes[-1] == "data.augment changes photo; unchanged: row"
    feed = make_trainer(experiment, *build(experiment)).feed
    drawn, plain = feed.source, next(feed.groups(1, start=0, size=lambda: 1))
    chosen = plain.examples[0]
    assert (plain.inputs["photo"][0] != drawn[chosen]["photo"]).any()
    np.testing.assert_array_equal(plain.inputs["row"][0], drawn[chosen]["row"])
    with pytest.raises(BmError, match="mixup blends whole examples, but row cannot be blended"):
        prepared(["mixup"])


@pytest.mark.parametrize("format", ["onnx", "saved_model", "litert"])
def test_exported(run: Path, format: str, tmp_path: Path) -> None:
    if format == "litert":
        pytest.importorskip("ai_edge_litert")
    from bmcli.core.batch import rows
    from bmcli.export import engines
    from bmcli.export.samples import Samples
    from bmcli.export.verify import compare

    exported = bmcli.load(run).export(format, tmp_path / "out", trust_code=True)
    samples = Samples.from_bytes((run / layout.SAMPLES).read_bytes())
    assert set(samples.inputs) == {"photo", "row"} and len(samples) == exported.samples
    session = engines.load(exported.format, exported.model, tuple(samples.inputs))
    for size in (len(samples), 3):
        assert compare(session.predict(samples.inputs, batch_size=size), samples.outputs).agrees
    turned = {**samples.inputs, "row": samples.inputs["row"][::-1]}
    assert not compare(session.predict(turned), samples.outputs).agrees
    few = rows(samples.inputs, slice(0))
    if format == "onnx":
        assert session.predict(few).shape == (0, 2)
    page = (exported.path / "README.md").read_text()
    assert "Input photo: float32 [batch, 6, 6, 1]" in page and "Input row: float32 [batch, 5]" in page


def test_stopped_and_resumed_it_ends_the_same(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, done = checkpointing.save, 0

    def counted(*args: Any, **how: bool) -> None:
        nonlocal done
        save(*args, **how)
        done += 1
        if done == 3:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(checkpointing, "save", counted)
        with pytest.raises(BmError, match="was stopped"):
            bmcli.train(CONFIG, runs_dir=tmp_path, display=None)
    again = bmcli.load(tmp_path / "lamps-v1").resume(trust_code=True, display=None)
    whole = json.loads((trained / layout.RECORD).read_text())
    assert again.record["weights_sha256"] == whole["weights_sha256"]
    assert again.record["exact"] is True


def test_parts_must_be_equally_many() -> None:
    mixed, _ = examples(4)
    with pytest.raises(ValueError, match="3 of 'photo', 4 of 'row'"):
        type(mixed)({"photo": mixed.parts["photo"].take([0, 1, 2]), "row": mixed.parts["row"]})
    assert len(mixed.take([2, 0])) == 2


def test_what_cannot_be_used_of_one_part_leaves_with_the_others() -> None:
    from bmcli.config.schema import PreprocessingConfig
    from bmcli.data.bundle import DataBundle, Split, Table
    from bmcli.modalities import preprocessing

    mixed, targets = examples(60)
    data = Split(mixed, targets, tuple(map(str, range(60))))
    bundle = DataBundle("mixed", "binary", ("off", "on"), data, None, None, "")
    fitted, spec = preprocessing.fit(bundle, PreprocessingConfig())
    assert [one.name for one in spec.inputs] == ["photo", "row"]
    powers = np.array(["1", "much", "3"], object)
    colours = np.array(["red", "red", "blue"], object)
    odd = type(mixed)(
        {"photo": mixed.parts["photo"].take([0, 1, 2]), "row": Table({"power": powers, "colour": colours})}
    )
    batch, problems = fitted.usable(odd)
    assert list(problems) == [1] and problems[1].startswith("row: ")
    assert {name: len(array) for name, array in batch.items()} == {"photo": 2, "row": 2}
    np.testing.assert_array_equal(batch["photo"], fitted.source(odd.take([0, 2])).sources["photo"])
    again, read = preprocessing.load(preprocessing.dump(fitted, spec))
    assert read == spec and again.to_json() == fitted.to_json()
