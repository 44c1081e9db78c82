"""Explanations of networks that were really trained, on data whose reason is known because it was planted."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from bmcli import api
from bmcli.cli.app import run as bm
from bmcli.core.errors import Problem
from bmcli.core.number_format import quantity
from bmcli.data.bundle import Images, Table, Texts
from bmcli.explain import attributions
from bmcli.explain.explain import Explainer, Explanation
from bmcli.inference import inputs as readers
from bmcli.inference.inputs import Inputs
from bmcli.inference.opened import OpenedRun
from bmcli.modalities.table.cells import Cell
from bmcli.report import explanations
from bmcli.report.explanations import signed, steps
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore

SIDE = 24


def planted(rng: np.random.Generator, cue: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """Noise, with a bright 6 × 6 cross somewhere where there is a cue, and where that is."""
    pixels = rng.integers(0, 120, (SIDE, SIDE), dtype=np.uint8)
    y, x = (int(n) for n in rng.integers(1, SIDE - 7, 2))
    if cue:
        pixels[y : y + 6, x + 2 : x + 4] = pixels[y + 2 : y + 4, x : x + 6] = 255
    return pixels, (y, x)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    for i in range(300):
        name = "cross" if i % 2 else "plain"
        (made / "images" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(planted(rng, name == "cross")[0]).save(made / "images" / name / f"{i}.png")
    words = ["film", "story", "actor", "scene", "music", "night"]
    rows = ["text,label"]
    for _ in range(300):
        good = rng.random() < 0.5
        text = [*rng.choice(words, 5), "splendid" if good else "dreadful"]
        rows.append(f"{' '.join(rng.permutation(text))},{'pos' if good else 'neg'}")
    (made / "texts.csv").write_text("\n".join(rows) + "\n")
    numbers = rng.normal(size=(300, 3))
    kinds = np.where(numbers[:, 0] > 0, "yes", "no")
    lines = [",".join([*(f"{n:.6f}" for n in row), kind]) for row, kind in zip(numbers, kinds, strict=True)]
    (made / "table.csv").write_text("reason,noise,other,kind\n" + "\n".join(lines) + "\n")
    return made


def trained(folder: Path, name: str, config: str) -> Run:
    path = folder / f"{name}.yaml"
    path.write_text(config)
    api.train(path, runs_dir=folder / "runs")
    return RunStore(folder / "runs").find(name)


@pytest.fixture(scope="module")
def images(folder: Path) -> Run:
    return trained(
        folder,
        "images",
        "data: {path: images}\nmodel: {name: cnn, filters: [8, 16], dense: [16]}\n"
        "training: {epochs: 12, batch_size: 16}\n",
    )


@pytest.fixture(scope="module")
def texts(folder: Path) -> Run:
    return trained(
        folder,
        "texts",
        "data: {path: texts.csv, target: label, text: text}\n"
        "model: {name: transformer, width: 16, heads: 2, blocks: 1}\n"
        "training: {epochs: 8, batch_size: 16}\n",
    )


@pytest.fixture(scope="module")
def table(folder: Path) -> Run:
    return trained(
        folder, "table", "data: {path: table.csv, target: kind}\nmodel: mlp\ntraining: {epochs: 40}\n"
    )


def explained(explainer: Explainer, examples, names: tuple[str, ...]) -> list[Explanation]:
    found = list(explainer.explain(Inputs(examples, names)))
    assert all(isinstance(one, Explanation) for one in found)
    return found


def crosses(count: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    rng = np.random.default_rng(99)
    made = [planted(rng, True) for _ in range(count)]
    return np.stack([pixels for pixels, _ in made])[..., None], [place for _, place in made]


def share_within(weights: np.ndarray, place: tuple[int, int]) -> float:
    """How much of what speaks for the class lies within two pixels of the cue."""
    mine = np.maximum(weights, 0)
    y, x = (max(n - 2, 0) for n in place)
    return float(mine[y : place[0] + 8, x : place[1] + 8].sum() / max(mine.sum(), 1e-12))


def test_a_planted_cue_is_what_lights_up(images: Run) -> None:
    examples, places = crosses(8)
    explainer = Explainer(OpenedRun(images), label="cross")
    found = explained(explainer, Images(arrays=examples), tuple("abcdefgh"))
    assert np.mean([one.value for one in found]) > 0.9, "the network has learned it"
    area = 100 / SIDE**2
    integrated = [share_within(one.weights, place) for one, place in zip(found, places, strict=True)]
    assert np.mean(integrated) > 2.5 * area
    heats = []
    for one, place in zip(found, places, strict=True):
        assert one.heat is not None and one.heat.min() >= 0 and one.heat.max() == 1
        grown = Image.fromarray((255 * one.heat).astype(np.uint8)).resize(
            (SIDE, SIDE), Image.Resampling.BILINEAR
        )
        heats.append(share_within(np.asarray(grown, float), place))
    assert np.mean(heats) > 2.5 * area


def test_they_are_complete_and_deletion_tells_them_from_chance(images: Run) -> None:
    examples, _ = crosses(6)
    found = explained(Explainer(OpenedRun(images)), Images(arrays=examples), tuple("abcdef"))
    for one in found:
        assert abs(one.weights.sum() - one.difference) <= 0.01 * max(abs(one.difference), 1e-3)
        assert one.error <= 0.01
    assert np.mean([one.deletion[0] for one in found]) > 2 * np.mean([one.deletion[1] for one in found])


def test_a_randomised_model_is_explained_otherwise(images: Run) -> None:
    """The sanity check of Adebayo et al. (2018): an explanation must depend on what was learned."""
    from scipy.stats import spearmanr

    examples, _ = crosses(4)
    explainer = Explainer(OpenedRun(images), label="cross")
    before = explained(explainer, Images(arrays=examples), tuple("abcd"))
    rng = np.random.default_rng(1)
    for variable in explainer.network.trainable_variables:
        values = np.asarray(variable.value)
        variable.assign(rng.permutation(values.reshape(-1)).reshape(values.shape))
    after = explained(explainer, Images(arrays=examples), tuple("abcd"))
    for one, other in zip(before, after, strict=True):
        assert abs(spearmanr(one.weights.ravel(), other.weights.ravel()).statistic) < 0.5
        assert np.abs(one.heat - other.heat).max() > 0.1


def test_words_that_decide_weigh_most(texts: Run) -> None:
    given = ("film story splendid actor night", "dreadful music scene film story")
    good, bad = explained(Explainer(OpenedRun(texts)), Texts(given), given)
    assert (good.label, bad.label) == ("pos", "neg")
    assert good.tokens[int(np.argmax(good.weights))] == "splendid"
    assert bad.tokens[int(np.argmax(bad.weights))] == "dreadful"
    for one in (good, bad):
        assert one.error <= 0.01 and one.deletion[0] > one.deletion[1]
    (against,) = explained(Explainer(OpenedRun(texts), label="neg"), Texts(given[:1]), given[:1])
    assert against.tokens[int(np.argmin(against.weights))] == "splendid"
    page = explanations.page([good, bad])
    assert page.count('class="for"') + page.count('class="against"') == 10 + 2 and "<script" not in page


def test_of_a_table(table: Run, folder: Path) -> None:
    rows = {"reason": np.array([2.0, -2.0]), "noise": np.array([0.1, 1.0]), "other": np.zeros(2)}
    for one in explained(Explainer(OpenedRun(table)), Table(rows), ("a", "b")):
        assert [name for name, _ in one.features] == ["reason", "noise", "other"]
        assert int(np.argmax(np.abs(one.weights))) == 0 and one.error <= 0.01
        assert dict(one.features)["reason"].value == (2.0 if one.input == "a" else -2.0)
        assert [row[0] for row in explanations.bars(one)][:2] == ["base", "reason"]
    runs = ["--runs-dir", str(folder / "runs")]
    assert bm(["explain", str(folder / "table.csv"), "--run", "table", "--importance", *runs]) == 0
    assert bm(["explain", "a", "b", "--run", "table", "--importance", *runs]) == 2
    assert bm(["explain", "-", "--run", "table", "--importance", *runs]) == 2
    assert bm(["explain", str(folder / "table.csv"), "--run", "table", "-o", "out", *runs]) == 2


def test_of_a_category(folder: Path, tmp_path: Path) -> None:
    lines = [f"{city},{number},{city == 'Lima'}" for number in range(20) for city in ("Lima", "Oslo", "Rome")]
    (tmp_path / "cities.csv").write_text("\n".join(["city,number,near", *lines]) + "\n")
    run = trained(
        folder,
        "cities",
        f"data: {{path: {tmp_path / 'cities.csv'}, target: near}}\nmodel: mlp\n"
        "training: {epochs: 5, batch_size: 8}\n",
    )
    rows = {"city": np.array(["Oslo", "Paris"], object), "number": np.array([3.0, 4.0])}
    known, unknown = explained(Explainer(OpenedRun(run)), Table(rows), ("a", "b"))
    assert [cell.value for _, cell in known.features] == ["Oslo", 3.0]
    assert unknown.features[0] == ("city", Cell("Paris", "unseen"))
    assert "training has no 'Paris'" in unknown.unfamiliar[0]
    assert ("city", "Oslo") in [row[:2] for row in explanations.bars(known)]
    assert ("city", "Paris (not in training)") in [row[:2] for row in explanations.bars(unknown)]
    assert known.to_json()["features"][0] | {"weight": 0} == {
        "name": "city",
        "value": "Oslo",
        "state": "",
        "weight": 0,
    }


def test_the_most_important_column_is_the_reason(
    table: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs-dir", str(folder / "runs"), "--run", "table"]
    assert bm(["explain", str(folder / "table.csv"), "--importance", "--json", *runs]) == 0
    document = json.loads(capsys.readouterr().out)
    first, *others = document["columns"]
    assert first["column"] == "reason" and first["drop"] > 5 * max(one["drop"] for one in others)


def test_the_command_writes_images(images: Run, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for i, pixels in enumerate(crosses(2)[0]):
        Image.fromarray(pixels[..., 0]).save(tmp_path / "in" / f"<b>&{i}.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"nothing")
    runs = ["--runs-dir", str(images.path.parent)]
    assert bm(["explain", "in", "--run", "images", "--json", *runs]) == 3, "one of them is unusable"
    captured = capsys.readouterr()
    documents = [json.loads(line) for line in captured.out.splitlines()]
    assert "broken.png" in captured.err and "broken.png" in documents.pop()["error"]["file"]
    assert len(documents) == 2
    for one in documents:
        assert one["completeness_error"] <= 0.01 and set(one["deletion"]) == {"most_important", "random"}
        with Image.open(one["picture"]) as image:
            assert image.size == (3 * 280 + 16, 280)
    assert bm(["explain", "in/<b>&0.png", "--run", "images", "--class", "crss", *runs]) == 2
    assert "did you mean cross?" in capsys.readouterr().err


def test_integrated_gradients_of_a_known_function() -> None:
    """Of x₀² + 3 x₁ from the origin the attributions are x₀² and 3 x₁."""
    from keras import ops

    gradient = attributions.gradient_of(lambda given: ops.square(given[0][:, 0]) + 3 * given[0][:, 1])
    found = attributions.integrated_gradients(gradient, [np.array([2.0, -1.0])], [np.zeros(2)])
    np.testing.assert_allclose(found.attributions[0], [4.0, -3.0], rtol=1e-3)
    assert found.difference == pytest.approx(1.0, abs=1e-5) and found.error < 0.005


@pytest.mark.parametrize("name", ["images", "texts", "table"])
def test_a_report_shows_what_the_run_looked_at(name: str, request, folder: Path, capsys) -> None:
    run = request.getfixturevalue(name)
    runs = ["--runs-dir", str(folder / "runs")]
    assert bm(["report", name, *runs]) == 0
    assert 'id="explanations"' not in run.read_text("report.html")
    assert bm(["report", name, "--explain", "-o", "nowhere/page.html", *runs]) == 2
    assert not run.exists("explanations/test.json"), "told before the work is done"
    assert bm(["report", name, "--explain", *runs]) == 0, capsys.readouterr().err
    kept = json.loads(run.reload().read_text("explanations/test.json"))
    document = json.loads(run.read_text("evaluation/test.json"))
    mistakes = round(document["examples"] * (1 - document["metrics"]["accuracy"]))
    wrong = [one["label"] != one["true"] for one in kept["explanations"]]
    assert len(wrong) == 6 and sum(wrong) == min(mistakes, 6) and wrong == sorted(wrong, reverse=True)
    page = run.read_text("report.html")
    section = page[page.index('id="explanations"') :]
    for one in kept["explanations"]:
        assert one["input"] in section and one["completeness_error"] <= 0.01
    assert section.count("Attributions add up to the score") == 6
    if name == "images":
        assert section.count("data:image/png") == 6 and run.exists("explanations/test-6.png")
    elif name == "texts":
        assert section.count("<span class=") > 6 * 6
    else:
        assert kept["importance"]["columns"][0]["column"] == "reason" and "worse by" in section
    assert not run.verify().problems
    assert bm(["evaluate", name, *runs]) == 0
    assert 'id="explanations"' in run.read_text("report.html"), "a new evaluation leaves them"
    assert bm(["report", name, name, "--explain", *runs]) == 2
    run.update(weights_sha256="0" * 64)
    assert bm(["report", name, *runs]) == 0
    assert 'id="explanations"' not in run.read_text("report.html"), "they were of other weights"


def test_of_labels_the_one_that_is_wrong_is_explained(folder: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(200, 2))
    path = folder / "labels.csv"
    lines = [f"{x:.4f},{y:.4f},{int(x > 0)},{int(rng.random() < 0.5)}" for x, y in numbers]
    path.write_text("\n".join(["x,y,clear,chance", *lines]))
    run = trained(
        folder,
        "labels",
        "data: {path: labels.csv, target: [clear, chance]}\nmodel: mlp\ntraining: {epochs: 30}\n",
    )
    runs = ["--runs-dir", str(folder / "runs")]
    assert bm(["report", "labels", "--explain", *runs]) == 0
    kept = json.loads(run.read_text("explanations/test.json"))["explanations"]
    for one in kept:
        assert (one["value"] >= 0.5) != (one["label"] in one["true"]), "a mistake"
    run.update(status="interrupted")
    assert bm(["report", "labels", "--explain", *runs]) == 2, "only what is finished"


@pytest.fixture(scope="module")
def houses(folder: Path) -> Run:
    """Numbers with gaps, a category with gaps, a boolean, dates."""
    rng = np.random.default_rng(0)
    lines = ["area,city,garden,sold,price"]
    for i in range(200):
        area, city, garden = rng.normal(100, 20), rng.choice(["Bern", "Basel", "Zug"]), rng.random() < 0.3
        price = 1000 + 5 * area + {"Bern": 0, "Basel": 100, "Zug": 300}[city] + 50 * garden
        day = f"2023-{1 + i % 12:02d}-{1 + i % 28:02d}"
        cells = [f"{area:.1f}" if i % 9 else "", city if i % 11 else "", "yes" if garden else "no", day]
        lines.append(",".join([*cells, f"{price:.1f}"]))
    (folder / "houses.csv").write_text("\n".join(lines) + "\n")
    return trained(
        folder,
        "houses",
        "data: {path: houses.csv, target: price}\nmodel: mlp\ntraining: {epochs: 3, batch_size: 16}\n",
    )


def rows_to_explain(folder: Path) -> str:
    path = folder / "rows.csv"
    path.write_text("area,city,garden,sold\n,Zug,yes,\n120.5,Paris,no,2023-05-05\n90,,no,2023-06-01\n")
    return str(path)


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict]:
    assert bm(["explain", *arguments, "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_base_and_contributions_add_up_to_the_answer(houses: Run, folder: Path, capsys) -> None:
    runs = ["--runs-dir", str(folder / "runs"), "--run", "houses"]
    for one in as_json(capsys, rows_to_explain(folder), *runs):
        total = one["base"] + sum(feature["weight"] for feature in one["features"])
        assert total == pytest.approx(one["value"], rel=1e-3)
        assert 1200 < one["base"] < 2000, "an average house, not one without any city"
    assert bm(["explain", rows_to_explain(folder), *runs]) == 0
    shown_on_screen = capsys.readouterr().out
    assert "an average training row" in shown_on_screen and "= answer" in shown_on_screen


def test_what_is_shown_adds_up_to_the_models_answer(houses: Run, folder: Path, capsys) -> None:
    runs = ["--runs-dir", str(folder / "runs"), "--run", "houses"]
    for one in as_json(capsys, rows_to_explain(folder), *runs):
        assert one["completeness_error"] <= 0.001, "of rows, ten times nearer than of images"
        weights = [feature["weight"] for feature in one["features"]]
        one["features"][0]["weight"] += 7 - one["base"] - sum(weights)  # as if few steps were taken
        *rest, answer = steps(one)
        assert answer.amount == quantity(one["base"] + one["difference"]), "of the model, not of the sum"
        left = one["base"] + one["difference"] - 7
        assert rest[-1].name == "(left over)" and rest[-1].amount == signed(left)
        one["features"][0]["weight"] += left
        assert "(left over)" not in [step.name for step in steps(one)]


def test_a_missing_cell_is_called_missing(houses: Run, folder: Path, capsys) -> None:
    runs = ["--runs-dir", str(folder / "runs"), "--run", "houses"]
    found = [
        {one["name"]: (one["value"], one["state"]) for one in document["features"]}
        for document in as_json(capsys, rows_to_explain(folder), *runs)
    ]
    assert found[0] == {
        "area": (None, "missing"),
        "city": ("Zug", ""),
        "garden": ("yes", ""),
        "sold": (None, "missing"),
    }
    assert found[1]["area"] == (120.5, "") and found[1]["city"] == ("Paris", "unseen")
    assert found[1]["sold"] == ("2023-05-05", "") and found[2]["city"] == (None, "missing")
    assert bm(["explain", rows_to_explain(folder), *runs]) == 0
    captured = capsys.readouterr()
    assert captured.out.count(" missing ") == 3 and "Paris (not in training)" in captured.out
    assert "training has no 'Paris'" in captured.err


def test_the_baseline_holds_training_means_and_shares(houses: Run) -> None:
    document = json.loads(houses.read_text("preprocessing.json"))["table"]
    preprocessing = OpenedRun(houses).preprocessing
    means = dict(zip([one.name for one in preprocessing.features], document["means"], strict=True))
    cities = {name: means[f"city = {name}"] for name in ("Bern", "Basel", "Zug")}
    assert sum(cities.values()) + means["city = (other)"] == pytest.approx(1)
    assert means["city = (other)"] == pytest.approx(1 / 11, abs=0.04), "which are missing"
    assert means["area is missing"] == pytest.approx(1 / 9, abs=0.04)
    assert means["garden = yes"] == pytest.approx(0.3, abs=0.12)
    assert means["area"] == pytest.approx(0, abs=1e-5)


def test_a_run_of_an_older_bm_takes_them_from_its_data(houses: Run, folder: Path, capsys) -> None:
    runs = ["--runs-dir", str(folder / "runs"), "--run", "houses"]
    now = as_json(capsys, rows_to_explain(folder), *runs)
    text = houses.read_text("preprocessing.json")
    document = json.loads(text)
    del document["table"]["means"]
    houses.write_text("preprocessing.json", json.dumps(document))
    try:
        assert as_json(capsys, rows_to_explain(folder), *runs) == now
        (folder / "houses.csv").rename(folder / "elsewhere.csv")
        (first, *_) = as_json(capsys, rows_to_explain(folder), *runs)
        assert first["baseline"] == "a row in which every category is equally frequent"
        assert 1200 < first["base"] < 2000
        assert bm(["explain", rows_to_explain(folder), *runs]) == 0
        assert "without category shares" in capsys.readouterr().err
        (folder / "houses.csv").write_text((folder / "elsewhere.csv").read_text().replace("Zug", "Zag"))
        assert bm(["explain", rows_to_explain(folder), *runs]) == 0
        assert "the data has changed since training" in capsys.readouterr().err
    finally:
        (folder / "elsewhere.csv").rename(folder / "houses.csv")
        houses.write_text("preprocessing.json", text)


def test_a_model_that_answers_nan_is_not_explained(images: Run, houses: Run, folder: Path, capsys) -> None:
    from bmcli.inference.session import KerasSession

    Image.fromarray(crosses(1)[0][0, ..., 0]).save(folder / "one.png")
    for run, given in ((images, str(folder / "one.png")), (houses, rows_to_explain(folder))):
        explainer = Explainer(OpenedRun(run))
        for variable in explainer.network.trainable_variables:
            variable.assign(np.full(variable.shape, np.nan))
        reading = OpenedRun(run).reading(texts=False, lines=False)
        whole = list(readers.read([given], reading))
        found = [one for piece in whole for one in explainer.explain(piece)]
        assert found and all(isinstance(one, Problem) for one in found), "ONNX answers, gradients do not"
        assert "not finite" in found[0].message
        explainer.session = KerasSession(explainer.network)
        found = [one for piece in whole for one in explainer.explain(piece)]
        assert all(one.message == "the model's output is not a finite number" for one in found)


def test_images_unlike_the_training_ones_are_said(images: Run, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (SIDE, SIDE), 255).save("white.png")
    wide = (crosses(1)[0][0, ..., 0].astype(np.uint16)) * 257
    Image.fromarray(wide).save("wide.png")
    runs = ["--runs-dir", str(images.path.parent), "--run", "images"]
    for name in ("white.png", "wide.png"):
        assert bm(["explain", name, *runs, "--json"]) == 0
        captured = capsys.readouterr()
        assert f"warning: {name}: " in captured.err, name
        assert json.loads(captured.out)["unfamiliar"]


def benchmark() -> ModuleType:
    folder = Path(__file__).parents[2] / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("explanations", folder / "explanations.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["explanations"] = module  # its dataclass looks itself up there
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def test_the_column_that_decided_comes_first(tmp_path: Path) -> None:
    """Of a planted regression, though two categories of many levels and a twin mean nothing."""
    whole, clear = benchmark().explained(tmp_path, "regression", 600, 0, "linear")
    assert clear >= 0.95 and whole >= 0.9
