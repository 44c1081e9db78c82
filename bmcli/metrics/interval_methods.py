"""The methods behind the intervals: from counts, losses or a variance to the two ends.

Plain bootstrap percentiles and normal approximations take what was seen for all there is. Where the
mistakes, or the large ones, are rare, most samples hold none of them, and such an interval misses the truth
most of the time. All methods here therefore count in one more observation on the side that was not seen
enough, as exact methods do: `share` is exact, `bounded`, `mean` and `ratio` carry the idea over (Fay and
Feuer, 1997).
"""

from __future__ import annotations

import numpy as np

LEVEL = 0.95
UPPER = (1 + LEVEL) / 2

Interval = tuple[float, float]

LIGHTEST, HEAVIEST = 0.5, 0.9
"""Between which the tail index of errors is taken to lie; at 1 there would be no mean."""
HEAVIEST_BELOW = 0.97
"""The same of what a ratio is divided by, whose interval has an end anyhow."""


def share(hits: int, count: int) -> Interval | None:
    """The exact interval of a share (Clopper and Pearson, 1934), which never covers less than LEVEL; None of
    nothing."""
    from scipy.special import betaincinv

    if not count:
        return None
    low = float(betaincinv(hits, count - hits + 1, 1 - UPPER)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, UPPER)) if hits < count else 1.0
    return low, high


def bounded(value: float, variance: float, weight: float) -> Interval:
    """Of a metric between 0 and 1 that is made of shares of different weight, such as a macro average.

    An exact interval with the number of examples for which a share of that value would have that variance
    (Korn and Graubard, 1998), and with one more mistake at the low end, one more right answer at the high
    end, of the largest weight there is (Fay and Feuer, 1997). Of a plain share it is
    `share`, or a little wider.

    weight: by how much that one answer would move the metric; above 0.
    """
    low, high = 1 - _most(1 - value, variance, weight), _most(value, variance, weight)
    # Near 0 and 1 the few that there are say more than one more would.
    return min(low, _fewest(value, variance)), max(high, 1 - _fewest(1 - value, variance))


def _fewest(value: float, variance: float) -> float:
    from scipy.special import betaincinv

    if value <= 0 or variance <= 0:
        return value
    size = value * (1 - value) / variance
    return min(value, float(betaincinv(value * size, (1 - value) * size + 1, 1 - UPPER)))


def _most(value: float, variance: float, weight: float) -> float:
    from scipy.special import betaincinv

    moved = value + weight
    if moved >= 1:
        return 1.0
    spread = variance + weight**2 * (1 - weight)  # of a share of 0 hits that of the exact interval
    size = moved * (1 - moved) / spread
    return max(value, float(betaincinv(moved * size, (1 - moved) * size + 1, UPPER)))


def mean(values: np.ndarray, unseen: float) -> Interval | None:
    """Of the mean of losses float64 [N], 0 or more each; None if it is not finite.

    A gamma distribution, moved and scaled, with the mean, the variance and twice the skewness that the losses
    give it: correct to the second order, as a studentised bootstrap is (Hall, 1992), and for counts of rare
    equal losses the exact Poisson interval (Garwood, 1936).

    unseen: how large one more loss could be, which the high end counts in; see `unseen_of`.
    """
    count = len(values)
    with np.errstate(over="ignore", invalid="ignore"):
        middle = float(values.mean())
        centred = values - middle
        variance = float((centred**2).sum()) / (count * max(count - 1, 1))
        third = float((centred**3).sum()) / count**3
        one = unseen / count
        found = (
            max(0.0, _gamma(middle, variance, third, 1 - UPPER)),
            _gamma(middle + one, variance + one**2, third + one**3, UPPER),
        )
    return found if np.isfinite(found).all() else None


def _gamma(middle: float, variance: float, third: float, level: float) -> float:
    from scipy.special import gammaincinv, ndtri

    error = float(np.sqrt(variance))
    if not error > 0:
        return middle
    skewness = third / error**3
    if skewness < 1e-3:
        return middle + error * float(ndtri(level))
    shape = 1 / skewness**2
    return middle + error * float(gammaincinv(shape, level) - shape) * skewness


def ratio(above: np.ndarray, below: np.ndarray, floor: float) -> Interval | None:
    """Of the mean of `above` by that of `below`, float64 [N] of 0 or more each, from the same examples; None
    where either is 0 or it is not finite.

    From the mean of what each example adds to the ratio, and from the same of the ratio turned over, as there
    a large value of `below`, seen or not, counts for what it is: what either allows. Where the ratio turned
    over may be 0 as far as its mean tells, since a few values of `above` are most of them, the high end is
    what the ends of the two means allow, as if each were at its worst at once: to give no interval there
    would leave it to the samples that look harmless. floor: see `unseen_of`.
    """
    found = _mean_ratio(above, below, floor, HEAVIEST)
    turned = _mean_ratio(below, above, floor, HEAVIEST_BELOW)
    if found is None or turned is None:
        return None
    if turned[0] > 0:
        high = 1 / turned[0]
    else:
        top, bottom = mean(above, unseen_of(above, floor)), mean(below, 0.0)
        if top is None or bottom is None or not bottom[0] > 0:
            return None
        high = top[1] / bottom[0]
    return min(found[0], 1 / turned[1]), max(found[1], high)


def _mean_ratio(above: np.ndarray, below: np.ndarray, floor: float, heaviest: float) -> Interval | None:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scale = float(below.mean())
        value = float(above.mean()) / scale if scale > 0 else np.inf
        # The linear part of the ratio (delta method), whose mean over the examples is 0.
        adds = (above - value * below) / scale
    if not np.isfinite(adds).all():
        return None
    return mean(value + adds, unseen_of(np.maximum(adds, 0), floor, heaviest))


def unseen_of(values: np.ndarray, floor: float, heaviest: float = HEAVIEST) -> float:
    """How large a value beyond the largest of values [N] is on average, by the tail that they have: the
    largest by 1 − the tail index (Hill, 1975) of the √N largest, 10 at least. The tail is never taken for
    lighter than `floor`, nor for heavier than `heaviest`."""
    count = min(max(round(len(values) ** 0.5), 10), len(values) - 1)
    if count < 1:
        return float("inf")
    largest = np.sort(np.partition(values, -count - 1)[-count - 1 :])
    if largest[-1] <= 0:
        return 0.0
    index = heaviest
    if largest[0] > 0:
        index = min(max(float(np.log(largest[1:] / largest[0]).mean()), floor), heaviest)
    return float(largest[-1]) / (1 - index)


def floor_of_squares(count: int) -> float:
    """The tail index below which that of squared errors is not taken to be: the fewer there are, the more
    often the large ones are missing altogether."""
    return float(min(max(0.72 * (100 / count) ** 0.15, LIGHTEST), 0.85))
