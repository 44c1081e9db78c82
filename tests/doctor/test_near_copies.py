"""Near copies that are found by a run's features, and those that were found without them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bmcli
from bmcli.cli.app import run as bm
from bmcli.doctor.duplicate_images import same_images
from bmcli.doctor.features import Neighbours, nearest
from bmcli.doctor.findings import Pair
from bmcli.doctor.image_alignment import SIDE
from bmcli.doctor.near_texts import near_texts
from tests.doctor.test_copies import scenes
from tests.pretrained.make_folders import FOLDERS


def turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).rotate(degrees, Image.Resampling.BICUBIC))


def cropped(pixels: np.ndarray, edge: int) -> np.ndarray:
    part = Image.fromarray(pixels).crop((edge, edge, SIDE - edge, SIDE - edge))
    return np.asarray(part.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def test_images_turned_and_cropped_further_are_found_by_features() -> None:
    made = scenes(24)
    copies = [turned(made[0], 11), turned(made[1], -17), cropped(made[2], 5), made[3][:, ::-1]]
    copies.append(np.ascontiguousarray(turned(made[4], 9)[:, ::-1]))
    images = np.concatenate([made, np.stack(copies)])
    planted = {(i, len(made) + i) for i in range(len(copies))}
    strangers = {(5, 6), (7, 8), (9, 24), (10, 25), (11, 12)}
    pairs = np.array(sorted(planted | strangers))
    near = Neighbours("trial", pairs, np.full(len(pairs), 0.9))
    before = same_images(images)
    found = {(pair.first, pair.second): pair for pair in same_images(images, neighbours=near)}
    assert {(pair.first, pair.second) for pair in before} == {(3, 27)}
    assert found.keys() == planted, "all that were found before, and no strangers"
    assert [found[pair].by_features for pair in sorted(planted)] == [True, True, True, False, True]
    assert found[0, 24].how.startswith("turned") and "cropped or scaled" in found[2, 26].how
    assert "flipped" in found[4, 28].how
    unlike = Neighbours("trial", pairs, np.full(len(pairs), 0.1))
    assert len(same_images(images, neighbours=unlike)) == 1, "what is not alike is not turned to fit"


TEXTS = (
    "the parcel came two weeks late and nobody answered my letters",
    "what is the capital of france",
    "what is the capital of spain",
    "the printer jams whenever the paper is thicker than usual",
    "please cancel my subscription before the end of this month",
    "a refund was promised in march and has not arrived yet",
    "the parcel came two weeks late and nobody answered my letters please call me back",
    "the printer jams whenever the cardboard is thicker than usual",
    "it was a long and dull film",
    "it was a long and great film",
)


def test_texts_must_be_alike_in_features_and_in_words() -> None:
    words = [text.split() for text in TEXTS]
    pairs = np.array([(0, 6), (3, 7), (1, 2), (4, 5), (8, 9)])
    alike = Neighbours("trial", pairs, np.array([0.95, 0.9, 0.95, 0.9, 0.5]))
    found = near_texts([words], alike, [])
    assert [(pair.first, pair.second) for pair in found] == [(0, 6), (3, 7)]
    assert all(pair.by_features and not pair.exact for pair in found)
    assert [(one.first, one.second) for one in near_texts([words], alike, found[:1])] == [(3, 7)]
    others = [["same"]] * 9 + [["other"]]
    assert near_texts([words, others], alike, []) == found, "of both texts of an example"
    assert near_texts([words, [[str(i)] for i in range(10)]], alike, []) == []


def test_neighbours_and_what_is_known_of_them() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 8)) + 5
    features[30] = features[3] + 0.01
    pairs, likeness = nearest(features)
    assert pairs[0].tolist() == [3, 30] and likeness[0] > 0.99 and likeness.max() <= 1.001
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs) >= 40
    near = Neighbours("trial", np.array([[0, 2], [1, 2], [3, 4]]), np.ones(3))
    known = [Pair(0, 1, True, "same"), Pair(0, 2, True, "same")]
    assert near.unconnected(known).pairs.tolist() == [[3, 4]], "two copies of a third are known"
    assert near.at(np.array([1, 2, 4])).pairs.tolist() == [[0, 1]]
    assert nearest(np.zeros((1, 3)))[0].shape == (0, 2)


def test_a_run_says_what_its_features_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(1)
    known = [line for line in (FOLDERS / "bert/vocab.txt").read_text("utf-8").split() if line.isalpha()]
    texts = [" ".join(rng.choice(known, 11)) for _ in range(60)]
    replaced = texts[4].split()
    replaced[5] = known[0]
    texts += [" ".join(replaced), texts[7].upper()]
    rows = [f"{text},{'ab'[i % 2]}" for i, text in enumerate(texts)]
    Path("t.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    shutil.copytree(FOLDERS / "bert", "weights")
    Path("t.yaml").write_text(
        "name: t\ndata: {path: t.csv, text: text, target: label, kind: text}\n"
        "model: {name: encoder, weights: weights, pooling: mean}\n"
        "training: {epochs: 1, precision: float32, finetune: {layers: none}}\n"
    )
    run = bmcli.train("t.yaml", display=None)
    shutil.rmtree("weights/1_Pooling", ignore_errors=True)

    def pairs(*arguments: str) -> dict[tuple[str, ...], dict[str, object]]:
        assert bm(["doctor", "t.yaml", *arguments, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        notes.extend(one["message"] for one in document["findings"] if one["check"] == "features")
        names = ("duplicates across splits", "contradictions", "duplicates")
        chosen = [one for one in document["findings"] if one["check"] in names]
        return {tuple(one["ids"]): one for finding in chosen for one in finding["examples"]}

    notes: list[str] = []
    before = pairs()
    assert len(before) == 1 and not notes
    after = pairs("--run", run.path.name, "-o", "page.html")
    assert before.items() <= after.items() and len(after) == 2
    (new,) = (after[ids] for ids in after.keys() - before.keys())
    assert new["found_by"] == "features" and str(new["detail"]).startswith("reworded, found by features")
    (note,) = notes
    assert run.path.name in note and "by them alone, 1 near copy was found" in note
    page = Path("page.html").read_text("utf-8")
    assert "found by features" in page and "1 near copy was found" in page
    assert bm(["doctor", "t.yaml", "--run", run.path.name]) == 0
    assert "found by features" in capsys.readouterr().out
