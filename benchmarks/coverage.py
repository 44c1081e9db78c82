"""How often the 95 % intervals of an evaluation hold the truth: by metric and number of examples.

    python benchmarks/coverage.py [--samples 500] [--examples 30 100 1000 10000] [--only regression]

Samples are drawn from populations whose metrics are known: good and weak models, sure and unsure ones, rare
positives, rare confident mistakes, skewed and heavy-tailed errors. Of each sample both sides compute all
intervals: the methods of `bmcli.metrics.intervals`, and the ones in common use (Wilson for shares,
logit-DeLong for areas under ROC curves, percentiles of 1,000 bootstrap resamples for all else). A row is a
metric of one population; the last table has the worst population of each metric.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from bmcli.metrics import area_intervals, class_intervals
from bmcli.metrics import intervals as ours
from bmcli.tasks import of

Sampler = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
LARGE = 400_000
"""Examples of the sample that stands for a population whose metrics no formula gives."""
TOLERANCE = 0.02
"""Coverage further below 0.95 than this, and than two of its standard errors, is marked."""


@dataclass(frozen=True)
class Population:
    """truth: the metrics that are known by a formula; the others come from LARGE examples."""

    task: str
    draw: Sampler
    truth: dict[str, float]


def softmax(scores: np.ndarray) -> np.ndarray:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def gaussians(shares: list[float], distance: float, certainty: float = 1.0, noise: float = 0.0) -> Sampler:
    """Classes of those shares, each a Gaussian around its own corner; probabilities are Bayes' own, their
    logits times `certainty`; noise: share of labels drawn anew."""
    part = np.asarray(shares) / np.sum(shares)

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        targets = rng.choice(len(part), n, p=part)
        places = rng.normal(size=(n, len(part)))
        places[np.arange(n), targets] += distance
        outputs = softmax(certainty * (distance * places + np.log(part)))
        again = rng.random(n) < noise
        targets[again] = rng.choice(len(part), int(again.sum()), p=part)
        return targets, outputs

    return draw


def confident(wrong: float, classes: int, unsure: float = 0.001) -> Sampler:
    """Always about equally sure, and wrong now and then. unsure: median probability of all other classes."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        targets = rng.integers(0, classes, n)
        answers = np.where(rng.random(n) < wrong, (targets + rng.integers(1, classes, n)) % classes, targets)
        left = unsure * np.exp(0.5 * rng.normal(size=n))
        outputs = np.repeat(left[:, None] / (classes - 1), classes, axis=1).astype(np.float32)
        outputs[np.arange(n), answers] = 1 - left
        return targets, outputs

    return draw


def labels(shares: list[float], distance: float, together: float, certainty: float = 1.0) -> Sampler:
    """Labels of those shares, each seen through noise, a part of which all labels of an example have in
    common."""
    part = np.asarray(shares)

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.random((n, len(part))) < part
        noise = math.sqrt(together) * rng.normal(size=(n, 1))
        noise = noise + math.sqrt(1 - together) * rng.normal(size=(n, len(part)))
        logits = distance * (distance * (truth - 0.5) + noise) + np.log(part / (1 - part))
        return truth.astype(np.float32), (1 / (1 + np.exp(-certainty * logits))).astype(np.float32)

    return draw


