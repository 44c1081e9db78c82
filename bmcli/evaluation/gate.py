"""Pass or fail: whether a run's stored metrics meet given bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.core.errors import DataError, UsageError, did_you_mean
from bmcli.core.number_format import decimals
from bmcli.core.sanitize import one_line
from bmcli.evaluation.compare import pair
from bmcli.evaluation.stored_evaluations import StoredEvaluation, read_evaluation

if TYPE_CHECKING:
    from bmcli.metrics.paired import Difference
    from bmcli.runs.run import Run

PER_CLASS = "per_class."
TOLERANCE = 8 * 2.0**-52
"""Metrics that differ by no more than this part of their size are equal: it is what adding, dividing and
subtracting float64 leaves, so that 0.97 − 0.96 is a drop of 0.01 and no more."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Bound:
    """A condition. kind: 'min' and 'max' of a metric; 'drop': how much worse than the baseline it may be,
    where `figure` None is the headline metric."""

    kind: str
    figure: str | None
    value: float


@dataclass(frozen=True)
class Check:
    """One bound, and whether it holds.

    value: the metric, or how much worse than the baseline it is; judged: what was held against the bound, the
    worse end of the 95 % interval under `lower_bound`; reason: why it does not hold, else None.
    """

    kind: str
    figure: str
    bound: float
    value: float | None
    judged: float | None
    holds: bool
    reason: str | None

    @property
    def asked(self) -> str:
        """'accuracy >= 0.97'"""
        if self.kind == "drop" and self.bound < 0:
            return f"{self.figure} improves by >= {_exact(-self.bound)}"
        sign = {"min": ">=", "max": "<=", "drop": "drops by <="}[self.kind]
        return f"{self.figure} {sign} {_exact(self.bound)}"

    @property
    def shown(self) -> str:
        """The value, and the worse end of its interval where that was judged: '0.925, at worst 0.871'."""
        if self.value is None:
            return "–"
        text = _told_apart(self.value, self.bound)
        if self.judged is None or self.judged == self.value:
            return text
        return f"{text}, at worst {_told_apart(self.judged, self.bound)}"


