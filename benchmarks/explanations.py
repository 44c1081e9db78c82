"""Whether explanations of rows name the column that decided: on planted tables whose reasons are known.

    python benchmarks/explanations.py [--rows 2000] [--seeds 3] [--quick]

A table has numbers, a category and a boolean that make the target, and columns that do not: two categories of
many levels, a date, noise, and a twin that follows the strongest number. `bm train` trains a network on it,
and other rows of the same kind are explained. A column's true contribution is its effect less the effect's
mean; the top column is right when the explanation puts the largest contribution on the column that truly has
it. `clear` counts only rows where it is a quarter larger than the next.
"""

from __future__ import annotations

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _sides import begin, mean_and_error, new_parser, show

CASES = (("linear", "regression"), ("mlp", "regression"), ("mlp", "binary"))
MODELS = {"linear": "{name: linear, solver: closed_form}", "mlp": "mlp"}
GROUPS = {"basic": -1.0, "plus": 0.5, "premium": 3.0}
SHARES = (0.6, 0.3, 0.1)
EXPLAINED = 200


@dataclass(frozen=True)
class Planted:
    """columns: name -> values, as in a table of bm's; targets: [N]; truth: what each relevant column adds to
    the target beyond its mean, [N] each."""

    columns: dict[str, np.ndarray]
    targets: np.ndarray
    truth: dict[str, np.ndarray]


def planted(count: int, task: str, seed: int) -> Planted:
    """Rows with a known reason."""
    rng = np.random.default_rng(seed)
    size, age, noise = rng.normal(50, 10, count), rng.normal(30, 8, count), rng.normal(0, 1, count)
    group = rng.choice(list(GROUPS), count, p=SHARES)
    garden = rng.random(count) < 0.2
    effects = {
        "size": 0.2 * size,
        "age": -0.15 * age,
        "group": np.array([GROUPS[name] for name in group]),
        "garden": 2.0 * garden,
    }
    expected = {
        "size": 10.0,
        "age": -4.5,
        "group": sum(share * effect for share, effect in zip(SHARES, GROUPS.values(), strict=True)),
        "garden": 0.4,
    }
    truth = {name: values - expected[name] for name, values in effects.items()}
    total = sum(truth.values())
    targets = total + rng.normal(0, 0.5, count)
    if task == "binary":
        targets = (rng.random(count) < 1 / (1 + np.exp(-2 * np.asarray(total)))).astype(int)
    columns = {
        "size": size,
        "age": age,
        "group": group.astype(object),
        "garden": np.where(garden, "yes", "no").astype(object),
        "town": np.array([f"town{i}" for i in rng.integers(0, 40, count)], object),
        "street": np.array([f"street{i}" for i in (60 * rng.random(count) ** 2).astype(int)], object),
        "noise": noise,
        "twin": 0.9 * (size - 50) / 10 + 0.44 * rng.normal(size=count),
        "sold": rng.integers(19_000, 20_000, count).astype(float),
    }
    return Planted(columns, np.asarray(targets), truth)


def write(made: Planted, path: Path) -> None:
    """As a CSV file; `sold` as dates."""
    days = np.datetime64("1970-01-01") + made.columns["sold"].astype("timedelta64[D]")
    cells = {**made.columns, "sold": days, "target": made.targets}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))


def right(made: Planted, weights: list[dict[str, float]]) -> tuple[float, float]:
    """The share of rows whose top column is right, and of those where one is clear.

    weights: column -> contribution, of each row.
    """
    names = list(made.truth)
    true = np.abs(np.stack([made.truth[name] for name in names], axis=1))
    top = true.argmax(axis=1)
    ordered = np.sort(true, axis=1)
    clear = ordered[:, -1] > 1.25 * ordered[:, -2]
    said = [max(row, key=lambda name: abs(row[name])) for row in weights]
    hits = np.array([names[t] == name for t, name in zip(top, said, strict=True)])
    return float(hits.mean()), float(hits[clear].mean())


def explained(folder: Path, task: str, rows: int, seed: int, model: str) -> tuple[float, float]:
    """Train, explain rows that were not trained on, and compare with what was planted."""
    from bmcli import api
    from bmcli.data.bundle import Table
    from bmcli.explain.explain import Explainer, Explanation
    from bmcli.inference.inputs import Inputs
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.store import RunStore

    name = f"{task}-{seed}"
    write(planted(rows, task, seed), folder / f"{name}.csv")
    config = folder / f"{name}.yaml"
    config.write_text(
        f"name: {name}\ndata: {{path: {name}.csv, target: target, task: {task}}}\n"
        f"model: {MODELS[model]}\ntraining: {{epochs: 40, batch_size: 32, early_stopping: {{patience: 5}}}}\n"
    )
    api.train(config, runs_dir=folder / "runs")
    opened = OpenedRun(RunStore(folder / "runs").find(name))
    explainer = Explainer(opened, label=None if task == "regression" else "1")
    made = planted(EXPLAINED, task, seed + 1000)
    names = tuple(str(i) for i in range(EXPLAINED))
    found = []
    for one in explainer.explain(Inputs(Table(made.columns), names)):
        assert isinstance(one, Explanation), one
        found.append({name: float(w) for (name, _), w in zip(one.features, one.weights, strict=True)})
    return right(made, found)


def main() -> None:
    parser = new_parser(__doc__, quick="one seed, 500 rows")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = begin(parser)
    rows, seeds = (500, 1) if arguments.quick else (arguments.rows, arguments.seeds)
    body = []
    with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as folder:
        for model, task in CASES:
            place = Path(folder) / model
            place.mkdir(exist_ok=True)
            found = [explained(place, task, rows, seed, model) for seed in range(seeds)]
            whole, clear = zip(*found, strict=True)
            body.append([f"{model}, {task}", mean_and_error(whole, 3), mean_and_error(clear, 3)])
    show(f"The top column is right, {rows:,} training rows", ["", "all rows", "clear rows"], body)


if __name__ == "__main__":
    main()
