"""Pairs of texts from the config to a prediction: trained, measured, predicted, explained, exported."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest

import bmcli
from bmcli.config import resolve
from bmcli.config.drafting.inspect_table import look_at_table
from bmcli.core.errors import ConfigError, DataError, UsageError
from bmcli.experiments.display import Event, Note
from bmcli.experiments.prepare import prepare
from bmcli.inference.inputs import read
from bmcli.inference.opened import OpenedRun
from bmcli.modalities.mixed.encoder import MixedPreprocessing
from bmcli.modalities.mixed.rows import examples_in
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.modalities.text.examples import Texts
from bmcli.report.explanations import coloured, words
from bmcli.runs import layout
from bmcli.runs.run import Run
from bmcli.runs.trust import Trust
from tests.pretrained.make_folders import FOLDERS

TEXT = ["premise", "hypothesis"]
PAIRS = [("a good film", "it is bad"), ("was it good", "not that great [SEP] it was"), ("bad", "good")]


def written(folder: Path, count: int = 48) -> Path:
    words = ("good", "bad", "great", "fine")
    rows = []
    for i in range(count):
        one, other = words[i % 4], words[(i // 4) % 4]
        rows.append(
            {
                "premise": f"a {one} film {'the ' * (i % 9)}",
                "hypothesis": f"it is {other}, not {i}",
                "label": "same" if one == other else "other",
                "topic": f"t{i % 3}",
            }
        )
    pl.DataFrame(rows).write_ndjson(folder / "pairs.jsonl")
    return folder / "pairs.jsonl"


def config(folder: Path, name: str = "bert", **data: object) -> dict[str, Any]:
    return {
        "name": "nli",
        "data": {"path": str(written(folder)), "text": TEXT, "pair": True, "target": "label", **data},
        "model": {"name": "encoder", "weights": str(FOLDERS / name)},
        "training": {"epochs": 1, "batch_size": 16, "precision": "float32"},
    }


class Notes:
    """Keeps the notes of an experiment."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def handle(self, event: Event) -> None:
        if isinstance(event, Note):
            self.lines.append(event.text)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> bmcli.Run:
    folder = tmp_path_factory.mktemp("pairs")
    return bmcli.train(config(folder), runs_dir=folder / "runs", display=None)


def test_one_input_and_a_proof(run: bmcli.Run) -> None:
    assert run.record["onnx"]["published"], run.record["onnx"]
    session = onnxruntime.InferenceSession(run.path / layout.MODEL_ONNX)
    assert [one.name for one in session.get_inputs()] == ["input"]
    found = run.predict(PAIRS, display=None)
    assert [one.input for one in found] == [f"{a} | {b}" for a, b in PAIRS]
    encoder, _ = bmcli.load_preprocessing(run.path)
    ids = np.asarray(encoder.encode(_texts(PAIRS)))
    by_keras = np.asarray(run.keras_model()(ids))[:, 0]
    assert encoder.separator.written in ids[1]
    by_onnx = [one.probability for one in found]
    assert np.allclose(by_onnx, np.maximum(by_keras, 1 - by_keras), atol=1e-5)
    swapped = run.predict([(b, a) for a, b in PAIRS], display=None)
    assert all(one.probability != other.probability for one, other in zip(found, swapped, strict=True))


def _texts(pairs: list[tuple[str, str]]) -> Texts:
    return Texts(tuple(a for a, _ in pairs), tuple(b for _, b in pairs), ("premise", "hypothesis"))


FRAME = {"hypothesis": [b for _, b in PAIRS], "more": [1, 2, 3], "premise": [a for a, _ in PAIRS]}


@pytest.mark.parametrize(
    "form",
    [
        PAIRS,
        tuple(PAIRS),
        [list(pair) for pair in PAIRS],
        (pair for pair in PAIRS),
        np.array(PAIRS),
        np.array(PAIRS, object),
        pd.DataFrame(FRAME),
        pl.DataFrame(FRAME),
        FRAME,
        [{"premise": a, "hypothesis": b} for a, b in PAIRS],
    ],
    ids=lambda form: type(form).__name__,
)
def test_pairs_as_python_has_them(run: bmcli.Run, form: Any) -> None:
    wanted = [one.probability for one in run.predict(PAIRS, display=None)]
    assert [one.probability for one in run.predict(form, display=None)] == wanted