@dataclass(frozen=True)
class Verdict:
    """All checks of a run. warnings: bounds that every run keeps."""

    run: str
    split: str
    baseline: str | None
    lower_bound: bool
    checks: tuple[Check, ...]
    warnings: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether all of them do."""
        return all(check.holds for check in self.checks)

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        return {**asdict(self), "holds": self.holds}

    def to_junit(self) -> bytes:
        """A JUnit report, as CI services read it: a test case per check."""
        from xml.etree import ElementTree

        failures = sum(not check.holds for check in self.checks)
        counts = {"tests": str(len(self.checks)), "failures": str(failures), "errors": "0"}
        suites = ElementTree.Element("testsuites", counts)
        suite = ElementTree.SubElement(suites, "testsuite", {"name": f"bm gate {self.run}", **counts})
        for check in self.checks:
            case = ElementTree.SubElement(
                suite, "testcase", {"classname": self.run, "name": one_line(check.asked), "time": "0"}
            )
            if check.reason is not None:
                said = one_line(check.reason)
                ElementTree.SubElement(case, "failure", {"message": said}).text = said
        ElementTree.indent(suites)
        return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True))


def parse(kind: str, text: str) -> Bound:
    """A bound as written on the command line: NAME=VALUE, or for a drop VALUE alone. UsageError else."""
    name, equals, number = (part.strip() for part in text.rpartition("="))
    value = float(number) if _NUMBER.fullmatch(number) else math.nan
    if math.isfinite(value) and (name or (kind == "drop" and not equals)) and name[-1:] not in ("<", ">"):
        return Bound(kind, name or None, value + 0.0)  # and not -0
    option = "--max-drop" if kind == "drop" else f"--{kind}"
    expected = "NAME=NUMBER, such as accuracy=0.97"
    if kind == "drop":
        expected = "NUMBER or NAME=NUMBER, such as 0.005 or accuracy=0.005"
    percent = number.removesuffix("%").rstrip()
    hint = None
    if number.endswith("%") and _NUMBER.fullmatch(percent):
        share = float(f"{percent}e-2") if "e" not in percent.lower() else float(percent) / 100
        hint = f"write a share as a number: {f'{name}=' if name else ''}{_exact(share)}"
    raise UsageError(f"{option} {text}: expected {expected}", hint=hint)


def judge(
    run: Run,
    bounds: Sequence[Bound],
    *,
    split: str = "test",
    baseline: Run | None = None,
    lower_bound: bool = False,
) -> Verdict:
    """Check a run's metrics against the bounds.

    A metric that is missing or undefined, and with `lower_bound` one without an interval, does not hold.
    Nor does a drop that cannot be measured, as the baseline saw other examples. IntegrityError if a run
    is damaged.
    """
    document = read_evaluation(run, split)
    headline = document["headline"] if document is not None else None
    checks = []
    differences: list[Difference] | str = []
    if baseline is not None and any(bound.kind == "drop" for bound in bounds):
        try:
            differences = pair(run, baseline, split)
        except DataError as error:
            differences = error.message
    for bound in bounds:
        name = bound.figure or headline or "the headline metric"
        if document is None:
            missing = f"{run.id} was not evaluated on {split}"
            checks.append(Check(bound.kind, name, bound.value, None, None, False, missing))
        elif bound.kind == "drop":
            checks.append(_drop(name, bound.value, document, differences, lower_bound))
        else:
            checks.append(_metric(bound.kind, name, bound.value, document, lower_bound))
    warnings = tuple(
        f"{check.figure} is between 0 and 1: '{check.asked}' always holds"
        for check in checks
        if document is not None and check.value is not None and _always_holds(check, document)
    )
    return Verdict(run.id, split, baseline.id if baseline else None, lower_bound, tuple(checks), warnings)


def _always_holds(check: Check, document: StoredEvaluation) -> bool:
    """Whether no value of that metric could break the bound: percent may have been meant."""
    if check.figure.startswith(PER_CLASS):
        between = not check.figure.endswith(".support")
    else:
        key = _key(check.figure, document)[0] or ""
        task = tasks.stored(document["task"])
        own = key not in task.metrics and not re.fullmatch(r"ece|top_\d+_accuracy", key)
        between = key not in task.unbounded and not own
    beyond = {"min": check.bound < 0, "max": check.bound > 1, "drop": check.bound >= 1}
    return between and beyond[check.kind]


def _metric(kind: str, name: str, bound: float, document: StoredEvaluation, lower_bound: bool) -> Check:
    value, interval, missing = _look_up(name, document)
    if value is None:
        return Check(kind, name, bound, None, None, False, missing)
    judged: float | None = value
    if lower_bound:
        if interval is None:
            return Check(kind, name, bound, value, None, False, _no_interval(name, document))
        judged = interval[0] if kind == "min" else interval[1]
    assert judged is not None
    slack = TOLERANCE * max(abs(judged), abs(bound))
    holds = judged >= bound - slack if kind == "min" else judged <= bound + slack
    what = f"the {'lower' if kind == 'min' else 'upper'} end of {name}" if lower_bound else name
    sign = ">=" if kind == "min" else "<="
    reason = None if holds else f"{what} is {_told_apart(judged, bound)}, not {sign} {_exact(bound)}"
    return Check(kind, name, bound, value, judged, holds, reason)


def _key(name: str, document: StoredEvaluation) -> tuple[str | None, str]:
    """The key of that metric in `metrics`, and else why there is none."""
    metrics, task = document["metrics"], tasks.stored(document["task"])
    if name in metrics:
        return name, ""
    if "loss" in metrics and (other := next((one for one in tasks.known() if name == one.loss_key), None)):
        if name == task.loss_key:
            return "loss", ""
        meant = f"{other.loss_means} is for {other.family}"
        asked = document["task"]
        return None, f"there is no metric '{name}': {meant}, and the loss of {asked} is {task.loss_means}"
    return (
        None,
        f"there is no metric '{name}': {did_you_mean(name, metrics) or 'known: ' + ', '.join(metrics)}",
    )


def _look_up(name: str, document: StoredEvaluation) -> tuple[float | None, list[float] | None, str | None]:
    """A metric, its interval, and else why there is none."""
    if name.startswith(PER_CLASS):
        of, _, metric = name.removeprefix(PER_CLASS).rpartition(".")
        found = next((one for one in document["per_class"] if one["name"] == of), None)
        if found is None:
            hint = did_you_mean(of, [one["name"] for one in document["per_class"]])
            return None, None, f"there is no class '{of}'" + (f": {hint}" if hint else "")
        known = [key for key in ("precision", "recall", "f1", "support") if key in found]
        if metric not in known:
            return None, None, f"a class has no metric '{metric}': it has {', '.join(known)}"
        intervals = {
            "precision": found.get("precision_interval"),
            "recall": found.get("recall_interval"),
            "f1": found.get("f1_interval"),
        }
        return found[metric], intervals.get(metric), f"{name} is undefined"
    key, missing = _key(name, document)
    if key is None:
        return None, None, missing
    return document["metrics"][key], document["intervals"].get(key), f"{name} is undefined"


def _no_interval(name: str, document: StoredEvaluation) -> str:
    key = None if name.startswith(PER_CLASS) else _key(name, document)[0]
    why = (document.get("no_interval") or {}).get(key) if key is not None else None
    return f"{name} has no 95 % interval" + (f": {why}" if why else "")


def _drop(
    name: str,
    bound: float,
    document: StoredEvaluation,
    differences: Sequence[Difference] | str,
    lower_bound: bool,
) -> Check:
    if name.startswith(PER_CLASS):
        missing = "a drop is for a metric of the whole split, not of a class"
        return Check("drop", name, bound, None, None, False, missing)
    if isinstance(differences, str):
        return Check("drop", name, bound, None, None, False, differences)
    key, missing = _key(name, document)
    if key is None:
        return Check("drop", name, bound, None, None, False, missing)
    found = next((one for one in differences if one.metric == key), None)
    if found is None:
        return Check("drop", name, bound, None, None, False, f"{name} is not defined in both runs")
    worse = 1.0 if key in document["lower_is_better"] else -1.0
    value = judged = worse * found.difference + 0.0  # and not -0
    if lower_bound and found.interval is not None:
        judged = max(worse * end for end in found.interval) + 0.0
    elif lower_bound and found.difference != 0:
        return Check(
            "drop", name, bound, value, None, False, f"the difference of {name} has no 95 % interval"
        )
    # A difference is as exact as the metrics that it is of, not as itself.
    now = document["metrics"][key]
    assert now is not None  # there is a difference of it
    largest = max(abs(now), abs(now - found.difference))
    holds = judged <= bound + TOLERANCE * max(largest, abs(bound))
    return Check("drop", name, bound, value, judged, holds, None if holds else _dropped(name, judged, bound))


def _dropped(name: str, judged: float, bound: float) -> str:
    if bound >= 0:
        return f"{name} is worse by {_told_apart(judged, bound)}, more than {_exact(bound)}"
    if judged <= 0:
        return f"{name} is better by only {_told_apart(-judged, -bound)}, less than {_exact(-bound)}"
    return f"{name} is worse by {_told_apart(judged, bound)}, not better by {_exact(-bound)}"


def _told_apart(value: float, bound: float) -> str:
    """The metric as people read it, with all its digits where it would else look like the bound."""
    text = decimals(value)
    return text if value == bound or text != decimals(bound) else _exact(value)


def _exact(value: float) -> str:
    """The shortest text that means this number and no other: '0.97', '9'."""
    return repr(value + 0.0).removesuffix(".0")
