"""`bm doctor` on data with faults that were put in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from bmcli.cli.app import run as bm
from bmcli.data.bundle import Table
from bmcli.doctor.columns import odd_columns
from bmcli.doctor.folds import assigned
from bmcli.doctor.labels import doubtful
from tests.doctor.test_copies import review, scenes
from tests.linear_run import MakeRun
from tests.report.test_page import HOSTILE, check


def examined(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert bm(["doctor", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out, parse_constant=lambda c: pytest.fail(c))


def findings(document: dict[str, Any]) -> dict[str, Any]:
    return {one["check"]: one for one in document["findings"]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = scenes(90)
    for i, image in enumerate(made):
        for_class = "<b>sea" if i % 3 else "land"
        place = tmp_path / "images" / ("test" if i < 15 else "train") / for_class
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i}.png")
    train = tmp_path / "images" / "train"
    Image.fromarray(made[0][:, ::-1]).save(train / "land" / "leak.jpg", quality=90)
    Image.fromarray(made[20]).save(train / "land" / "other.png")  # 20 is sea
    Image.new("RGB", (32, 32), (9, 9, 9)).save(train / "land" / "blank.png")
    Image.fromarray(scenes(1, seed=5)[0]).resize((300, 20)).save(train / "land" / "flat.png")
    (train / "land" / "broken.png").write_bytes(b"nothing")
    (tmp_path / "c.yaml").write_text("name: c\ndata: {path: images, validation: 0}\nmodel: cnn\n")
    return tmp_path


@pytest.fixture
def some_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The config of 300 digits, in d.yaml too: copies among all of them would take ten times as long."""
    monkeypatch.chdir(tmp_path)
    images, labels = load_digits(return_X_y=True)
    np.savez("digits.npz", x=(images[:300].reshape(-1, 8, 8) * 15.9).astype(np.uint8), y=labels[:300])
    Path("d.yaml").write_text("name: d\ndata: {path: digits.npz}\nmodel: mlp\n")
    return {"data": {"path": str(tmp_path / "digits.npz")}}


def test_of_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = examined(capsys, "c.yaml", "-o", "page.html")
    found = findings(document)
    (leak,) = found["duplicates across splits"]["examples"]
    assert found["duplicates across splits"]["severity"] == "problem" and "flipped" in leak["detail"]
    assert sorted(leak["splits"]) == ["test", "train"] and any("leak.jpg" in name for name in leak["ids"])
    (contradiction,) = found["contradictions"]["examples"]
    assert any("other.png" in name for name in contradiction["ids"]) and "equal" in contradiction["detail"]
    assert found["unusable"]["count"] == 1 and "broken.png" in found["unusable"]["examples"][0]["ids"][0]
    assert "blank.png" in found["blank"]["examples"][0]["ids"][0]
    assert "flat.png" in found["proportions"]["examples"][0]["ids"][0]
    assert "duplicates" not in found
    severities = [one["severity"] for one in document["findings"]]
    assert severities == sorted(severities, key=["problem", "warning", "note"].index)
    page = check((folder / "page.html").read_text("utf-8"))
    assert "leak.jpg" in page.text and sum(a.get("class") == "thumb" for _, a in page.tags) >= 5
    assert "checked, nothing found:" in page.text


def test_where_a_class_is_left_without_examples_the_cause_is_named(folder: Path, capsys) -> None:
    for path in (folder / "images" / "train" / "land").iterdir():
        path.write_bytes(b"nothing")
    assert bm(["doctor", "c.yaml"]) == 3
    assert "30 files cannot be used" in capsys.readouterr().err


