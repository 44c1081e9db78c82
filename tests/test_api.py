"""The Python API, where it is more than a call onwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bmcli
from bmcli.errors import UsageError


def test_it_trains_loads_and_predicts(tmp_path: Path) -> None:
    run = bmcli.train("diabetes_linear", ["name=sugar"], runs_dir=tmp_path, tags=["a"])
    assert run.id == "sugar-v1" and run.status == "completed" and run.record["tags"] == ["a"]
    assert 0.3 < run.metrics["test"]["r2"] < 0.7
    again = bmcli.load("sugar", runs_dir=tmp_path)
    row = {name: [1.0, 2.0] for name in ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")}
    first = [p.value for p in again.predict(row)]
    inputs = again.evaluate().metrics
    assert inputs["r2"] == pytest.approx(run.metrics["test"]["r2"])
    assert len(first) == 2 and np.isfinite(first).all()  # type: ignore[arg-type]
    assert again.keras_model().output_shape == (None, 1)


def test_code_that_came_with_a_run_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "x-v1"
    (run / "code").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    witness = tmp_path / "witness"
    (run / "code/own.py").write_text(f"from pathlib import Path\nPath({str(witness)!r}).touch()\n")
    config = {"name": "x", "data": {"name": "digits"}, "model": "mlp", "code": [str(run / "code/own.py")]}
    with pytest.raises(UsageError, match="came with a run"):
        bmcli.train(config, runs_dir=tmp_path / "runs")
    assert not witness.exists()


def test_columns_of_different_lengths(tmp_path: Path) -> None:
    run = bmcli.train("diabetes_linear", runs_dir=tmp_path)
    with pytest.raises(UsageError, match="different lengths"):
        run.predict({"age": [1.0], "bmi": [1.0, 2.0]})