def errors_of(draw_errors: Callable[[np.random.Generator, int], np.ndarray]) -> Sampler:
    """Predictions N(0, 1), and the truth off by those errors."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        predicted = rng.normal(size=n)
        return predicted + draw_errors(rng, n), predicted[:, None]

    return draw


def lognormal(sigma: float, centred: bool) -> Population:
    """Errors exp(σN): less their mean, or with a random sign."""
    mean = math.exp(sigma**2 / 2)

    def errors(rng: np.random.Generator, n: int) -> np.ndarray:
        drawn = np.exp(sigma * rng.normal(size=n))
        return drawn - mean if centred else drawn * rng.choice([-1.0, 1.0], n)

    square = math.exp(2 * sigma**2) - (mean**2 if centred else 0)
    truth = {"loss": square, "rmse": math.sqrt(square), "r2": 1 - square / (1 + square)}
    if not centred:
        truth["mae"] = mean
    return Population("regression", errors_of(errors), truth)


def with_variance(draw: Callable[[np.random.Generator, int], np.ndarray], square: float) -> Population:
    truth = {"loss": square, "rmse": math.sqrt(square), "r2": 1 - square / (1 + square)}
    return Population("regression", errors_of(draw), truth)


def skewed_targets(sigma: float, error: float, in_proportion: bool) -> Population:
    """Targets exp(σN); errors of that size, or of that size times the target."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        truth = np.exp(sigma * rng.normal(size=n))
        scale = truth if in_proportion else 1.0
        return truth, (truth + error * scale * rng.normal(size=n))[:, None]

    second = math.exp(2 * sigma**2)
    square = error**2 * (second if in_proportion else 1)
    truth = {"loss": square, "rmse": math.sqrt(square), "r2": 1 - square / (second - math.exp(sigma**2))}
    return Population("regression", draw, truth)


def classifier(task: str, draw: Sampler) -> Population:
    return Population(task, draw, {})