def test_a_pair_and_files(run: bmcli.Run, tmp_path: Path) -> None:
    first, *_ = run.predict(PAIRS, display=None)
    assert run.predict(PAIRS[0], display=None) == [first]
    pl.DataFrame(FRAME).write_csv(tmp_path / "new.csv")
    mixed = run.predict([PAIRS[0], tmp_path / "new.csv", PAIRS[0]], display=None)
    assert [one.probability for one in mixed[:2]] == [first.probability] * 2
    assert [one.input.rpartition(":")[2] for one in mixed[1:4]] == ["1", "2", "3"]
    assert mixed[4] == first


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("a good film", r"a pair of texts \(premise, hypothesis\) or a list of pairs, got a str"),
        (["a good film", "it is bad"], r"input 0: expected a pair of texts \(premise, hypothesis\), got a s"),
        ([("a", "b"), ("a", "b", "c")], "input 1: expected a pair"),
        ([("a", 3)], "input 0: expected a pair"),
        (np.array(["a", "b"]), "got an array of <U1, 2"),
        (np.ones((2, 2)), "got an array of float64, 2 × 2"),
        (b"a", "got a bytes"),
    ],
)
def test_what_is_not_a_pair(run: bmcli.Run, form: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run.predict(form, display=None)


def test_a_pair_needs_both_texts(run: bmcli.Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of 3 inputs") as error:
        run.predict([("a", " "), ("a", "b"), (None, "b")], display=None)
    said = [(problem.message, problem.place.file) for problem in error.value.problems]
    assert said == [("hypothesis: the text is empty", "pair 0"), ("premise: the text is empty", "pair 2")]
    (tmp_path / "one.csv").write_text("premise,other\na,b\n")
    with pytest.raises(DataError, match="no column 'hypothesis'"):
        run.predict(tmp_path / "one.csv", display=None)
    (tmp_path / "text.txt").write_text("a good film")
    with pytest.raises(DataError) as error:
        run.predict(tmp_path / "text.txt", display=None)
    assert "a table with the columns premise and hypothesis" in error.value.problems[0].message


def test_on_the_command_line(run: bmcli.Run, invoke: Callable[..., Any], tmp_path: Path) -> None:
    wanted = [one.probability for one in run.predict(PAIRS[:2], display=None)]

    def predicted(*args: str) -> Any:
        return invoke("predict", "--run", str(run.path), "--json", *args)

    texts = [text for pair in PAIRS[:2] for text in pair]
    found = [json.loads(line) for line in predicted("--text", *texts).out.splitlines()]
    assert [one["probability"] for one in found] == pytest.approx(wanted, abs=1e-6)
    assert found[0]["input"] == "a good film | it is bad"
    for args, message in (
        (("--text", "alone"), "this run takes pairs of texts, premise and hypothesis, but 1 text is given"),
        (("--text", "-", "b"), "cannot be read from stdin"),
        (("--lines", "x.txt"), "a line is one text, but this run takes pairs, premise and hypothesis"),
    ):
        refused = predicted(*args)
        assert refused.code == 2 and message in refused.out, refused
    pl.DataFrame(FRAME).head(2).write_ndjson(tmp_path / "new.jsonl")
    found = [json.loads(line)["probability"] for line in predicted("new.jsonl").out.splitlines()]
    assert found == pytest.approx(wanted, abs=1e-6)


def test_json_lines_on_stdin(run: bmcli.Run) -> None:
    reading = OpenedRun(Run(run.path), Trust(False)).reading(texts=False, lines=False)
    stdin = io.BytesIO(b'{"premise": "a", "hypothesis": "b"}\n{"premise": "c", "hypothesis": ""}\n')
    pieces = list(read(["-"], reading, stdin=stdin))
    (found,) = [piece.examples for piece in pieces if len(piece.examples)]
    assert (found.texts, found.seconds) == (("a",), ("b",))
    assert [one.message for piece in pieces for one in piece.problems] == ["column 'hypothesis' is empty"]


def test_words_of_both_texts_are_explained(run: bmcli.Run) -> None:
    (found,) = run.explain(PAIRS[1], display=None)
    said = found.to_json()["tokens"]
    columns = [one["column"] for one in said]
    assert columns == ["premise"] * 3 + ["hypothesis"] * 6
    assert [one["token"] for one in said] == [*PAIRS[1][0].split(), *PAIRS[1][1].split()]
    second = 3
    assert found.error < 0.05
    assert found.deletion is not None
    lines = coloured(found).plain.splitlines()
    assert lines == ["premise: was it good", "hypothesis: not that great [SEP] it was"]
    begins = [one["column"] for one in words(found.tokens, found.weights, found.columns)]
    assert [one for one in begins if one] == ["premise", "hypothesis"] and begins[second] == "hypothesis"


def test_it_is_measured_and_reported(run: bmcli.Run, tmp_path: Path) -> None:
    before = run.evaluations["test"]["metrics"]["accuracy"]
    assert run.evaluate("test").metrics["accuracy"] == before
    assert run.evaluate(data=written(tmp_path)).examples == 48
    page = bmcli.report(run, output=tmp_path / "report.html").read_text("utf-8")
    assert "film" in page and " | it is" in page
    found = bmcli.export(run, "onnx", tmp_path / "exported")
    assert "pairs" in (tmp_path / "exported/README.md").read_text("utf-8"), found


def test_another_run_of_pairs_takes_its_tokenizer(run: bmcli.Run, tmp_path: Path) -> None:
    """And calls the texts by its own columns."""
    pl.read_ndjson(written(tmp_path)).rename({"premise": "a", "hypothesis": "b"}).write_csv(
        tmp_path / "n.csv"
    )
    made = resolve.load(config(tmp_path, path=str(tmp_path / "n.csv"), text=["a", "b"]))
    encoder, _ = bmcli.load_preprocessing(run.path)
    found = prepare(made, reused=encoder, reused_from=Run(run.path), display=Notes())
    assert isinstance(found.preprocessing, TextPreprocessing) and found.preprocessing.pair == ("a", "b")


def test_a_part_of_several_may_be_a_pair(run: bmcli.Run, tmp_path: Path) -> None:
    from bmcli.files import tables

    encoder, _ = bmcli.load_preprocessing(run.path)
    assert isinstance(encoder, TextPreprocessing)
    mixed = MixedPreprocessing({"claim": encoder})
    pl.DataFrame(FRAME).write_csv(tmp_path / "mixed.csv")
    examples, problems = examples_in(tables.read(tmp_path / "mixed.csv"), mixed.encoders)
    assert not problems
    (array,) = mixed.usable(examples)[0].values()
    assert np.array_equal(array, encoder.encode(_texts(PAIRS)))


def test_rows_with_an_empty_text_are_listed(tmp_path: Path) -> None:
    made = config(tmp_path)
    file = Path(made["data"]["path"])
    file.write_text(file.read_text().replace("it is good, not 0", ""))
    with pytest.raises(DataError) as error:
        bmcli.check(made, build=True, display=None)
    assert [problem.message for problem in error.value.problems] == ["row 1: column 'hypothesis' is empty"]


def test_mistakes_are_found_at_their_place(tmp_path: Path) -> None:
    weights = FOLDERS / "bert"
    written(tmp_path)
    head = "data:\n  path: pairs.jsonl\n  target: label\n"
    model = f"model: {{name: encoder, weights: {weights}}}\n"
    for text, line, column, message in (
        ("  text: [premise, hypothesis, topic]\n  pair: true\n", 4, 9, "from two columns, and 3 are named"),
        ("  text: premise\n  pair: true\n", 4, 9, "from two columns, and 1 is named"),
        ("  pair: true\n", 4, 9, "from two columns, and none is named"),
        ("  text: [premise, premise]\n  pair: true\n", 4, 19, "column 'premise' is given twice"),
        ("  text: premise\n  text_pair: hypothesis\n", 5, 3, "unknown key 'text_pair'"),
    ):
        (tmp_path / "c.yaml").write_text(head + text + model)
        with pytest.raises(ConfigError) as error:
            resolve.load(tmp_path / "c.yaml")
        first = error.value.problems[0]
        assert message in first.message
        assert first.place is not None and (first.place.line, first.place.column) == (line, column), text
    (tmp_path / "c.yaml").write_text(head + "  text: [premise, hypothesis]\n  pair: true\nmodel: gru\n")
    with pytest.raises(ConfigError, match="gru reads one text, not pairs") as error:
        resolve.load(tmp_path / "c.yaml")
    assert error.value.problems[0].place is not None and error.value.problems[0].place.line == 5


def test_two_columns_are_joined_unless_they_are_a_pair(tmp_path: Path) -> None:
    for pair, said in ((None, True), (False, False)):
        notes = Notes()
        found = prepare(resolve.load(config(tmp_path, pair=pair)), display=notes)
        assert found.preprocessing.to_json().get("pair") is None
        assert any("data.pair: true reads them as a pair" in line for line in notes.lines) == said
        assert found.bundle.train.examples.texts[0].count("\n") == 1


def test_a_first_config_says_how_to_read_a_pair(tmp_path: Path) -> None:
    rows = [
        f'"The baker of town {i} sold {i * 7 % 90} old books.","Nobody in town {i} has read them.",{i % 2}'
        for i in range(40)
    ]
    (tmp_path / "pairs.csv").write_text("premise,hypothesis,label\n" + "\n".join(rows) + "\n")
    look = look_at_table(tmp_path / "pairs.csv")
    assert look.text == TEXT
    assert any("data.pair: true reads them as a pair" in line for line in look.seen)