def test_of_texts(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    texts = [review(rng) for _ in range(60)] + [review(rng, 400) for _ in range(20)] + ["short", HOSTILE]
    texts += [texts[3].upper()]
    rows = [json.dumps({"text": text, "label": "ab"[i % 2]}) for i, text in enumerate(texts)]
    Path("t.jsonl").write_text("\n".join(rows) + "\n")
    Path("t.yaml").write_text(
        "name: t\ndata: {path: t.jsonl, target: label, text: text, test: 0, validation: 0}\nmodel: gru\n"
        "preprocessing: {text: {max_length: 100}}\n"
    )
    found = findings(examined(capsys, "t.yaml", "-o", "page.html"))
    (pair,) = [*found.get("duplicates", found.get("contradictions"))["examples"]]
    assert "spelled otherwise" in pair["detail"]
    assert found["length"]["count"] == 20 and found["length"]["severity"] == "warning"
    assert found["short"]["count"] >= 1
    check(Path("page.html").read_text("utf-8"))


def test_of_tables(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kinds = rng.choice(["rare", "usual"], 300, p=[0.04, 0.96])
    lines = ["noise,same,code,leak,kind"]
    lines += [
        f"{rng.normal():.6f},7,id{i - i % 14 // 13},{int(k == 'rare') * 3 + 1},{k}"
        for i, k in enumerate(kinds)
    ]
    lines.append(lines[-1])
    Path("t.csv").write_text("\n".join(lines) + "\n")
    Path("t.yaml").write_text(
        "name: t\ndata: {path: t.csv, target: kind, test: 0, validation: 0}\nmodel: mlp\n"
    )
    document = examined(capsys, "t.yaml")
    found = findings(document)
    assert "'leak'" in found["gives the target away"]["message"]
    notes = " ".join(one["message"] for one in document["findings"] if one["check"] == "reading")
    assert "'same'" in notes, "which is left out while reading"
    assert "constant" not in found, "it is not told twice"
    assert "'code'" in found["one value per row"]["message"]
    assert found["balance"]["severity"] == "warning" and found["duplicates"]["count"] == 1


def test_a_sound_table_has_no_findings() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(400, 2))
    targets = (numbers[:, 0] + rng.normal(size=400) > 0).astype(int)
    assert odd_columns(Table({"a": numbers[:, 0], "b": numbers[:, 1]}), targets, "binary") == []
    exact = Table({"a": numbers[:, 0], "b": 2 * numbers[:, 0] + 1})
    (odd, _) = odd_columns(exact, numbers[:, 0], "regression")
    assert odd.what == "gives the target away"


def test_planted_label_errors_come_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 2_000)
    scores = rng.normal(size=(2_000, 4))
    scores[np.arange(2_000), truth] += 3
    p = np.exp(scores)
    p /= p.sum(axis=1, keepdims=True)
    labels, wrong = truth.copy(), rng.permutation(2_000)[:40]
    labels[wrong] = (labels[wrong] + rng.integers(1, 4, 40)) % 4
    found = doubtful(labels, p)
    assert np.mean([one.position in set(wrong.tolist()) for one in found[:40]]) >= 0.8
    assert all(one.label == labels[one.position] != one.likely for one in found)
    assert doubtful(np.zeros(0, int), np.zeros((0, 3))) == []


