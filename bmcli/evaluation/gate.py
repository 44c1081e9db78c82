"""The pass/fail question: does a run keep what was asked of it? From its stored figures alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bmcli.errors import DataError, UsageError, did_you_mean
from bmcli.evaluation.compare import pair, read_evaluation

if TYPE_CHECKING:
    from bmcli.evaluation.paired import Difference
    from bmcli.runs.run import Run

PER_CLASS = "per_class."
_ALIASES = {"log_loss": "loss", "mse": "loss"}


@dataclass(frozen=True)
class Bound:
    """What is asked. kind: 'min' and 'max' of a figure; 'drop': how much worse than the baseline it may be,
    where figure None is the headline."""

    kind: str
    figure: str | None
    value: float


@dataclass(frozen=True)
class Check:
    """One bound, and whether it holds.

    value: the figure, or how much worse than the baseline it is; judged: what was held against the bound, the
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
        sign = {"min": ">=", "max": "<=", "drop": "drops by <="}[self.kind]
        return f"{self.figure} {sign} {self.bound:g}"


@dataclass(frozen=True)
class Verdict:
    """All checks of a run."""

    run: str
    split: str
    baseline: str | None
    lower_bound: bool
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether all of them do."""
        return all(check.holds for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data."""
        return {**asdict(self), "holds": self.holds}

    def to_junit(self) -> bytes:
        """A JUnit report, as CI services read it: a test case per check."""
        from xml.etree import ElementTree

        from bmcli.untrusted import one_line

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
    """A bound as it stands on the command line: NAME=VALUE, or for a drop VALUE alone. UsageError else."""
    name, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (not equals and kind != "drop") or (equals and not name):
        form = "0.005 or accuracy=0.005" if kind == "drop" else "accuracy=0.97"
        option = "--max-drop" if kind == "drop" else f"--{kind}"
        raise UsageError(f"{option} {text}: a name and a number are wanted", hint=f"{option} {form}")
    return Bound(kind, name or None, value)


def judge(
    run: Run,
    bounds: Sequence[Bound],
    *,
    split: str = "test",
    baseline: Run | None = None,
    lower_bound: bool = False,
) -> Verdict:
    """Hold a run's figures against the bounds.

    A figure that is missing or undefined, and with `lower_bound` one without an interval, does not hold.
    Nor does a drop that cannot be measured, as the baseline saw other examples. IntegrityError where a run
    is damaged.
    """
    document = read_evaluation(run, split)
    checks = []
    differences: list[Difference] | str = []
    if baseline is not None and any(bound.kind == "drop" for bound in bounds):
        try:
            differences = pair(run, baseline, split)
        except DataError as error:
            differences = error.message
    for bound in bounds:
        name = bound.figure or (document or {}).get("headline") or "the headline figure"
        if document is None:
            missing = f"{run.id} was not measured on {split}"
            checks.append(Check(bound.kind, name, bound.value, None, None, False, missing))
        elif bound.kind == "drop":
            checks.append(_drop(name, bound.value, document, differences, lower_bound))
        else:
            checks.append(_figure(bound.kind, name, bound.value, document, lower_bound))
    return Verdict(run.id, split, baseline.id if baseline else None, lower_bound, tuple(checks))


def _figure(kind: str, name: str, bound: float, document: dict[str, Any], lower_bound: bool) -> Check:
    value, interval, missing = _look_up(name, document)
    if value is None:
        return Check(kind, name, bound, None, None, False, missing)
    judged: float | None = value
    if lower_bound:
        if interval is None:
            return Check(kind, name, bound, value, None, False, _no_interval(name, document))
        judged = interval[0] if kind == "min" else interval[1]
    assert judged is not None
    holds = judged >= bound if kind == "min" else judged <= bound
    what = f"the {'lower' if kind == 'min' else 'upper'} end of {name}" if lower_bound else name
    reason = None if holds else f"{what} is {judged:.6g}, not {'>=' if kind == 'min' else '<='} {bound:g}"
    return Check(kind, name, bound, value, judged, holds, reason)


def _look_up(name: str, document: dict[str, Any]) -> tuple[float | None, list[float] | None, str | None]:
    """A figure, its interval, and else why there is none."""
    if name.startswith(PER_CLASS):
        of, _, figure = name.removeprefix(PER_CLASS).rpartition(".")
        found = next((one for one in document["per_class"] if one["name"] == of), None)
        if found is None:
            hint = did_you_mean(of, [one["name"] for one in document["per_class"]])
            return None, None, f"there is no class '{of}'" + (f": {hint}" if hint else "")
        known = [key for key in ("precision", "recall", "f1", "support") if key in found]
        if figure not in known:
            return None, None, f"a class has no figure '{figure}': it has {', '.join(known)}"
        interval = found.get(f"{figure}_interval")
        return found[figure], interval, f"{name} is undefined"
    metrics = document["metrics"]
    key = name if name in metrics else _ALIASES.get(name, name)
    if key not in metrics:
        hint = did_you_mean(name, metrics) or f"known: {', '.join(metrics)}"
        return None, None, f"there is no figure '{name}': {hint}"
    return metrics[key], document.get("intervals", {}).get(key), f"{name} is undefined"


def _no_interval(name: str, document: dict[str, Any]) -> str:
    why = document.get("no_interval", {}).get(name if name in document["metrics"] else _ALIASES.get(name))
    return f"{name} has no 95 % interval" + (f": {why}" if why else "")


def _drop(
    name: str,
    bound: float,
    document: dict[str, Any],
    differences: Sequence[Difference] | str,
    lower_bound: bool,
) -> Check:
    if name.startswith(PER_CLASS):
        missing = "a drop is of a figure of the whole split, not of a class"
        return Check("drop", name, bound, None, None, False, missing)
    if isinstance(differences, str):
        return Check("drop", name, bound, None, None, False, differences)
    key = name if name in document["metrics"] else _ALIASES.get(name, name)
    found = next((one for one in differences if one.metric == key), None)
    if found is None:
        return Check("drop", name, bound, None, None, False, f"there is no figure '{name}' in both runs")
    worse = 1.0 if key in document["lower_is_better"] else -1.0
    value = judged = worse * found.difference
    if lower_bound and found.interval is not None:
        judged = max(worse * end for end in found.interval)
    elif lower_bound and found.difference != 0:
        return Check(
            "drop", name, bound, value, None, False, f"the difference of {name} has no 95 % interval"
        )
    holds = judged <= bound
    what = f"{name} may have dropped by" if lower_bound else f"{name} dropped by"
    reason = None if holds else f"{what} {judged + 0.0:.6g}, more than {bound:g}"  # and not by -0
    return Check("drop", name, bound, value, judged, holds, reason)
