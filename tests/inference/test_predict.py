from __future__ import annotations

import json

import numpy as np
import pytest

from bmcli.core.errors import DataError, IntegrityError, UsageError
from bmcli.core.spec import DataSpec
from bmcli.data.bundle import Images, Table, Texts
from bmcli.inference.inputs import Inputs
from bmcli.inference.opened import OpenedRun
from bmcli.inference.predictor import Predictor, choose_run, open_predictor, predict
from bmcli.modalities import preprocessing as preprocessings
from bmcli.modalities.image.encoder import ImagePreprocessing

CLASSES = ("[red]", "=cmd()", "\x1b[31m")


class Fixed:
    """A session that answers with the first pixels of each image."""

    engine = "onnx"

    def __init__(self, width: int) -> None:
        self.width = width
        self.batches: list[int] = []

    def predict(self, batch, batch_size=256):
        inputs = batch["input"]
        self.batches.append(len(inputs))
        return inputs.reshape(len(inputs), -1)[:, : self.width].astype(np.float32)


def predictor(task: str, outputs: np.ndarray, classes=CLASSES) -> tuple[Predictor, Inputs]:
    """A predictor that gives `outputs` (multiples of 1/255), and the inputs it gives them for."""
    width = outputs.shape[1]
    images = np.zeros((len(outputs), 1, 4, 1), np.uint8)
    images[:, 0, :width, 0] = np.rint(outputs * 255)
    prepared = ImagePreprocessing(1, 4, 1, "unit", (1 / 255,), (0.0,))
    spec = DataSpec.single("image", task, (1, 4, 1), () if task == "regression" else classes)
    names = tuple(f"{i}.png" for i in range(len(outputs)))
    return Predictor("r-v1", prepared, spec, Fixed(width)), Inputs(Images(arrays=images), names)


def test_classes_best_first_ties_by_index():
    asked, inputs = predictor("multiclass", np.array([[0.2, 0.2, 0.6], [1.0, 0.0, 0.0]]))
    (first, second), problems = asked.predict(inputs, top_k=2)
    assert problems == []
    assert [c.label for c in first.top] == ["\x1b[31m", "[red]"]
    assert second.to_json() == {
        "input": "1.png",
        "run": "r-v1",
        "label": "[red]",
        "index": 0,
        "probability": 1.0,
        "top": [
            {"label": "[red]", "index": 0, "probability": 1.0},
            {"label": "=cmd()", "index": 1, "probability": 0.0},
        ],
    }
    assert len(asked.predict(inputs)[0][0].top) == 3
    assert len(asked.predict(inputs, top_k=99)[0][0].top) == 3


def test_multilabel_gives_the_labels_that_hold_and_all_probabilities():
    asked, inputs = predictor("multilabel", np.array([[0.2, 0.6, 1.0], [0.0, 0.2, 0.4]]))
    both, none = asked.predict(inputs)[0]
    assert [c["index"] for c in both.to_json()["labels"]] == [2, 1]
    assert none.to_json()["labels"] == []
    assert [c["index"] for c in none.to_json()["top"]] == [2, 1, 0]


def test_regression_gives_a_value():
    asked, inputs = predictor("regression", np.array([[1.0]]))
    assert asked.predict(inputs)[0][0].to_json() == {"input": "0.png", "run": "r-v1", "value": 1.0}


def test_numbers_have_no_more_digits_than_float32():
    asked, inputs = predictor("regression", np.array([[1.0]]))
    asked.session.predict = lambda *a: np.array([[0.2]], np.float32)
    text = json.dumps(asked.predict(inputs)[0][0].to_json())
    assert '"value": 0.2}' in text


def test_an_answer_that_is_no_number_is_a_problem():
    asked, inputs = predictor("multiclass", np.array([[0.2, 0.2, 0.6]] * 3))
    session = asked.session
    honest = session.predict
    session.predict = lambda *a: np.where(np.arange(3)[:, None] == 1, np.nan, honest(*a))
    predictions, problems = asked.predict(inputs)
    assert [p.input for p in predictions] == ["0.png", "2.png"]
    assert [p.place.file for p in problems] == ["1.png"]


