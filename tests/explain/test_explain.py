"""Explanations of networks that were really trained, on data whose reason is known because it was planted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bmcli import api
from bmcli.cli.app import run as bm
from bmcli.data.bundle import Images, Table, Texts
from bmcli.data.inputs import Inputs
from bmcli.explain import attributions, shown
from bmcli.explain.explain import Explainer, Explanation
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore

SIDE = 24


def planted(rng: np.random.Generator, cue: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """Noise, with a bright 6 × 6 cross somewhere where there is a cue, and where that is."""
    picture = rng.integers(0, 120, (SIDE, SIDE), dtype=np.uint8)
    y, x = (int(n) for n in rng.integers(1, SIDE - 7, 2))
    if cue:
        picture[y : y + 6, x + 2 : x + 4] = picture[y + 2 : y + 4, x : x + 6] = 255
    return picture, (y, x)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    for i in range(300):
        name = "cross" if i % 2 else "plain"
        (made / "pictures" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(planted(rng, name == "cross")[0]).save(made / "pictures" / name / f"{i}.png")
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
def pictures(folder: Path) -> Run:
    return trained(
        folder,
        "pictures",
        "data: {path: pictures}\nmodel: {name: cnn, filters: [8, 16], dense: [16]}\n"
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


def explained(explainer: Explainer, examples, names: tuple[str, ...]) -> list[Explanation]:
    found = list(explainer.explain(Inputs(examples, names)))
    assert all(isinstance(one, Explanation) for one in found)
    return found


def crosses(count: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    rng = np.random.default_rng(99)
    made = [planted(rng, True) for _ in range(count)]
    return np.stack([picture for picture, _ in made])[..., None], [place for _, place in made]


def share_within(weights: np.ndarray, place: tuple[int, int]) -> float:
    """How much of what speaks for the class lies within two pixels of the cue."""
    mine = np.maximum(weights, 0)
    y, x = (max(n - 2, 0) for n in place)
    return float(mine[y : place[0] + 8, x : place[1] + 8].sum() / max(mine.sum(), 1e-12))


def test_a_planted_cue_is_what_lights_up(pictures: Run) -> None:
    examples, places = crosses(8)
    explainer = Explainer(pictures, label="cross")
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


def test_they_are_complete_and_deletion_tells_them_from_chance(pictures: Run) -> None:
    examples, _ = crosses(6)
    found = explained(Explainer(pictures), Images(arrays=examples), tuple("abcdef"))
    for one in found:
        assert abs(one.weights.sum() - one.difference) <= 0.01 * max(abs(one.difference), 1e-3)
        assert one.error <= 0.01
    assert np.mean([one.deletion[0] for one in found]) > 2 * np.mean([one.deletion[1] for one in found])


def test_a_randomised_model_is_explained_otherwise(pictures: Run) -> None:
    """The sanity check of Adebayo et al. (2018): an explanation must depend on what was learned."""
    from scipy.stats import spearmanr

    examples, _ = crosses(4)
    explainer = Explainer(pictures, label="cross")
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
    good, bad = explained(Explainer(texts), Texts(given), given)
    assert (good.label, bad.label) == ("pos", "neg")
    assert good.tokens[int(np.argmax(good.weights))] == "splendid"
    assert bad.tokens[int(np.argmax(bad.weights))] == "dreadful"
    for one in (good, bad):
        assert one.error <= 0.01 and one.deletion[0] > one.deletion[1]
    (against,) = explained(Explainer(texts, label="neg"), Texts(given[:1]), given[:1])
    assert against.tokens[int(np.argmin(against.weights))] == "splendid"
    page = shown.page([good, bad])
    assert page.count('class="for"') + page.count('class="against"') == 10 + 2 and "<script" not in page


def test_of_a_table(folder: Path) -> None:
    run = trained(
        folder, "table", "data: {path: table.csv, target: kind}\nmodel: mlp\ntraining: {epochs: 40}\n"
    )
    rows = {"reason": np.array([2.0, -2.0]), "noise": np.array([0.1, 1.0]), "other": np.zeros(2)}
    for one in explained(Explainer(run), Table(rows), ("a", "b")):
        assert [name for name, _ in one.features] == ["reason", "noise", "other"]
        assert int(np.argmax(np.abs(one.weights))) == 0 and one.error <= 0.01
        assert dict(one.features)["reason"] == pytest.approx(2.0 if one.input == "a" else -2.0, abs=1e-5)
        assert shown.bars(one)[0][0] == "reason"
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
    known, unknown = explained(Explainer(run), Table(rows), ("a", "b"))
    assert [value for _, value in known.features] == ["Oslo", 3.0]
    assert unknown.features[0] == ("city", "(other)")
    assert ("city", "Oslo") in [row[:2] for row in shown.bars(known)]
    assert known.to_json()["features"][0]["value"] == "Oslo"


def test_the_most_important_column_is_the_reason(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = ["--runs-dir", str(folder / "runs"), "--run", "table"]
    assert bm(["explain", str(folder / "table.csv"), "--importance", "--json", *runs]) == 0
    document = json.loads(capsys.readouterr().out)
    first, *others = document["columns"]
    assert first["column"] == "reason" and first["drop"] > 5 * max(one["drop"] for one in others)


def test_the_command_writes_pictures(pictures: Run, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for i, picture in enumerate(crosses(2)[0]):
        Image.fromarray(picture[..., 0]).save(tmp_path / "in" / f"<b>&{i}.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"nothing")
    runs = ["--runs-dir", str(pictures.path.parent)]
    assert bm(["explain", "in", "--run", "pictures", "--json", *runs]) == 3, "one of them is unusable"
    captured = capsys.readouterr()
    documents = [json.loads(line) for line in captured.out.splitlines()]
    assert "broken.png" in captured.err and "broken.png" in documents.pop()["error"]["file"]
    assert len(documents) == 2
    for one in documents:
        assert one["completeness_error"] <= 0.01 and set(one["deletion"]) == {"most_important", "random"}
        with Image.open(one["picture"]) as image:
            assert image.size == (3 * 280 + 16, 280)
    assert bm(["explain", "in/<b>&0.png", "--run", "pictures", "--class", "crss", *runs]) == 2
    assert "did you mean cross?" in capsys.readouterr().err


def test_integrated_gradients_of_a_known_function() -> None:
    """Of x₀² + 3 x₁ from the origin the attributions are x₀² and 3 x₁."""
    from keras import ops

    gradient = attributions.gradient_of(lambda given: ops.square(given[0][:, 0]) + 3 * given[0][:, 1])
    found = attributions.integrated_gradients(gradient, [np.array([2.0, -1.0])], [np.zeros(2)])
    np.testing.assert_allclose(found.attributions[0], [4.0, -3.0], rtol=1e-3)
    assert found.difference == pytest.approx(1.0, abs=1e-5) and found.error < 0.005


@pytest.mark.parametrize("name", ["pictures", "texts", "table"])
def test_a_report_shows_what_the_run_looked_at(name: str, request, folder: Path, capsys) -> None:
    if name != "table":
        request.getfixturevalue(name)
    runs = ["--runs-dir", str(folder / "runs")]
    run = RunStore(folder / "runs").find(name)
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
    assert section.count("The attributions sum to") == 6
    if name == "pictures":
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
