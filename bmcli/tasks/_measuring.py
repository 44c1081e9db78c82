"""The part of a task that evaluation needs: metrics and their intervals, the baseline, calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bmcli.tasks._learning import Learning

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.components import Measures
    from bmcli.core.spec import Target
    from bmcli.metrics.calibration import Fitted, Reliability
    from bmcli.metrics.intervals import Found, Method
    from bmcli.metrics.results import Baseline, Sections, TargetSummary


class Measuring(Learning):
    """See `bmcli.tasks.Task`."""

    # --- metrics --------------------------------------------------------------------------------------------

    def monitorable(self, extra: Sequence[Measures] = ()) -> dict[str, bool]:
        """Every metric of a split at the end of an epoch: name -> whether greater is better.

        A config monitors them as `val_<name>`. extra: the config's `evaluation.metrics`.
        """
        return self.metrics | {metric.registry_name: metric.greater_is_better for metric in extra}

    def lower_is_better(self, names: Iterable[str], extra: Sequence[Measures] = ()) -> tuple[str, ...]:
        """Those of the names for which lower is better."""
        known = self.monitorable(extra)
        return tuple(name for name in names if not known.get(name, True))

    def measure(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        classes: tuple[str, ...],
        extra: Sequence[Measures] = (),
    ) -> dict[str, float | None]:
        """All `monitorable` metrics of one split, in that order. None: undefined, as where there are no
        examples or an output is not finite.

        Raises UsageError if a user's metric has a built-in's name or is for another task, PluginError
        where it fails.
        """
        from bmcli.metrics import formulas
        from bmcli.metrics.metric import value_of

        if not formulas.usable(outputs):
            return dict.fromkeys(self.monitorable(extra))
        found = self.compute(targets, outputs)
        for metric in extra:
            found[metric.registry_name] = value_of(
                metric, self.registry_name, self.metrics, targets, outputs, classes
            )
        return found

    def compute(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
        """All `metrics` of at least one example and finite outputs, in that order."""
        raise NotImplementedError

    def evaluated(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, extra: Sequence[Measures], top_k: int
    ) -> dict[str, float | None]:
        """The metrics of an evaluation: those of `measure`, and others that are too slow for each epoch."""
        return self.measure(targets, outputs, target.classes, extra)

    def intervals(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        metrics: Mapping[str, float | None],
        drawn: dict[str, np.ndarray] | None = None,
    ) -> Found:
        """95 % confidence intervals of these metrics, or why they have none. drawn: what `resampled` makes of
        them, where that is known."""
        from bmcli.metrics.intervals import intervals_of

        return intervals_of(self.interval_methods(targets, outputs, metrics, drawn), metrics)

    def interval_methods(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        metrics: Mapping[str, float | None],
        drawn: dict[str, np.ndarray] | None,
    ) -> dict[str, Method]:
        """The method of every metric for which one is known; see `bmcli.metrics.intervals`."""
        return {}

    def resampled(
        self, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
    ) -> dict[str, np.ndarray]:
        """Every metric that can be resampled, of each resample: name -> float64 [RESAMPLES], NaN: undefined.

        The r-th resample is the same for all runs with the same number of examples: differences are paired.
        """
        return {}

    def influences(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Of each example on the area under the ROC curve, float64 [N]; None if there is none."""
        return None

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Which predictions are correct, bool [N]; None if a prediction can be partly correct."""
        return None

    def sections(
        self, target: Target, targets: np.ndarray, outputs: np.ndarray, temperature: float | None
    ) -> Sections:
        """What an evaluation holds besides metrics. temperature: as in `meter`."""
        from bmcli.metrics.results import Sections

        return Sections(calibration=self.reliability(targets, outputs, temperature))

    # --- the baseline, and calibration ----------------------------------------------------------------------

    def summarise(self, targets: np.ndarray, classes: Sequence[str]) -> TargetSummary:
        """The summary of a training split's targets on which a baseline may depend."""
        from bmcli.metrics.results import TargetSummary

        return TargetSummary(len(targets))

    def baseline(
        self, targets: np.ndarray, classes: Sequence[str], training: TargetSummary
    ) -> Baseline | None:
        """The headline metric of the best constant prediction; None if unknown.
        Neither the targets nor training's are empty."""
        return None

    def certainties(self, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Probability, and whether it was correct (1 or 0), of every prediction, float64 [A]; None if answers
        have no probability."""
        return None

    def temper(self, outputs: np.ndarray, temperature: float) -> np.ndarray:
        """The probabilities with their logits divided by the temperature, float32 of the same shape."""
        return outputs

    def reliability(
        self, targets: np.ndarray, outputs: np.ndarray, temperature: float | None = None
    ) -> Reliability | None:
        """The calibration error; temperature: the run's, to compute it with calibration too."""
        from bmcli.metrics.calibration import reliability

        found = self.certainties(targets, outputs) if len(targets) else None
        if found is None:
            return None
        before = reliability(*found)
        if temperature is None:
            return before
        after = self.reliability(targets, self.temper(outputs, temperature))
        return replace(before, temperature=temperature, ece_with_temperature=after.ece if after else None)

    def calibrate(self, targets: np.ndarray, outputs: np.ndarray) -> Fitted | None:
        """Temperature, and where there is one the threshold, of at least one validation output; None if
        there is nothing to fit."""
        return None
