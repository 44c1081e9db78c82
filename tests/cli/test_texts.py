"""Texts from the file to the answer, by the real command: what is learned, and what is said before it is."""

from __future__ import annotations

import json
import random

from tests.modalities.text.test_spaceless import sentences

QUICK = ["training.epochs=8", "training.batch_size=16", "trackers=[]"]


def write(path, rows):
    path.write_text("review,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")


def config(name, **text):
    return json.dumps(
        {
            "name": name,
            "data": {"path": f"{name}.csv", "text": "review", "target": "label"},
            "preprocessing": {"text": text},
            "model": "transformer",
        }
    )


def test_sentences_without_spaces_are_learned_and_it_is_said_how_they_were_split(invoke, tmp_path):
    write(tmp_path / "thai.csv", sentences("Thai", 400))
    (tmp_path / "thai.yaml").write_text(config("thai", vocabulary=10_000, max_length=200))
    trained = invoke("train", "thai.yaml", *QUICK)
    assert trained.code == 0, trained.err
    note = "texts without spaces between words: preprocessing.text.tokenizer pieces (inferred)"
    assert note in trained.err
    run = tmp_path / "runs" / trained.out.strip()
    record = json.loads((run / "run.json").read_text())
    assert note in record["notes"]
    assert json.loads((run / "evaluation/test.json").read_text())["metrics"]["accuracy"] >= 0.9
    told = invoke("predict", "--text", "หนังนี้น่าเบื่อครับ", "หนังนี้สนุกครับ", "--run", "thai", "--json")
    assert [json.loads(line)["label"] for line in told.out.splitlines()] == ["neg", "pos"]


def test_what_a_model_will_not_see_is_said_by_check(invoke, tmp_path):
    chance = random.Random(0)
    names = [("".join(chance.choices("abcdefgh", k=7)), chance.choice("mf")) for _ in range(100)]
    write(tmp_path / "names.csv", names)
    (tmp_path / "names.yaml").write_text(config("names"))
    checked = invoke("check", "names.yaml", "--build", "-q")
    assert checked.code == 0
    assert "warning: 100% of the training texts are a single token" in checked.err
    assert "% of the tokens of the validation texts are unknown" in checked.err
    assert "warning" not in invoke("check", "names.yaml").err  # without --build no data is read
