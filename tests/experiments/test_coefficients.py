"""A closed-form run against scikit-learn, on the very same rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from bmcli import data
from bmcli.config import resolve
from bmcli.experiments import train
from bmcli.inference.opened import OpenedRun
from bmcli.runs import layout
from bmcli.runs.store import RunStore


def test_diabetes_is_linear_regression(tmp_path: Path) -> None:
    run = train.train(resolve.load("diabetes_linear"), RunStore(tmp_path))
    bundle = data.load(OpenedRun(run).config_to_resume().data)
    assert bundle.test is not None
    found = json.loads(run.read_text(layout.COEFFICIENTS))
    columns = [entry["column"] for entry in found["coefficients"]]

    def rows(split) -> np.ndarray:
        return np.stack([split.examples.columns[name] for name in columns], axis=1)

    expected = LinearRegression().fit(rows(bundle.train), bundle.train.targets)
    ours = [entry["coefficient"] for entry in found["coefficients"]]
    np.testing.assert_allclose(ours, expected.coef_, rtol=1e-9)
    assert found["intercept"] == pytest.approx(expected.intercept_, rel=1e-9)
    predicted = expected.predict(rows(bundle.test))
    r2 = run.reload().record.metrics["test"]["r2"]
    assert r2 == pytest.approx(r2_score(bundle.test.targets, predicted), rel=1e-6)


def test_missing_numbers_and_categories_keep_the_predictions(tmp_path: Path) -> None:
    """The coefficients applied by hand to raw cells give what the run predicts."""
    import bmcli

    rng = np.random.default_rng(0)
    sizes = rng.normal(50, 10, 120)
    colours = rng.choice(["red", "blue"], 120)
    prices = 3 * sizes + 20 * (colours == "red") + rng.normal(0, 1, 120)
    lines = ["size,colour,price"]
    for i in range(120):
        lines.append(f"{'' if i % 10 == 0 else repr(float(sizes[i]))},{colours[i]},{float(prices[i])!r}")
    (tmp_path / "houses.csv").write_text("\n".join(lines) + "\n")
    config = {
        "name": "houses",
        "data": {"path": str(tmp_path / "houses.csv"), "target": "price"},
        "model": {"name": "linear", "solver": "closed_form"},
    }
    run = bmcli.train(config, runs_dir=tmp_path / "runs")
    found = json.loads((run.path / layout.COEFFICIENTS).read_text())
    of = {entry["feature"]: entry["coefficient"] for entry in found["coefficients"]}
    predicted = run.predict({"size": [41.5], "colour": ["red"]})[0].value
    assert predicted == pytest.approx(found["intercept"] + 41.5 * of["size"] + of["colour = red"], rel=1e-5)
    assert of["size"] == pytest.approx(3, rel=0.05)
