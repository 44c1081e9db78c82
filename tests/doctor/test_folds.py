"""Cross-validation whose held-out part is unknown to the model that judges it, its preprocessing included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.config.resolve import load
from bmcli.data.bundle import Split, Table, Texts
from bmcli.doctor import folds
from bmcli.experiments.display import Silent
from bmcli.experiments.prepare import Experiment, prepare, refitted
from bmcli.modalities.table.encoder import TablePreprocessing
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.modalities.text.vocabulary import UNKNOWN_ID


def experiment(folder: Path, data: str, model: str, more: str = "") -> Experiment:
    path = folder / "c.yaml"
    path.write_text(
        f"name: c\ndata: {{path: {folder / data}, target: k, test: 0, validation: 0{more}}}\n"
        f"model: {model}\ntraining: {{epochs: 1, batch_size: 8}}\n"
    )
    return prepare(load(str(path)), display=Silent())


def judged(of: Experiment, count: int, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """(preprocessing, held-out examples) of every fold, as they were used."""
    seen = []
    predict_all = folds.predict_all

    def noted(session: Any, preprocessing: Any, examples: Any, batch_size: int) -> np.ndarray:
        seen.append((preprocessing, examples))
        return predict_all(session, preprocessing, examples, batch_size)

    monkeypatch.setattr(folds, "predict_all", noted)
    outputs = folds.out_of_fold(of, count)
    assert len(outputs) == 1 and np.isfinite(outputs[0]).all()
    assert sum(len(examples) for _, examples in seen) == len(of.bundle.train)
    return seen


def test_words_of_the_held_out_texts_alone_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text has a word of its own, which no model that judges it may know."""
    lines = [f"common own{chr(97 + i)} common,{'xy'[i % 2]}" for i in range(24)]
    (tmp_path / "t.csv").write_text("\n".join(["words,k", *lines]) + "\n")
    whole = experiment(tmp_path, "t.csv", "gru", ", text: words")
    assert isinstance(whole.bundle.train.examples, Texts)
    known = np.asarray(whole.preprocessing.encode(whole.bundle.train.examples)[np.arange(24)])
    assert (known != UNKNOWN_ID).all(), "the whole split's tokenizer knows every word"
    for preprocessing, held_out in judged(whole, 3, monkeypatch):
        assert isinstance(preprocessing, TextPreprocessing)
        ids = preprocessing.encode(held_out)[np.arange(len(held_out))]
        assert (ids[:, 1] == UNKNOWN_ID).all()
        assert (ids[:, [0, 2]] != UNKNOWN_ID).all()


def test_categories_and_scales_of_the_held_out_rows_are_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row alone has the category 'rare' and a number far from all others."""
    rows = [f"{i % 5},{'ab'[i % 3 % 2]},{'xy'[i % 2]}" for i in range(30)]
    rows[7] = "1000000,rare,y"
    (tmp_path / "t.csv").write_text("\n".join(["n,c,k", *rows]) + "\n")
    rare = 0
    for preprocessing, held_out in judged(experiment(tmp_path, "t.csv", "mlp"), 3, monkeypatch):
        assert isinstance(preprocessing, TablePreprocessing) and isinstance(held_out, Table)
        number, category = preprocessing.columns
        apart = "rare" in held_out.columns["c"]
        assert ("rare" in category.places) is not apart  # type: ignore[union-attr]
        assert (number.offset < 10) is apart  # type: ignore[union-attr]
        rare += apart
    assert rare == 1


def test_a_regression_is_scaled_by_its_training_part(tmp_path: Path) -> None:
    rows = [f"{i * 7 % 5},{i}" for i in range(20)] + ["2,1000000"]
    (tmp_path / "t.csv").write_text("\n".join(["n,k", *rows]) + "\n")
    whole = experiment(tmp_path, "t.csv", "linear")
    train: Split = whole.bundle.train
    part = refitted(whole, train.take(np.flatnonzero(train.targets < 1000)))
    assert part.spec.target_offset == pytest.approx(9.5)
    assert part.spec.target_scale == pytest.approx(np.arange(20).std())
    assert whole.spec.target_offset > 10_000
    assert part.bundle.validation is None
