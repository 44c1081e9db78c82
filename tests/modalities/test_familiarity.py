from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from bmcli import api
from bmcli.cli.app import run as bm
from bmcli.config.schema import ImageConfig, TableConfig, TextConfig
from bmcli.core.errors import IntegrityError
from bmcli.core.spec import INPUT
from bmcli.data.bundle import Images, Table, Texts
from bmcli.modalities import familiarity
from bmcli.modalities.image.encoder import ImagePreprocessing
from bmcli.modalities.novelty import Surprise
from bmcli.modalities.remark import joined
from bmcli.modalities.table.encoder import TablePreprocessing
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.runs.store import RunStore


def digits() -> np.ndarray:
    return (load_digits().images * 15.9).astype(np.uint8)[..., None]


def of_images(arrays: np.ndarray) -> familiarity.Familiarity:
    examples = Images(arrays=arrays)
    return familiarity.fit(ImagePreprocessing.fit([examples], ImageConfig()), examples)


def test_inverted_and_blank_digits_are_odd_and_clean_ones_are_not() -> None:
    images = digits()
    train, test = images[:1_400], images[1_400:]
    known = familiarity.fit(
        ImagePreprocessing.fit([Images(arrays=train)], ImageConfig()), Images(arrays=train)
    )
    assert np.mean([bool(odd) for odd in known.odd(test)]) <= 0.01
    assert np.mean([bool(odd) for odd in known.odd(255 - test)]) >= 0.99
    blank = np.stack([np.full((8, 8, 1), grey, np.uint8) for grey in range(0, 256, 5)])
    assert all(known.odd(blank))
    assert any("inverted?" in text for text in known.odd(255 - test[:1])[0])
    prepared = ImagePreprocessing.fit([Images(arrays=train)], ImageConfig())
    assert len(told(prepared, known, Images(arrays=255 - test))) == len(test)
    assert len(told(prepared, known, Images(arrays=blank))) == len(blank)


def test_of_colour_images() -> None:
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


def told(preprocessing: Any, known: familiarity.Familiarity, examples: Any) -> dict[int, tuple[str, ...]]:
    return dict(known.look(preprocessing, examples, {INPUT: np.asarray(preprocessing.encode(examples))}).odd)


