"""Labelled data that holds what a run was trained on: noticed, counted, named, and left out where asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bmcli import api
from bmcli.cli.app import run as bm
from bmcli.config import resolve
from bmcli.core.errors import DataError, IntegrityError, UsageError
from bmcli.data import load as load_data
from bmcli.evaluation import overlap
from bmcli.evaluation.measure import prepare
from bmcli.inference.opened import OpenedRun
from bmcli.modalities import preprocessing
from bmcli.runs import layout
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
from tests.evaluated import evaluate_run
from tests.linear_run import MakeRun


@pytest.fixture(autouse=True)
def _here(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BM_RUNS_DIR", str(store.root))


def photos(folder: Path, count: int = 40) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        name = ("cat", "dog")[i % 2]
        (folder / name).mkdir(parents=True, exist_ok=True)
        shade = rng.integers(0, 120, (12, 12, 3)) + 100 * (i % 2)
        Image.fromarray(shade.astype(np.uint8)).save(folder / name / f"{i}.png")


def keep(run: Run, config: dict[str, Any]) -> None:
    """What `bm train` writes into a run."""
    resolved = resolve.load({"name": "trial", "model": "mlp", **config}, cwd=run.path.parent.parent)
    bundle = load_data(resolved.data)
    prepared, _ = preprocessing.fit(bundle, resolved.preprocessing)
    run.write_bytes(layout.EXAMPLES, overlap.to_file(overlap.known_of(bundle, prepared)))


def test_a_folder_that_holds_training_images_is_noticed(make_run: MakeRun, capsys) -> None:
    photos(Path("photos"))
    config = {"data": {"path": "photos", "test": 0.25, "validation": 0.25}}
    run = make_run(config)
    own = evaluate_run(run)
    assert own.seen is None and "seen_in_training" not in own.to_json()
    for kept in (False, True):  # by the data, which is still there, and by what a run keeps
        if kept:
            keep(run, config)
            Path("photos").rename("elsewhere")
            shutil.copytree("elsewhere", "copy")
        path = "copy" if kept else "photos"
        assert bm(["evaluate", "trial", "--data", path, "--json"]) == 0
        captured = capsys.readouterr()
        document = json.loads(captured.out)
        assert document["examples"] == 40 and document["left_out"] == 0
        assert (document["seen_in_training"], document["seen_in_validation"]) == (22, 8)
        assert len(document["seen_examples"]) == 10 and document["seen_examples"][0].endswith(".png")
        assert f"30 of the 40 examples in {path} were used to make this run" in captured.err
        assert "--unseen-only" in captured.err and document["seen_examples"][0] in captured.err
        stored = json.loads(run.reload().read_text(f"evaluation/{document['split']}.json"))
        assert stored["seen_in_training"] == 22
        assert bm(["evaluate", "trial", "--data", path, "--unseen-only", "--json"]) == 0
        captured = capsys.readouterr()
        left = json.loads(captured.out)
        assert left["examples"] == 10 and left["left_out"] == 30 and left["split"] != document["split"]
        assert left["metrics"]["accuracy"] == own.metrics["accuracy"], "they are the test split"
        assert "left out" in captured.err
    assert not run.verify().problems


def test_the_same_place_is_the_same_image_though_encoded_again(make_run: MakeRun) -> None:
    photos(Path("photos"))
    config = {"data": {"path": "photos", "test": 0.25, "validation": 0}}
    run = make_run(config)
    keep(run, config)
    for path in Path("photos").rglob("*.png"):
        with Image.open(path) as image:
            pixels = np.asarray(image) // 2
        Image.fromarray(pixels).save(path)
    found = prepare(OpenedRun(run), data=Path("photos")).seen
    assert found is not None and found.training == 30
    below = prepare(OpenedRun(run), data=Path("photos/..").resolve() / "photos").seen
    assert below == found
    shutil.copytree("photos", "other")
    found = prepare(OpenedRun(run), data=Path("other")).seen
    assert found is not None and found.training == 0, "elsewhere and encoded again: docs say so"


def test_files_are_known_by_the_pixels_of_arrays(make_run: MakeRun) -> None:
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        x = rng.integers(0, 255, (60, 10, 10, channels), dtype=np.uint8)
        y = np.arange(60) % 2
        np.savez("a.npz", x=x, y=y)
        run = make_run({"data": {"path": "a.npz", "test": 0.2, "validation": 0}}, name=f"arrays-{channels}")
        folder = Path(f"files-{channels}")
        for i in range(60):
            (folder / str(y[i])).mkdir(parents=True, exist_ok=True)
            Image.fromarray(x[i].squeeze()).save(folder / str(y[i]) / f"{i}.png")
        found = prepare(OpenedRun(run), data=folder).seen
        assert found is not None and found.training == 48
        np.savez("b.npz", x=x[:, ::-1], y=y)
        found = prepare(OpenedRun(run), data=Path("b.npz")).seen
        assert found is not None and found.training == 0


def test_rows_are_known_by_what_the_model_takes_and_the_target(make_run: MakeRun) -> None:
    rng = np.random.default_rng(0)
    rows = [(f"{rng.normal():.4f}", "ab"[i % 2], f"{rng.normal():.4f}") for i in range(80)]

    def table(path: str, lines: list[str]) -> Path:
        Path(path).write_text("\n".join(lines) + "\n")
        return Path(path)

    table("t.csv", ["x,kind,y", *(",".join(row) for row in rows)])
    config = {"data": {"path": "t.csv", "target": "y", "test": 0.25, "validation": 0}}
    run = make_run(config)
    keep(run, config)
    other_order = table("o.csv", ["kind,y,more,x", *(f"{k},{y},{i},{x}" for i, (x, k, y) in enumerate(rows))])
    found = prepare(OpenedRun(run), data=other_order).seen
    assert found is not None and found.training == 60 and found.usual == 0
    other_target = table("p.csv", ["x,kind,y", *(f"{x},{k},{float(y) + 1}" for x, k, y in rows)])
    found = prepare(OpenedRun(run), data=other_target).seen
    assert found is not None and found.training == 0


def test_rows_of_few_values_are_equal_by_nature(make_run: MakeRun) -> None:
    lines = [f"{i % 3},{'ab'[i % 2]},{('no', 'yes')[i % 2]}" for i in range(90)]
    Path("t.csv").write_text("\n".join(["x,kind,y", *lines]) + "\n")
    run = make_run({"data": {"path": "t.csv", "target": "y", "test": 0.25, "validation": 0}})
    found = prepare(OpenedRun(run), data=Path("t.csv")).seen
    assert found is not None and found.usual == 1
    assert "100.0% of its own test rows also equal such a row" in (found.warning("t.csv", 90) or "")


def test_texts_are_the_same_but_for_white_space(tmp_path: Path) -> None:
    words = "film story actor scene music night".split()  # noqa: SIM905
    rng = np.random.default_rng(0)
    texts = [" ".join([*rng.choice(words, 6), str(i)]) for i in range(60)]
    rows = [f"{text},{'good' if i % 2 else 'bad'}" for i, text in enumerate(texts)]
    Path("t.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    Path("c.yaml").write_text(
        "name: texts\ndata: {path: t.csv, text: text, target: label, test: 0.25, validation: 0}\n"
        "model: {name: transformer, width: 8, heads: 1, blocks: 1}\ntraining: {epochs: 1}\n"
    )
    api.train("c.yaml", runs_dir="runs")
    run = RunStore(Path("runs")).find("texts")
    assert "examples.safetensors" in run.manifest(), "written by the training itself"
    Path("t.csv").unlink()
    spaced = [f"{row.replace(' ', '  ')}" for row in rows]
    Path("s.csv").write_text("\n".join(["text,label", *spaced]) + "\n")
    found = prepare(OpenedRun(run), data=Path("s.csv")).seen
    assert found is not None and found.training == 45 and found.validation == 0


def test_what_cannot_be_known_is_said(make_run: MakeRun, capsys) -> None:
    photos(Path("photos"))
    run = make_run({"data": {"path": "photos", "test": 0.25, "validation": 0}})
    Path("photos").rename("elsewhere")
    assert bm(["evaluate", "trial", "--data", "elsewhere", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["seen_in_training"] is None and "older version of bm" in document["seen_unknown"]
    assert "it is unknown whether elsewhere contains training examples" in captured.err
    with pytest.raises(DataError, match="it is unknown which"):
        prepare(OpenedRun(run), data=Path("elsewhere"), unseen_only=True)
    with pytest.raises(UsageError, match="--unseen-only needs --data"):
        prepare(OpenedRun(run), unseen_only=True)


def test_where_nothing_is_unseen_nothing_is_measured(make_run: MakeRun) -> None:
    photos(Path("photos"))
    run = make_run({"data": {"path": "photos", "test": 0, "validation": 0}})
    with pytest.raises(DataError, match="all 40 examples in photos were seen"):
        prepare(OpenedRun(run), data=Path("photos"), unseen_only=True)


@pytest.mark.parametrize("damage", [b"", b"nothing at all", b"\x08" + bytes(7) + b"{}      "])
def test_damaged_hashes_are_an_integrity_error(make_run: MakeRun, damage: bytes) -> None:
    photos(Path("photos"))
    run = make_run({"data": {"path": "photos", "test": 0.25, "validation": 0}})
    run.write_bytes("examples.safetensors", damage)
    with pytest.raises(IntegrityError, match=r"examples\.safetensors"):
        prepare(OpenedRun(run), data=Path("photos"))