def _mixed(share: float, wide: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda rng, n: rng.normal(size=n) * np.where(rng.random(n) < share, wide, 1)


POPULATIONS: dict[str, Population] = {
    "weak": classifier("binary", gaussians([1, 1], 0.7)),
    "good": classifier("binary", gaussians([1, 1], 2.5)),
    "too sure, 3 % noise": classifier("binary", gaussians([1, 1], 2.0, 3.0, 0.03)),
    "0.9986, sure": classifier("binary", confident(0.0014, 2)),
    "0.97, sure": classifier("binary", confident(0.03, 2)),
    "5 % positives": classifier("binary", gaussians([0.95, 0.05], 1.5)),
    "1 % positives": classifier("binary", gaussians([0.99, 0.01], 1.5)),
    "0.5 % positives, AUC 0.999": classifier("binary", gaussians([0.995, 0.005], 3.09)),
    "10 classes, weak": classifier("multiclass", gaussians([1] * 10, 1.5)),
    "10 classes, good": classifier("multiclass", gaussians([1] * 10, 3.5)),
    "10 classes, 0.9986, sure": classifier("multiclass", confident(0.0014, 10)),
    "10 classes, too sure, 2 % noise": classifier("multiclass", gaussians([1] * 10, 3.5, 3.0, 0.02)),
    "4 unequal classes": classifier("multiclass", gaussians([70, 20, 7, 3], 1.7)),
    "4 unequal classes, good": classifier("multiclass", gaussians([70, 20, 7, 3], 3.5)),
    "8 labels, weak": classifier("multilabel", labels([0.3] * 8, 1.2, 0.3)),
    "8 labels, good": classifier("multilabel", labels([0.3] * 8, 3.5, 0.5)),
    "8 labels, too sure": classifier("multilabel", labels([0.3] * 8, 2.0, 0.8, 3.0)),
    "5 rare labels": classifier("multilabel", labels([0.2, 0.1, 0.05, 0.05, 0.02], 2.5, 0.2)),
    "normal errors": with_variance(lambda rng, n: rng.normal(size=n), 1.0),
    "Laplace errors": with_variance(lambda rng, n: rng.laplace(size=n), 2.0),
    "t(5) errors": with_variance(lambda rng, n: rng.standard_t(5, n), 5 / 3),
    "t(3) errors": with_variance(lambda rng, n: rng.standard_t(3, n), 3.0),
    "5 % five times wider": with_variance(_mixed(0.05, 5), 0.95 + 0.05 * 25),
    "lognormal 1, either sign": lognormal(1.0, centred=False),
    "lognormal 1, centred": lognormal(1.0, centred=True),
    "lognormal 1.5, either sign": lognormal(1.5, centred=False),
    "lognormal 1.5, centred": lognormal(1.5, centred=True),
    "nine in ten exact": with_variance(lambda rng, n: (rng.random(n) < 0.1) * rng.laplace(size=n), 0.2),
    "lognormal targets": skewed_targets(1.0, 0.5, in_proportion=False),
    "lognormal 1.5 targets": skewed_targets(1.5, 1.0, in_proportion=False),
    "lognormal targets, errors in proportion": skewed_targets(1.0, 0.3, in_proportion=True),
}


@cache
def truth_of(name: str) -> dict[str, float]:
    population = POPULATIONS[name]
    targets, outputs = population.draw(np.random.default_rng(99), LARGE)
    return {**_metrics(population.task, targets, outputs), **population.truth}


def _metrics(task: str, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    from bmcli.metrics.formulas import top_k_accuracy

    metrics = of(task).measure(targets, outputs, ())
    if task == "multiclass" and outputs.shape[1] > 5:
        metrics["top_5_accuracy"] = top_k_accuracy(targets, outputs, 5)
    found = of(task).reliability(targets, outputs)
    return {**metrics, **({"ece": found.ece} if found else {})}  # type: ignore[dict-item]


def _shares(
    task: str, targets: np.ndarray, outputs: np.ndarray, top_k: int | None
) -> dict[str, tuple[int, int]]:
    """The metrics that are shares of examples: (hits, of how many)."""
    if task == "multilabel":
        return class_intervals.shares_of_labels(targets > 0.5, outputs)
    found = class_intervals.shares_of_classes(targets, outputs, top_k)
    if task == "binary":
        both, answers, support = class_intervals.of_second(targets, outputs)
        found |= {"recall": (both, support), "precision": (both, answers)}
    return found


def common(
    task: str,
    targets: np.ndarray,
    outputs: np.ndarray,
    metrics: dict[str, float],
    drawn: dict[str, np.ndarray],
) -> dict[str, tuple[float, float] | None]:
    """The intervals in common use."""
    found = {name: ours.percentiles(values) for name, values in drawn.items()}
    if task == "regression":
        return found
    z = 1.959963984540054
    for name, (hits, count) in _shares(task, targets, outputs, ours.top_k_of(metrics)).items():
        if count:
            middle = (hits + z * z / 2) / (count + z * z)
            half = z * math.sqrt(hits * (count - hits) / count + z * z / 4) / (count + z * z)
            found[name] = (middle - half, middle + half)
    value, influences = area_intervals.area(of(task).curves(targets, outputs))  # type: ignore[attr-defined]
    found["roc_auc"] = None
    if value is not None and influences is not None and 0 < value < 1 and influences.any():
        logit, step = (
            math.log(value / (1 - value)),
            z * math.sqrt((influences**2).sum()) / value / (1 - value),
        )
        found["roc_auc"] = (1 / (1 + math.exp(step - logit)), 1 / (1 + math.exp(-step - logit)))
    return found


@dataclass
class Count:
    """Of one metric: how often the old and the new interval were there, and held; and their widths."""

    samples: int = 0
    old: int = 0
    old_held: int = 0
    new: int = 0
    new_held: int = 0
    wider: float = math.nan


def measure(name: str, examples: int, samples: int, resamples: int = ours.RESAMPLES) -> dict[str, Count]:
    """Of one population: all metrics that are defined."""
    ours.RESAMPLES = resamples
    warnings.filterwarnings("ignore")
    population = POPULATIONS[name]
    truth = truth_of(name)
    counts: dict[str, Count] = {metric: Count() for metric in truth}
    widths: dict[str, list[float]] = {metric: [] for metric in truth}
    rng = np.random.default_rng([examples, *name.encode()])
    for _ in range(samples if examples < 5_000 else max(samples // 4, 1)):
        targets, outputs = population.draw(rng, examples)
        metrics = _metrics(population.task, targets, outputs)
        given = (targets, outputs)
        drawn = of(population.task).resampled(*given, ours.top_k_of(metrics))
        before = common(population.task, *given, metrics, drawn)
        after = of(population.task).intervals(*given, metrics, drawn).intervals
        for metric, value in metrics.items():
            if value is None or metric not in counts:
                continue
            one, old, new = counts[metric], before.get(metric), after.get(metric)
            one.samples += 1
            if old is not None:
                one.old += 1
                one.old_held += old[0] <= truth[metric] <= old[1]
            if new is not None:
                one.new += 1
                one.new_held += new[0] - 1e-12 <= truth[metric] <= new[1] + 1e-12
            if old is not None and new is not None:
                widths[metric].append((new[1] - new[0]) / (old[1] - old[0]))
    for metric, one in counts.items():
        one.wider = float(np.median(widths[metric])) if widths[metric] else math.nan
    return counts


def _short(one: Count) -> bool:
    if not one.new:
        return False
    return one.new_held / one.new < 0.95 - max(TOLERANCE, 2 * math.sqrt(0.95 * 0.05 / one.new))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:5.1f}" if whole else "    –"


HEAD = f"{'metric':<18} {'population':<40} {'n':>6}  {'old':>5}  {'new':>5}  {'shown':>5}  {'width':>5}"


def rows(name: str, examples: int, counts: dict[str, Count]) -> Iterator[str]:
    for metric, one in counts.items():
        if one.samples:
            mark = "  short" if _short(one) else ""
            yield (
                f"{metric:<18} {name:<40} {examples:>6}  {_share(one.old_held, one.old)}  "
                f"{_share(one.new_held, one.new)}  {_share(one.new, one.samples)}  {one.wider:5.2f}{mark}"
            )


def worst(results: dict[tuple[str, int], dict[str, Count]]) -> Iterator[str]:
    """A Markdown table: task and metric by number of examples, old → new, of the population where the new
    one covers least; where fewer than 99 % of the samples have one, how many."""
    sizes = sorted({examples for _, examples in results})
    found: dict[tuple[str, str], dict[int, list[Count]]] = {}
    for (name, examples), counts in results.items():
        for metric, one in counts.items():
            key = POPULATIONS[name].task, metric
            found.setdefault(key, {}).setdefault(examples, []).append(one)
    yield "| task, metric | " + " | ".join(f"n = {size:,}" for size in sizes) + " |"
    yield "|---" * (1 + len(sizes)) + "|"
    for (task, metric), of_size in found.items():
        cells = []
        for size in sizes:
            known = [one for one in of_size.get(size, []) if one.samples]
            old = min((one.old_held / one.old for one in known if one.old), default=math.nan)
            shown = [one for one in known if one.new > 0.01 * one.samples]
            if not shown:
                cells.append(f"{100 * old:.0f} → too few" if known and not math.isnan(old) else "too few")
                continue
            least = min(shown, key=lambda one: one.new_held / one.new)
            text = f"{100 * least.new_held / least.new:.0f}"
            text = f"{100 * old:.0f} → {text}" if not math.isnan(old) else f"– → {text}"
            least_shown = min(one.new / one.samples for one in known)
            if least_shown < 0.99:
                text += f" ({100 * least_shown:.0f})"
            cells.append(text + (" **short**" if _short(least) else ""))
        yield f"| {task}, {metric} | " + " | ".join(cells) + " |"


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=500,
        help="of each population and size; beyond 5,000 examples a quarter",
    )
    parser.add_argument("--examples", type=int, nargs="+", default=[30, 100, 1_000, 10_000])
    parser.add_argument("--only", default="", help="populations of this task, or of this name")
    parser.add_argument(
        "--resamples", type=int, default=ours.RESAMPLES, help="of each sample; fewer are faster"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="20 samples of at most 100 examples")
    arguments = parser.parse_args()
    samples = 20 if arguments.quick else arguments.samples
    sizes = [n for n in arguments.examples if n <= 100] if arguments.quick else arguments.examples
    jobs = [
        (name, examples)
        for name, population in POPULATIONS.items()
        if arguments.only in (*("",), population.task, name)
        for examples in sizes
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        asked = [samples] * len(jobs), [arguments.resamples] * len(jobs)
        counted = pool.map(measure, *zip(*jobs, strict=True), *asked)
        results = {}
        print(HEAD)
        for job, counts in zip(jobs, counted, strict=True):
            results[job] = counts
            print("\n".join(rows(*job, counts)), flush=True)
    print("\n".join(["", *worst(results)]))


if __name__ == "__main__":
    main()
