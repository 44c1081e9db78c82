"""How often `bm compare` tells models apart that are equally good: 5 % of the time is what it promises.

    python benchmarks/comparisons.py [--rounds 2000] [--scenario NAME]

Predictions of two equally good binary classifiers are simulated, several runs ("seeds") of each, and compared
as `bm compare` does it (`evaluation.paired`), by accuracy, log loss and area under the ROC curve. In every
round the examples, the classifiers and the seeds are drawn anew. What makes the metrics differ all the same
is, by scenario: the luck of training alone; the choice of the examples, of which each classifier finds others
hard; both, or seeds that are wrong on different examples, but equally often; seeds of one classifier that
vary twice as much. The share of differences with p < 0.05 is shown, with its standard error; and beside it
what it would be with the degrees of freedom of Welch and Satterthwaite and without correcting for what
both parts of the variance show.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from _sides import begin, new_parser, show
from scipy.special import stdtr

from bmcli.metrics import intervals, paired
from bmcli.metrics.predictions import Predictions
from bmcli.tasks import of

if TYPE_CHECKING:
    from bmcli.core.spec import Task

METRICS = {"accuracy": "accuracy", "loss": "log loss", "roc_auc": "AUC"}
DESIGNS = ((1, 2), (1, 3), (1, 5), (2, 2), (2, 3), (3, 3), (3, 5), (5, 5))


@dataclass(frozen=True)
class Scenario:
    """Standard deviations of a score, whose difference between the classes is about 1.4: of all examples of a
    run (`seeds`), and on each example of a classifier (`classifiers`) and of a run (`runs`)."""

    examples: int
    seeds: float
    classifiers: float
    runs: float
    spread: float = 1.0
    """How much more the second side's seeds vary."""


SCENARIOS = {
    "seeds": Scenario(400, 0.15, 0.0, 0.1),
    "examples": Scenario(150, 0.02, 0.8, 0.3),
    "seeds and examples": Scenario(250, 0.15, 0.7, 0.5),
    "seeds and few examples": Scenario(60, 0.15, 0.5, 0.5),
    "different mistakes": Scenario(150, 0.0, 0.0, 0.8),
    "twice the spread": Scenario(400, 0.12, 0.0, 0.1, spread=2.0),
}


def main() -> None:
    parser = new_parser(__doc__, quick="20 rounds")
    parser.add_argument("--rounds", type=int, default=2_000)
    parser.add_argument("--scenario", choices=list(SCENARIOS), action="append")
    arguments = begin(parser)
    rounds = 20 if arguments.quick else arguments.rounds
    remember()
    for name in arguments.scenario or SCENARIOS:
        measure(name, SCENARIOS[name], rounds)


def remember() -> None:
    """Resamples are the same for as many examples, and a run's metrics whatever it is compared with: to find
    them again and again would take most of the time."""
    draw = intervals.resamples
    intervals.resamples = cache(lambda count: list(draw(count)))
    for name in ("resampled", "area"):
        find = getattr(intervals, name)
        known: OrderedDict[int, tuple[np.ndarray, Any]] = OrderedDict()

        def found(task: Task, targets: np.ndarray, outputs: np.ndarray, *more: Any, f=find, k=known) -> Any:
            if id(outputs) not in k:
                k[id(outputs)] = outputs, f(task, targets, outputs, *more)  # which keeps the id from others
            if len(k) > 100:
                k.popitem(last=False)
            return k[id(outputs)][1]

        setattr(intervals, name, found)


def measure(name: str, scenario: Scenario, rounds: int) -> None:
    """Print the table of one scenario."""
    told = {design: dict.fromkeys(METRICS, 0) for design in DESIGNS}
    naive = {design: dict.fromkeys(METRICS, 0) for design in DESIGNS}
    for number in range(rounds):
        rng = np.random.default_rng(number)
        targets, *runs = simulated(rng, scenario, max(max(design) for design in DESIGNS))
        made = cache(lambda which, count, t=targets, r=runs: side(t, r[which][:count]))
        for one, other in DESIGNS:
            first, second = made(0, one), made(1, other)
            for found in paired.differences(first, second):
                if found.metric in METRICS:
                    told[one, other][found.metric] += found.p is not None and found.p < 0.05
                    naive[one, other][found.metric] += p_by_welch(found, first, second) < 0.05
    rows = [
        [f"{one} against {other}", *(share(found[metric], rounds) for metric in METRICS for found in both)]
        for (one, other), both in ((design, (told[design], naive[design])) for design in DESIGNS)
    ]
    head = ["runs", *(text for metric in METRICS.values() for text in (f"% {metric}", "by Welch"))]
    show(f"{name}: {scenario.examples} examples, {rounds:,} rounds", head, rows)


def share(count: int, rounds: int) -> str:
    """In percent, with its standard error."""
    part = count / rounds
    return f"{100 * part:.1f} ± {100 * (part * (1 - part) / rounds) ** 0.5:.1f}"


Runs = tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]


def simulated(rng: np.random.Generator, scenario: Scenario, runs: int) -> Runs:
    """Truth int64 [N], and so many runs of either classifier: probabilities float32 [N, 2]."""
    count = scenario.examples
    targets = rng.integers(0, 2, count)
    hard = rng.normal(size=count)
    sides = []
    for spread in (1.0, scenario.spread):
        own = scenario.classifiers * rng.normal(size=count)
        side = []
        for _ in range(runs):
            sharpness = 1.4 + spread * scenario.seeds * rng.normal()
            score = sharpness + hard + own + scenario.runs * rng.normal(size=count)
            right = 1 / (1 + np.exp(-score))
            second = np.where(targets == 1, right, 1 - right)
            side.append(np.column_stack([1 - second, second]).astype(np.float32))
        sides.append(side)
    return targets, sides[0], sides[1]


def side(targets: np.ndarray, outputs: Sequence[np.ndarray]) -> paired.Side:
    """As `bm compare` makes it of runs."""
    ids = tuple(str(i) for i in range(len(targets)))
    metrics = [of("binary").measure(targets, one, ("no", "yes")) for one in outputs]
    return paired.Side(of("binary"), metrics, [Predictions(ids, targets, one) for one in outputs])


def p_by_welch(found: paired.Difference, first: paired.Side, second: paired.Side) -> float:
    """What takes each side's variance for an estimate of its own, also where there is only one."""
    a, b = first.resampled(found.metric), second.resampled(found.metric)
    if a is not None and b is not None:
        of_examples = float((b - a)[np.isfinite(b - a)].var(ddof=1))
    else:
        of_first, of_second = first.influences(), second.influences()
        if of_first is None or of_second is None:
            return 1.0
        of_examples = float(((of_second - of_first) ** 2).sum())
    values = [one.values(found.metric) for one in (first, second)]
    known = [(float(np.var(each, ddof=1)), len(each) - 1) for each in values if len(each) > 1]
    pooled = sum(variance * freedom for variance, freedom in known) / sum(freedom for _, freedom in known)
    parts = [
        (float(np.var(each, ddof=1)) / len(each), len(each) - 1) if len(each) > 1 else (pooled, known[0][1])
        for each in values
    ]
    total = of_examples + sum(part for part, _ in parts)
    weakness = sum(part**2 / freedom for part, freedom in parts)
    if not total:
        return 1.0
    freedom = min(total**2 / weakness, 1e9) if weakness else 1e9
    return float(2 * stdtr(freedom, -abs(found.difference) / total**0.5))


if __name__ == "__main__":
    main()
