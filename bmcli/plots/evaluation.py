"""Plots of training and of an evaluation, as PNG bytes, large enough for slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bmcli.core.number_format import decimals
from bmcli.plots.style import BLUE, GREEN, GREY, INK, ORANGE, cut, figure, style, to_png

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from bmcli.metrics.results import Evaluation

MOST_NUMBERS = 25
"""Classes up to which every cell of a confusion matrix shows its count."""
MOST_LABELS = 40
"""Names along an axis, or rows of a chart; beyond, they are thinned."""
MOST_POINTS = 20_000


def learning_curves(
    records: Sequence[Mapping[str, float | None]], metric: str, best_epoch: int | None = None
) -> bytes:
    """Loss and `metric` over the epochs, training and validation, the best epoch marked.

    records: the lines of metrics.jsonl, with `epoch`, `loss`, `<metric>`, `val_loss`, `val_<metric>`; what
    is missing or None is left out, and a panel for which there is nothing at all is, too.
    """
    with style():
        names = [name for name in ("loss", metric) if any(_series(records, name)[1] for name in _pair(name))]
        made = figure(6 * max(1, len(names)), 4.2)
        for axes, name in zip(made.subplots(1, max(1, len(names)), squeeze=False)[0], names, strict=False):
            _curves(axes, records, name, best_epoch)
        return to_png(made)


def confusion_matrix(evaluation: Evaluation) -> bytes:
    """Truth against prediction: shaded by the share of the true class, blue right and orange wrong, with
    counts in the cells where they are few enough to be read."""
    import numpy as np

    counts = np.array(evaluation.confusion_matrix)
    classes = len(counts)
    longest = 18 if classes <= 12 else 14
    names = [cut(name, longest) for name in evaluation.classes]
    cell = 0.62 if classes <= 12 else 0.44 if classes <= MOST_NUMBERS else 6.6 / classes
    side = max(3.6, classes * cell)
    cell = side / classes
    room = 0.095 * max(map(len, names), default=1)
    with style():
        scale = max(1.0, side / 8)
        made = figure(side + room * scale + 0.9, side + (room * scale if _tilted(names, cell) else 0.3) + 1.2)
        axes = made.subplots()
        axes.imshow(_shades(counts), interpolation="nearest", aspect="equal")
        if classes <= MOST_NUMBERS:
            _counts(axes, counts, cell)
        _named_ticks(axes, names, cell, scale)
        axes.set_xlabel("predicted", fontsize=13 * scale)
        axes.set_ylabel("true", fontsize=13 * scale)
        axes.set_title(_title(evaluation), fontsize=13 * scale, pad=10)
        axes.spines[:].set(visible=True, color="#CCCCCC", linewidth=0.8)
        axes.tick_params(length=0 if classes <= MOST_NUMBERS else 3)
        return to_png(made)


def class_figures(evaluation: Evaluation) -> bytes:
    """Precision, recall and F1 of every class or label, weakest first; of many, the weakest MOST_LABELS."""
    import numpy as np

    known = sorted((one for one in evaluation.per_class if one.support), key=lambda one: one.f1 or 0.0)
    shown = known[:MOST_LABELS]
    rows = np.arange(len(shown))
    with style():
        made = figure(8, 1.9 + 0.34 * len(shown))
        axes = made.subplots()
        f1 = np.array([one.f1 or 0.0 for one in shown])
        axes.barh(rows, f1, color="#BBD9EA", height=0.62, label="F1")
        for name, marker, colour in (("precision", "D", ORANGE), ("recall", "o", GREEN)):
            values = [getattr(one, name) for one in shown]
            at = [(v, r) for v, r in zip(values, rows, strict=True) if v is not None]
            axes.plot([v for v, _ in at], [r for _, r in at], marker, color=colour, label=name, clip_on=False)
        axes.set_yticks(rows, [f"{cut(one.name, 24)}  (n = {one.support:,})" for one in shown])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        rest = len(known) - len(shown)
        axes.set_title(_title(evaluation) + (f"\nthe {len(shown)} weakest of {len(known)}" if rest else ""))
        made.legend(loc="outside lower center", ncols=3)
        return to_png(made)


def calibration(evaluation: Evaluation) -> bytes:
    """How often answers of each certainty are right, and below how many there are of each."""
    import numpy as np

    found = evaluation.calibration
    assert found is not None
    middles = [(one.low + one.high) / 2 for one in found.bins]
    width = 0.92 * (found.bins[0].high - found.bins[0].low)
    with style():
        made = figure(5.6, 6.2)
        above, below = made.subplots(2, 1, height_ratios=[3.2, 1], sharex=True)
        above.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1.4, label="calibrated")
        above.bar(middles, [one.right for one in found.bins], width, color="#BBD9EA", label="right")
        above.plot(
            [one.confidence for one in found.bins],
            [one.right for one in found.bins],
            "o-",
            color=BLUE,
            zorder=3,
        )
        above.set_ylim(0, 1)
        above.set_ylabel("share of correct predictions")
        title = f"{_title(evaluation)}\nECE {decimals(found.ece)}"
        if found.ece_with_temperature is not None:
            with_it, temperature = map(decimals, (found.ece_with_temperature, found.temperature))
            title += f", {with_it} with temperature {temperature}"
        above.set_title(title)
        above.legend(loc="upper left")
        below.bar(middles, np.array([one.count for one in found.bins]), width, color=GREY)
        below.set_ylabel("answers")
        below.set_xlabel("predicted probability")
        below.set_xlim(0, 1)
        return to_png(made)


def regression(evaluation: Evaluation, targets: np.ndarray, outputs: np.ndarray, target_name: str) -> bytes:
    """Predicted against true, and what is left over against the prediction."""
    import numpy as np

    truth, predicted = np.asarray(targets, float).reshape(-1), np.asarray(outputs, float).reshape(-1)
    if len(truth) > MOST_POINTS:
        at = np.linspace(0, len(truth) - 1, MOST_POINTS).astype(int)
        truth, predicted = truth[at], predicted[at]
    name = cut(target_name, 30)
    dots: dict[str, object] = {
        "s": float(np.clip(12_000 / max(1, len(truth)), 6, 36)),
        "alpha": float(np.clip(300 / max(1, len(truth)), 0.15, 0.7)),
        "color": BLUE,
        "linewidths": 0,
    }
    with style():
        made = figure(11.5, 5)
        left, right = made.subplots(1, 2)
        low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
        margin = 0.04 * (high - low) or 1.0
        left.plot([low - margin, high + margin], [low - margin, high + margin], color=GREY, lw=1.4, zorder=0)
        left.scatter(truth, predicted, **dots)
        left.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
        left.set(xlabel=f"true {name}", ylabel=f"predicted {name}")
        left.set_title(_title(evaluation))
        right.axhline(0, color=GREY, lw=1.4, zorder=0)
        right.scatter(predicted, predicted - truth, **dots)
        right.set(xlabel=f"predicted {name}", ylabel="predicted − true")
        known = [name for name in ("mae", "rmse") if name in evaluation.metrics]
        errors = [f"{name.upper()} {decimals(evaluation.metrics[name])}" for name in known]
        right.set_title(" · ".join(["errors", *errors]))
        for axes in (left, right):
            axes.grid()
            axes.set_axisbelow(True)
        return to_png(made)


def _pair(name: str) -> tuple[str, str]:
    return name, f"val_{name}"


def _series(records: Sequence[Mapping[str, float | None]], name: str) -> tuple[list[float], list[float]]:
    known = [(r["epoch"] or 0, value) for r in records if (value := r.get(name)) is not None]
    return [epoch for epoch, _ in known], [value for _, value in known]


def _curves(
    axes: Axes, records: Sequence[Mapping[str, float | None]], name: str, best_epoch: int | None
) -> None:
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    everything: list[float] = []
    few = len(records) <= 30
    for key, label, colour, marker in zip(
        _pair(name), ("training", "validation"), (GREY, BLUE), ("o", "o"), strict=True
    ):
        epochs, values = _series(records, key)
        everything += values
        if not values:
            continue
        axes.plot(epochs, values, color=colour, label=label, marker=marker if few else None, markersize=4.5)
        last = label == "validation" or not _series(records, f"val_{name}")[1]
        if best_epoch is not None and best_epoch in epochs and last:
            value = values[epochs.index(best_epoch)]
            axes.axvline(best_epoch, color=ORANGE, lw=1.2, ls=(0, (4, 3)), zorder=0)
            axes.plot(
                [best_epoch],
                [value],
                marker="*",
                markersize=17,
                color=ORANGE,
                markeredgecolor="white",
                ls="none",
                label=f"best, epoch {best_epoch}: {decimals(value)}",
                zorder=5,
            )
    if min(everything) > 0 and max(everything) > 20 * min(everything):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", title=cut(name.replace("_", " "), 40))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="best", fontsize=11)


def _shades(counts: np.ndarray) -> np.ndarray:
    """RGB [C, C, 3]: white to blue on the diagonal, white to orange off it, by the share of the row. The
    square root lets an error of a few percent be seen."""
    import numpy as np
    from matplotlib.colors import to_rgb

    shares = _shares(counts)
    right = np.eye(len(counts), dtype=bool)
    full = np.where(right[..., None], to_rgb(BLUE), to_rgb(ORANGE))
    depth = np.where(right, shares, np.sqrt(shares))[..., None]
    shades: np.ndarray = np.clip(1 - depth * (1 - full), 0, 1)
    return shades


def _shares(counts: np.ndarray) -> np.ndarray:
    shares: np.ndarray = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    return shares


def _counts(axes: Axes, counts: np.ndarray, cell: float) -> None:
    import numpy as np

    shares = _shares(counts)
    digits = len(str(int(counts.max(initial=0))))
    size = min(13.0, 72 * cell * 0.8 / (0.62 * max(digits, 2)))
    for row, column in zip(*np.nonzero(counts), strict=True):
        depth = shares[row, column] if row == column else shares[row, column] ** 0.5
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if depth > 0.55 else INK,
        )


def _tilted(names: Sequence[str], cell: float) -> bool:
    return max(map(len, names), default=0) * 0.1 > cell


def _named_ticks(axes: Axes, names: Sequence[str], cell: float, scale: float) -> None:
    step = -(-len(names) // MOST_LABELS)
    places = list(range(0, len(names), step))
    size = 11.5 * scale if cell > 0.4 else max(7.0, min(11.0, 72 * cell * step * 0.8))
    shown = [names[i] for i in places]
    tilted = _tilted(shown, cell * step)
    axes.set_xticks(places, shown, fontsize=size, rotation=90 if tilted else 0)
    axes.set_yticks(places, shown, fontsize=size)


def _title(evaluation: Evaluation) -> str:
    headline = evaluation.headline
    name = {"r2": "R²", "f1_macro": "macro F1"}.get(headline, headline.replace("_", " "))
    value = decimals(evaluation.metrics[headline])
    return f"{cut(evaluation.split, 24)}, {evaluation.examples:,} examples · {name} {value}"