def smooth_images(count: int, seed: int) -> np.ndarray:
    """Colour gradients with some grain, lighter towards the top, as landscapes are."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(1, -1, 12)[None, :, None, None]
    columns = np.linspace(-1, 1, 12)[None, None, :, None]
    slopes = rng.normal(0, 8, (3, count, 1, 1, 3))
    images = 128 + (40 + slopes[0]) * rows + slopes[1] * columns + slopes[2]
    return np.clip(images + rng.normal(0, 3, images.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def images() -> tuple[ImagePreprocessing, familiarity.Familiarity]:
    examples = Images(arrays=smooth_images(2_500, 0))
    prepared = ImagePreprocessing.fit([examples], ImageConfig())
    return prepared, familiarity.fit(prepared, examples)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda a: np.rot90(a, 1, (1, 2)), "turned?"),
        (lambda a: np.rot90(a, 2, (1, 2)), "turned?"),
        (lambda a: 128 + 0.4 * (a - 128.0), "contrast"),
        (lambda a: a + np.random.default_rng(0).normal(0, 25, a.shape), "noise?"),
        (lambda a: np.repeat(a.mean(axis=3, keepdims=True), 3, axis=3), "grey?"),
    ],
)
def test_what_is_odd_about_images(spoil: Any, word: str, images: Any) -> None:
    spoiled = np.clip(spoil(smooth_images(100, 1)), 0, 255).astype(np.uint8)
    found = told(*images, Images(arrays=spoiled))
    assert len(found) >= 95
    said = [text for reasons in found.values() for text in reasons]
    assert sum(word in text for text in said) >= 50


def test_false_alarms_of_images(images: Any) -> None:
    assert len(told(*images, Images(arrays=smooth_images(6_000, 2)))) <= 6


def test_images_of_one_line_or_pixel() -> None:
    for shape in ((1, 1), (1, 9), (9, 1), (2, 2)):
        arrays = np.random.default_rng(0).integers(0, 256, (60, *shape, 1), dtype=np.uint8)
        examples = Images(arrays=arrays)
        prepared = ImagePreprocessing.fit([examples], ImageConfig())
        assert told(prepared, familiarity.fit(prepared, examples), examples) == {}


NOUNS = "film story actor scene plot music ending script cast director camera joke song hero villain"
VERBS = "is was seems looks feels remains becomes sounds"
JUDGED = "good bad funny dull moving slow clever tired fresh strange brilliant weak"


def reviews(count: int, seed: int) -> Texts:
    """Sentences that differ in length; some words are rare."""
    rng = np.random.default_rng(seed)

    def word(words: str) -> str:
        return str(rng.choice(words.split()))

    def sentence() -> str:
        rare = f" of {word(NOUNS)}s{rng.integers(40)}" if rng.random() < 0.1 else ""
        return f"the {word(NOUNS)}{rare} {word(VERBS)} {word(JUDGED)}"

    return Texts(
        tuple(", and ".join(sentence() for _ in range(rng.integers(1, 9))) + "." for _ in range(count))
    )


@pytest.fixture(scope="module")
def texts() -> tuple[TextPreprocessing, familiarity.Familiarity]:
    examples = reviews(2_500, 0)
    prepared = TextPreprocessing.fit(examples, TextConfig(max_length=64))
    return prepared, familiarity.fit(prepared, examples)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("film " * 30, "repeats"),
        ("for (int i = 0; i < n; ++i) { total += values[i]; }", "code"),
        ("THE FILM WAS GOOD, AND THE PLOT WAS DULL.", "capitals"),
        ("der Film war leider ein wenig langweilig", "unknown words"),
        ("фильм был хороший", "another script"),
        ("4711 0815 1234 5678 90 12", "character sequences unlike"),
        ("thefilmwasgoodandtheplotwasdull.", "fewer spaces"),
        ("", "no word"),
    ],
)
def test_what_is_odd_about_texts(text: str, word: str, texts: Any) -> None:
    prepared, known = texts
    assert any(word in reason for reason in told(prepared, known, Texts((text,)))[0])


def test_false_alarms_of_texts(texts: Any) -> None:
    assert len(told(*texts, reviews(3_000, 1))) <= 3


def test_words_of_one_text_alone_count_as_unknown_while_fitting(texts: Any) -> None:
    """Training texts have no unknown word where the vocabulary has room; new texts like them have some."""
    prepared, known = texts
    new = reviews(2_000, 5)
    rare = [i for i, text in enumerate(new.texts) if any(c.isdigit() for c in text)]
    assert len(rare) > 100 and not told(prepared, known, new.take(rare))


def patients(count: int, seed: int, *, gaps: float = 0.0) -> Table:
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 80, count)
    weight = 50 + 0.3 * age + rng.normal(0, 4, count)
    dose = np.exp(rng.normal(0, 1, count))
    for values in (age, weight):
        values[rng.random(count) < gaps] = np.nan
    return Table(
        {
            "age": age,
            "weight": weight,
            "dose": dose,
            "ward": rng.choice(np.array(["a", "b", "c"], object), count),
            "town": np.array([f"t{n}" for n in np.minimum(rng.zipf(1.6, count), 10**6)], object),
        }
    )


def of_patients(**options: float) -> tuple[TablePreprocessing, familiarity.Familiarity]:
    table = patients(3_000, 0, **options)
    prepared = TablePreprocessing.fit(table, TableConfig())
    return prepared, familiarity.fit(prepared, table)


@pytest.fixture(scope="module")
def rows() -> tuple[TablePreprocessing, familiarity.Familiarity]:
    return of_patients()


def one_row(**cells: Any) -> Table:
    usual = {"age": 50.0, "weight": 65.0, "dose": 1.0, "ward": "a", "town": "t1", **cells}
    return Table({n: np.array([v], object if isinstance(v, str) else np.float64) for n, v in usual.items()})


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"age": np.nan, "weight": np.nan, "dose": np.nan}, "all its numbers are missing"),
        ({"age": np.nan, "weight": np.nan}, "more values are missing than in any training row"),
        ({"age": 700.0}, "age is far above everything in training"),
        ({"age": 20.0, "weight": 86.0}, "an unusual combination of 'age' and 'weight'"),
        ({"ward": "z"}, "column 'ward': training has no 'z'"),
    ],
)
def test_what_is_odd_about_rows(cells: dict[str, Any], said: str, rows: Any) -> None:
    prepared, known = rows
    assert told(prepared, known, one_row()) == {}
    assert said in told(prepared, known, one_row(**cells))[0]


def test_missing_values_are_nothing_odd_where_training_has_them() -> None:
    prepared, known = of_patients(gaps=0.3)
    assert told(prepared, known, one_row(age=np.nan, weight=np.nan)) == {}
    assert (
        "all its numbers are missing"
        in told(prepared, known, one_row(age=np.nan, weight=np.nan, dose=np.nan))[0]
    )


def test_false_alarms_of_rows_and_a_column_in_which_new_categories_are_usual(rows: Any) -> None:
    prepared, known = rows
    new = patients(6_000, 1)
    assert len(told(prepared, known, new)) <= 6
    assert len(prepared.unfamiliar(new).odd) > 60, "towns that training does not have"
    said = known.look(prepared, new, {INPUT: np.asarray(prepared.encode(new))})
    assert all("new values are usual in this column" in text for text in said.taken) and said.taken


def test_of_few_examples_it_says_less_but_no_more_false_alarms() -> None:
    alarms = 0
    for seed in range(20):
        few = patients(40, seed)
        few = Table({name: few.columns[name] for name in ("age", "weight", "dose")})
        prepared = TablePreprocessing.fit(few, TableConfig())
        new = Table({n: v for n, v in patients(200, 100 + seed).columns.items() if n in few.columns})
        known = familiarity.fit(prepared, few)
        alarms += len(told(prepared, known, new))
        assert told(prepared, known, one_row(age=9e5)), "but what is far beyond is told"
    assert alarms <= 8


@pytest.mark.parametrize("kind", ["images", "texts", "rows"])
def test_what_is_kept_says_the_same(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    prepared, known = request.getfixturevalue(kind)
    examples: Any = {
        "images": Images(arrays=smooth_images(200, 3)[..., ::-1, :]),
        "texts": Texts(("film " * 30, *reviews(50, 3).texts)),
        "rows": one_row(age=700.0),
    }[kind]
    store = RunStore(tmp_path)
    run = store.create("kept")
    run.write_text("input_statistics.json", known.to_text())
    again = familiarity.load(run, prepared)
    assert again is not None and told(prepared, again, examples) == told(prepared, known, examples)
    document = json.loads(known.to_text())
    for broken in ({"center": [0.0]}, {"scale": [0.0] * len(document["surprise"]["scale"])}, {"starts": "x"}):
        run.write_text(
            "input_statistics.json", json.dumps(document | {"surprise": document["surprise"] | broken})
        )
        with pytest.raises(IntegrityError, match="damaged"):
            familiarity.load(run, prepared)
    older = {name: value for name, value in document.items() if name not in ("surprise", "usual")}
    run.write_text("input_statistics.json", json.dumps(older))
    assert familiarity.load(run, prepared) == replace(known, surprise=None, usual=None)


def test_what_many_training_rows_have_is_not_odd_once_it_was_kept() -> None:
    """Four of ten rows lack two cells of nine, as numbers of nine digits do not say exactly."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        lacking = rng.choice([0, 1, 2], 500, p=[0.5, 0.1, 0.4]) / 9
        traits = np.column_stack([rng.normal(size=500), lacking])
        made = Surprise.fit(traits, np.full(2, 0.02), np.array([-9.0, 0.0]), np.array([9.0, 2 / 9]))
        kept = Surprise.from_json(json.loads(json.dumps(made.to_json())), 2)
        assert kept.odd(traits) == made.odd(traits) == {}
        assert kept.odd(np.array([[0.0, 1.0]])), "but nine of nine are"


