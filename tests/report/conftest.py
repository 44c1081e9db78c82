from __future__ import annotations

import json
from typing import Any

import pytest

from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
from tests.evaluated import evaluate_run
from tests.linear_run import finished_run

DIGITS: dict[str, Any] = {"data": {"name": "digits", "limit": 150}}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}\x1b[31m"


@pytest.fixture
def digits(store: RunStore) -> Run:
    return measured_digits(store)


def measured_digits(store: RunStore) -> Run:
    """A run with learning curves, measured on two splits."""
    run = finished_run(store, DIGITS, name="good", parameters=650)
    lines = [{"epoch": i, "loss": 1 / i, "val_loss": 1.1 / i, "accuracy": 0.5 + i / 10} for i in (1, 2, 3)]
    run.write_text("metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    evaluate_run(run, "validation")
    evaluate_run(run, "test")
    return run


def with_slices(run: Run) -> None:
    """As if `bm evaluate --slice` had found one of a hostile name."""
    slice_ = {"by": HOSTILE, "value": "1", "examples": 9, "metric": "accuracy", "figure": 0.5}
    slices = [{**slice_, "interval": [0.2, 0.8], "few": True}]
    run.write_text("evaluation/test-slices.json", json.dumps({"slices": slices}))
