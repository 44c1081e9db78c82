"""Intervals of the metrics of numbers; see `intervals`."""

from __future__ import annotations

import numpy as np

from bmcli.metrics import interval_methods
from bmcli.metrics.interval_methods import Interval
from bmcli.metrics.intervals import FEWEST, FEWEST_SQUARES, Method, TooFew, enough, known, sums


def resampled(targets: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of each resample; targets [N], outputs [N, 1]."""
    truth = np.asarray(targets, np.float64).reshape(-1)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        errors = truth - np.asarray(outputs, np.float64).reshape(-1)
        centred = truth - truth.mean()
        terms = [np.abs(errors), errors**2, centred, centred**2]
        absolute, square, first, second = sums(np.column_stack(terms)).T
        count = len(truth)
        spread = second - first**2 / count
        return {
            "loss": square / count,
            "mae": absolute / count,
            "rmse": np.sqrt(square / count),
            "r2": np.where(spread > 0, 1 - square / np.where(spread > 0, spread, 1), np.nan),
        }


def methods(targets: np.ndarray, outputs: np.ndarray) -> dict[str, Method]:
    """The method of every metric."""
    truth = np.asarray(targets, np.float64).reshape(-1)
    count = len(truth)

    with np.errstate(over="ignore", invalid="ignore"):
        errors = np.abs(truth - np.asarray(outputs, np.float64).reshape(-1))
        squares = errors**2

    floor = interval_methods.floor_of_squares(count)

    def of_mean(values: np.ndarray, fewest: int, floor: float) -> Interval:
        enough(count, fewest)
        if np.ptp(values) == 0:
            raise TooFew("every error is the same")
        return known(interval_methods.mean(values, interval_methods.unseen_of(values, floor)))

    def root(value: float) -> Interval:
        low, high = of_mean(squares, FEWEST_SQUARES, floor)
        return float(np.sqrt(low)), float(np.sqrt(high))

    def explained(value: float) -> Interval:
        enough(count, FEWEST_SQUARES)
        spread = (truth - truth.mean()) ** 2
        if not squares.any():
            raise TooFew("there is no error")
        low, high = known(interval_methods.ratio(squares, spread, floor))
        return 1 - high, 1 - low

    return {
        "loss": lambda value: of_mean(squares, FEWEST_SQUARES, floor),
        "mae": lambda value: of_mean(errors, FEWEST, interval_methods.LIGHTEST),
        "rmse": root,
        "r2": explained,
    }
