"""A toy with two inputs goes all the way, without a line of bm changed."""

from __future__ import annotations

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


def test_reported_and_explained(run: Path, invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("report", str(run), "--output", str(tmp_path / "page.html"))
    assert done.code == 0, done.err
    assert "lamps-v1" in (tmp_path / "page.html").read_text("utf-8")
    with pytest.raises(UsageError, match="takes several inputs"):
        bmcli.load(run).explain(given(1), trust_code=True, display=None)
    done = invoke("predict", "lamp.png", "--run", str(run))
    assert done.code == 2 and "not read from files" in done.err


@pytest.mark.parametrize("format", ["onnx", "saved_model"])
def test_exported(run: Path, format: str, tmp_path: Path) -> None:
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
