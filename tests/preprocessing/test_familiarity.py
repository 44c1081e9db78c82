from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from bmcli import api
from bmcli.cli.app import run as bm
from bmcli.config.schema import ImageConfig, TableConfig, TextConfig
from bmcli.data.bundle import Images, Table, Texts
from bmcli.preprocessing import familiarity
from bmcli.preprocessing.image import ImagePreprocessing
from bmcli.preprocessing.table import TablePreprocessing
from bmcli.preprocessing.text import TextPreprocessing
from bmcli.runs.store import RunStore


def digits() -> np.ndarray:
    return (load_digits().images * 15.9).astype(np.uint8)[..., None]


def of_pictures(arrays: np.ndarray) -> familiarity.Familiarity:
    examples = Images(arrays=arrays)
    return familiarity.fit(ImagePreprocessing.fit([examples], ImageConfig()), examples)


def test_inverted_and_blank_digits_are_odd_and_clean_ones_are_not() -> None:
    pictures = digits()
    train, test = pictures[:1_400], pictures[1_400:]
    known = familiarity.fit(
        ImagePreprocessing.fit([Images(arrays=train)], ImageConfig()), Images(arrays=train)
    )
    assert np.mean([bool(odd) for odd in known.odd(test)]) <= 0.01
    assert np.mean([bool(odd) for odd in known.odd(255 - test)]) >= 0.99
    blank = np.stack([np.full((8, 8, 1), grey, np.uint8) for grey in range(0, 256, 5)])
    assert all(known.odd(blank))
    assert any("inverted?" in text for text in known.odd(255 - test[:1])[0])


def test_of_colour_pictures() -> None:
    rng = np.random.default_rng(0)
    colourful = rng.integers(0, 256, (300, 6, 6, 3), dtype=np.uint8)
    smooth = np.stack([np.asarray(Image.fromarray(p).resize((24, 24), 3)) for p in colourful])
    known = familiarity.fit(
        ImagePreprocessing.fit([Images(arrays=smooth)], ImageConfig()), Images(arrays=smooth)
    )
    grey = np.repeat(smooth[:20].mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8)
    assert all(any("grey?" in text for text in odd) for odd in known.odd(grey))
    noise = rng.integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)
    assert all(any("noise?" in text for text in odd) for odd in known.odd(noise))


def test_of_texts() -> None:
    texts = Texts(tuple(f"the film number {['one', 'two', 'three'][i % 3]} was good" for i in range(60)))
    preprocessing = TextPreprocessing.fit(texts, TextConfig())
    known = familiarity.fit(preprocessing, texts)
    given = Texts(("the film was good", "das war leider gar nichts", "the film qwertz"))
    fine, foreign, mostly = known.odd(np.asarray(preprocessing.encode(given)))
    assert fine == () == mostly and "words that the training texts do not have" in foreign[0]


def test_of_tables() -> None:
    rng = np.random.default_rng(0)
    table = Table({"age": rng.uniform(20, 70, 200), "kind": np.array(["a", "b"] * 100, object)})
    preprocessing = TablePreprocessing.fit(table, TableConfig())
    known = familiarity.fit(preprocessing, table)
    rows = Table(
        {"age": np.array([30.0, 90.0, 700.0, -400.0]), "kind": np.array(["a", "b", "a", "z"], object)}
    )
    found = known.odd(np.asarray(preprocessing.encode(rows)))
    assert found[:2] == [(), ()] and found[2] == ("age is far above everything in training",)
    assert "below" in found[3][0]


def test_few_training_examples_say_nothing() -> None:
    pictures = digits()[:10]
    known = familiarity.fit(
        ImagePreprocessing.fit([Images(arrays=pictures)], ImageConfig()), Images(arrays=pictures)
    )
    assert known.odd(255 - pictures) == [()] * 10


def test_predict_warns_and_refuses_when_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api.train("digits_cnn", ["training.epochs=1", "model={name: linear}"], runs_dir=tmp_path / "runs")
    picture = digits()[3, :, :, 0]
    Image.fromarray(picture).save(tmp_path / "clean.png")
    Image.fromarray(255 - picture).save(tmp_path / "inverted.png")
    arguments = ["predict", str(tmp_path / "clean.png"), str(tmp_path / "inverted.png")]
    arguments += ["--runs-dir", str(tmp_path / "runs"), "--run", "digits-cnn"]
    capsys.readouterr()
    assert bm(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err.count("warning") == 1 and "inverted.png: " in captured.err
    assert bm([*arguments, "--json"]) == 0
    clean, inverted = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert "unfamiliar" not in clean and any("brighter" in text for text in inverted["unfamiliar"])
    assert bm([*arguments, "--strict"]) == 3
    captured = capsys.readouterr()
    assert "does not look like the training data" in captured.err and "clean.png" in captured.out
    (tmp_path / "runs" / "digits-cnn-v1" / "input_statistics.json").write_text("{}")
    assert bm(arguments) == 4
    RunStore(tmp_path / "runs").find("digits-cnn").remove_file("input_statistics.json")
    assert bm([*arguments, "--strict"]) == 2, "an older run has nothing to go by"
    assert bm(arguments) == 0


def test_a_run_on_12_bits_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It learns, predicts what evaluation said, and warns of a picture of 8 bits."""
    random = np.random.default_rng(0)
    for c, name in enumerate(("top", "bottom")):
        (tmp_path / "xray" / name).mkdir(parents=True)
        for i in range(40):
            picture = 1000 + random.integers(0, 12, (8, 8))
            picture[4 * c + 1 : 4 * c + 3, 2:6] += 60
            Image.fromarray(picture.astype(np.uint16)).save(tmp_path / "xray" / name / f"{i}.png")
    config = {
        "name": "xray",
        "data": {"path": str(tmp_path / "xray"), "test": 0.4},
        "model": {"name": "linear"},
        "training": {"epochs": 15, "batch_size": 8, "optimizer": {"name": "adam", "learning_rate": 0.01}},
    }
    run = api.train(config, runs_dir=tmp_path / "runs")
    assert run.metrics["test"]["accuracy"] >= 0.9
    assert any("16-bit images: values 1,000 to 1,071" in note for note in run.record["notes"])
    rows = [row.split(",") for row in (run.path / "predictions" / "test.csv").read_text().splitlines()[1:]]
    for row, prediction in zip(rows, run.predict([tmp_path / "xray" / row[0] for row in rows]), strict=True):
        assert prediction.top[0].label == row[2] and not prediction.unfamiliar
        assert prediction.top[0].probability == pytest.approx(max(map(float, row[3:])), abs=1e-6)
    assert run.evaluate("test").metrics["accuracy"] == run.metrics["test"]["accuracy"]
    assert run.evaluate(data=tmp_path / "xray").metrics["accuracy"] >= 0.9
    values = np.stack([np.asarray(Image.open(tmp_path / "xray" / row[0])) for row in rows])
    of_array = [one.top[0].label for one in run.predict(values)]
    assert of_array == [row[2] for row in rows]
    Image.fromarray(np.clip(values[0] - 1000, 0, 255).astype(np.uint8)).save(tmp_path / "plain.png")
    arguments = ["predict", str(tmp_path / "plain.png"), "--runs-dir", str(tmp_path / "runs")]
    capsys.readouterr()
    assert bm(arguments) == 0
    assert "has 8 bits per value, where the training images have 16" in capsys.readouterr().err