def test_doubtful_labels_by_a_run(
    some_digits: dict[str, Any], make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(some_digits)
    found = findings(examined(capsys, "d.yaml", "--run", "trial"))
    example = found["labels"]["examples"][0]
    assert "looks like" in example["detail"] and "may have memorised" in found["labels"]["message"]


def test_doubtful_labels_by_folds(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Planted in digits; the models that judge have not seen what they judge."""
    monkeypatch.chdir(tmp_path)
    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = rng.permutation(len(labels))[:36]
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, 36)) % 10
    np.savez("d.npz", x=(images.reshape(-1, 8, 8) * 15.9).astype(np.uint8), y=labels)
    Path("d.yaml").write_text(
        "name: d\ndata: {path: d.npz, test: 0, validation: 0}\nmodel: {name: cnn, filters: [16, 32]}\n"
        "training: {epochs: 8, batch_size: 32}\n"
    )
    found = findings(examined(capsys, "d.yaml", "--folds", "3"))
    first = [int(one["ids"][0].split("/")[1]) for one in found["labels"]["examples"][:36]]
    assert np.mean([i in set(wrong.tolist()) for i in first]) >= 0.8
    assert "memorised" not in found["labels"]["message"]


def test_more_folds_than_examples(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("a,k\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(8)))
    Path("t.yaml").write_text("name: t\ndata: {path: t.csv, target: k}\nmodel: mlp\ntraining: {epochs: 1}\n")
    assert bm(["doctor", "t.yaml", "--folds", "20"]) == 2
    assert "too few for 20 folds" in capsys.readouterr().err
    assert bm(["doctor", "t.yaml", "--folds", "5"]) == 0, "a fold without any example is no matter"


def test_folds_hold_every_class_evenly() -> None:
    targets = np.array([0] * 30 + [1] * 31 + [2] * 2)
    folds = assigned(targets, 3, seed=0)
    for label in (0, 1, 2):
        counts = np.bincount(folds[targets == label], minlength=3)
        assert counts.max() - counts.min() <= 1
    assert (assigned(targets, 3, seed=0) == folds).all()


def test_what_makes_no_sense_is_refused(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run({"data": {"name": "digits", "limit": 150}})
    runs = ["--runs-dir", str(run.path.parent)]
    assert bm(["doctor", "diabetes_linear", "--run", "trial", *runs]) == 2
    assert bm(["doctor", "--run", "trial", *runs]) == 2
    assert bm(["doctor", "digits_cnn", "--run", "trial", "--folds", "2", *runs]) == 2
    assert bm(["doctor", "digits_cnn", "-o", "nowhere/page.html"]) == 2


def test_of_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert bm(["doctor", "--json", "--runs-dir", str(blocked / "runs")]) == 0
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)["machine"]}
    assert found["tensorflow"]["state"] == "ok" and "core" in found["processor"]["value"]
    assert found["runs folder"]["state"] == "problem" and "--runs-dir" in found["runs folder"]["hint"]
    assert bm(["doctor", "--runs-dir", str(tmp_path / "runs")]) == 0
    assert "✓  memory" in capsys.readouterr().out


def test_wide_images_are_looked_at_in_the_window_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        Path("scans", name).mkdir(parents=True)
        for i in range(12):
            values = 1000 + random.integers(0, 64, (16, 16))
            Image.fromarray(values.astype(np.uint16)).save(Path("scans", name, f"{i}.png"))
    config = "data: {path: scans}\nmodel: mlp\npreprocessing: {image: {fit: crop}}\n"
    Path("x.yaml").write_text(config)
    found = examined(capsys, "x.yaml")["findings"]
    assert any("16-bit images: values 1,000 to 1,063" in one["message"] for one in found)
    assert "blank" not in {one["check"] for one in found}, "which they seem at 16 bits"
    Image.new("L", (200, 8)).save("scans/a/long.png")
    assert "much of them will be cut off" in findings(examined(capsys, "x.yaml"))["proportions"]["message"]


def test_a_good_judge_says_how_good_it_is(
    some_digits: dict[str, Any], make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(some_digits)
    document = examined(capsys, "d.yaml", "--run", "trial")
    labels = findings(document)["labels"]
    judge = labels["judge"]
    assert judge["judged"] and judge["accuracy"] > judge["trivial"] and judge["examples"] >= 30
    low, high = judge["interval"]
    assert low < judge["accuracy"] < high
    total = sum(document["splits"].values())
    assert judge["expected"] == round((1 - judge["accuracy"]) * total)
    assert f"about {judge['expected']:,} suspects" in labels["message"]
    assert ("a weak model" in labels["message"]) == (judge["accuracy"] < 0.9)
    check_of_labels = next(one for one in document["checks"] if one["check"] == "labels")
    assert check_of_labels == {
        "check": "labels",
        "of": "images",
        "count": total,
        "found": labels["count"],
    }


def test_a_judge_that_knows_nothing_judges_nothing(
    some_digits: dict[str, Any], make_run: MakeRun, capsys
) -> None:
    make_run(some_digits, noise=50.0)
    document = examined(capsys, "d.yaml", "--run", "trial")
    labels = findings(document)["labels"]
    assert labels["severity"] == "note" and labels["count"] == 0 and not labels["examples"]
    assert "the labels were not judged" in labels["message"] and not labels["judge"]["judged"]
    assert "labels" not in {one["check"] for one in document["checks"]}


def test_of_other_splits_the_run_is_judged_by_its_own_evaluation(
    some_digits: dict[str, Any], make_run: MakeRun, capsys
) -> None:
    run = make_run(some_digits)
    arguments = ["d.yaml", "data.limit=200", "--run", "trial"]
    labels = findings(examined(capsys, *arguments))["labels"]
    assert "judge" not in labels and "is unknown" in labels["message"]
    assert bm(["evaluate", "trial"]) == 0
    capsys.readouterr()
    evaluation = json.loads(run.read_text("evaluation/test.json"))
    judge = findings(examined(capsys, *arguments))["labels"]["judge"]
    assert judge["accuracy"] == evaluation["metrics"]["accuracy"]
    assert judge["interval"] == evaluation["intervals"]["accuracy"]


def test_sound_data_says_what_was_looked_at(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for i, image in enumerate(scenes(60)):
        place = Path("images", "ab"[i % 2])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i}.png")
    Path("c.yaml").write_text("name: c\ndata: {path: images}\nmodel: cnn\n")
    assert bm(["doctor", "c.yaml"]) == 0
    shown = capsys.readouterr().out
    assert (
        "✓ 60 images checked, nothing found: unusable files or rows, copies across splits, copies labelled"
        in shown
    )
    assert "✓ 2 classes checked, nothing found: unbalanced, fewer than 10 examples" in shown
    document = examined(capsys, "c.yaml")
    assert {one["found"] for one in document["checks"]} == {0} and len(document["checks"]) == 8
    Image.new("L", (32, 32), 9).save("images/a/grey.png")
    assert bm(["doctor", "c.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "1 image of one colour" in shown and "✓ 61 images also checked, nothing found: unusable" in shown
    assert "one colour only" not in shown


def test_rows_and_columns_are_counted_as_checked(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = [f"{a:.5f},{b:.5f},{a - b + rng.normal():.4f}" for a, b in rng.normal(size=(80, 2))]
    Path("t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    Path("t.yaml").write_text("name: t\ndata: {path: t.csv, target: y}\nmodel: linear\n")
    assert bm(["doctor", "t.yaml"]) == 0
    shown = capsys.readouterr().out
    assert (
        "✓ 80 rows checked" in shown and "✓ 2 columns checked, nothing found: gives the target away" in shown
    )


def test_mirrored_signs_of_two_classes_are_no_copies(tmp_path: Path, monkeypatch, capsys) -> None:
    """A drawn b and d; of one class they count as flipped."""
    monkeypatch.chdir(tmp_path)
    letter = np.full((32, 32), 255, np.uint8)
    letter[5:27, 9:12] = letter[14:17, 9:22] = letter[24:27, 9:22] = letter[14:27, 20:22] = 0
    for i, image in enumerate(scenes(24)):
        Path("p", "bd"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(Path("p", "bd"[i % 2], f"{i}.png"))
    Image.fromarray(letter).save("p/b/letter.png")
    Image.fromarray(letter[:, ::-1]).save("p/d/letter.png")
    Path("c.yaml").write_text("name: c\ndata: {path: p, test: 0, validation: 0}\nmodel: cnn\n")
    found = findings(examined(capsys, "c.yaml"))
    assert "contradictions" not in found and "duplicates" not in found
    Path("p/d/letter.png").rename("p/b/mirror.png")
    (example,) = findings(examined(capsys, "c.yaml"))["duplicates"]["examples"]
    assert "flipped" in example["detail"]