@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_batches_and_pieces_do_not_change_the_answers(batch_size):
    outputs = np.random.default_rng(0).integers(0, 256, (10, 3)) / 255
    asked, inputs = predictor("multiclass", outputs)
    whole = asked.predict(inputs)[0]
    pieces = [Inputs(inputs.examples.take([i]), (inputs.names[i],)) for i in range(10)]
    streamed = [p for some, _ in asked.stream(iter(pieces), batch_size=batch_size) for p in some]
    assert streamed == whole == asked.predict(inputs, batch_size=batch_size)[0]
    assert max(asked.session.batches[-4:]) <= batch_size


def test_a_failing_reader_fails_the_stream():
    asked, inputs = predictor("regression", np.array([[0.2]]))

    def pieces():
        yield inputs
        raise UsageError("enough")

    stream = asked.stream(pieces())
    assert len(next(stream)[0]) == 1
    with pytest.raises(UsageError, match="enough"):
        next(stream)


def test_a_run_is_asked_through_its_files_alone(make_run):
    run = make_run({"data": {"name": "digits", "limit": 150}})
    from bmcli import data
    from bmcli.config import resolve

    bundle = data.load(resolve.load(run.verified("config.yaml")).data)
    predictions = predict(OpenedRun(run), bundle.test.examples)
    assert [p.input for p in predictions[:2]] == ["0", "1"]
    right = np.mean([p.top[0].index == t for p, t in zip(predictions, bundle.test.targets, strict=True)])
    assert right > 0.6
    assert open_predictor(OpenedRun(run)).session.engine == "onnx"


def test_rows_that_cannot_be_used_are_listed(make_run):
    run = make_run({"data": {"name": "diabetes"}})
    columns = {c.name: np.array([0.0, np.inf, 1.0]) for c in OpenedRun(run).preprocessing.columns}
    with pytest.raises(DataError) as caught:
        predict(OpenedRun(run), Table(columns))
    assert [p.place.file for p in caught.value.problems] == ["1"]
    assert caught.value.message == "1 of 3 inputs cannot be used"


def test_the_wrong_kind_of_example(make_run):
    run = make_run({"data": {"name": "diabetes"}})
    with pytest.raises(DataError, match="table"):
        predict(OpenedRun(run), Texts(("x",)))


def test_damaged_preprocessing_is_an_integrity_error(make_run):
    run = make_run({"data": {"name": "diabetes"}})
    (run.path / "preprocessing.json").write_text("{}")
    with pytest.raises(IntegrityError):
        open_predictor(OpenedRun(run))


def test_code_in_a_run_without_onnx_is_not_run_unasked(make_run):
    run = make_run({"data": {"name": "diabetes"}})
    run.write_text("code/mine.py", "raise SystemExit('ran')")
    assert open_predictor(OpenedRun(run)).run == "trial-v1"  # through model.onnx nothing of it is needed
    run.remove_file("model.onnx")
    config = run.read_text("config.yaml").replace("name: mlp", "name: mine")
    run.write_text("config.yaml", config.replace("code: []", "code: [code/mine.py]"))
    with pytest.raises(UsageError) as caught:
        open_predictor(OpenedRun(run))
    assert "--trust-code" in (caught.value.hint or "")


def test_the_newest_run_that_takes_such_inputs(make_run, store):
    with pytest.raises(UsageError, match="no completed run"):
        choose_run(store, ("image",))
    make_run({"data": {"name": "digits", "limit": 60}}, name="old")
    make_run({"data": {"name": "digits", "limit": 60}}, name="new")
    make_run({"data": {"name": "diabetes"}}, name="table")
    run, names = choose_run(store, ("image",))
    assert (run.id, names) == ("new-v1", ("new", "old"))
    assert choose_run(store, ("table", "text"))[0].id == "table-v1"
    with pytest.raises(UsageError, match="texts"):
        choose_run(store, ("text",))
    run.update(status="interrupted")
    assert choose_run(store, ("image",))[0].id == "old-v1"


def test_preprocessing_of_a_run_is_what_training_used(make_run):
    run = make_run({"data": {"name": "diabetes"}})
    opened = OpenedRun(run)
    prepared, spec = opened.preprocessing, opened.spec
    files = preprocessings.dump(prepared, spec)
    assert files["preprocessing.json"] == run.read_text("preprocessing.json")