def test_reasons_in_one_line() -> None:
    reasons = ("darker than the training images", "lower contrast than the training images (blank?)")
    assert joined(reasons) == "darker than the training images; lower contrast (blank?)"
    assert joined(("brighter border", "darker than the training images")) == (
        "brighter border; darker than the training images"
    )


def test_few_training_examples_say_nothing() -> None:
    images = digits()[:10]
    known = familiarity.fit(
        ImagePreprocessing.fit([Images(arrays=images)], ImageConfig()), Images(arrays=images)
    )
    assert known.odd(255 - images) == [()] * 10


def test_predict_warns_and_refuses_when_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["training.epochs=1", "model={name: linear}", "evaluation.splits=[]"]
    api.train("digits_cnn", changes, runs_dir=tmp_path / "runs")
    image = digits()[3, :, :, 0]
    Image.fromarray(image).save(tmp_path / "clean.png")
    Image.fromarray(255 - image).save(tmp_path / "inverted.png")
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
    capsys.readouterr()
    assert bm([*arguments, "--strict"]) == 2, "an older run has nothing to go by"
    assert "has no input statistics, which --strict needs" in capsys.readouterr().err
    assert bm(arguments) == 0


def test_a_run_on_12_bits_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It learns, predicts what evaluation said, and warns of an image of 8 bits."""
    random = np.random.default_rng(0)
    for c, name in enumerate(("top", "bottom")):
        (tmp_path / "xray" / name).mkdir(parents=True)
        for i in range(40):
            image = 1000 + random.integers(0, 12, (8, 8))
            image[4 * c + 1 : 4 * c + 3, 2:6] += 60
            Image.fromarray(image.astype(np.uint16)).save(tmp_path / "xray" / name / f"{i}.png")
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
