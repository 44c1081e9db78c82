"""What each part of an example adds to an answer, as its own modality explains it, while the others stay as
they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from bmcli.core.batch import Batch, fed
from bmcli.core.errors import UsageError
from bmcli.explain import attributions, base

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.core.spec import InputSpec
    from bmcli.explain.explain import Explainer
    from bmcli.modalities.mixed.encoder import MixedPreprocessing
    from bmcli.modalities.mixed.examples import Mixed
    from bmcli.modalities.preprocessing import Preprocessing


class Part(base.Part):
    """An explanation for each part with one input of the model. UsageError if there is none."""

    def __init__(self, explainer: Explainer) -> None:
        super().__init__(explainer)
        encoders = cast("MixedPreprocessing", explainer.preprocessing).encoders
        several = [name for name, encoder in encoders.items() if len(encoder.inputs) != 1]
        if len(several) == len(encoders):
            raise UsageError(f"{explainer.run}: no part of its examples is a single input of the model")
        self._views = {
            name: OnePart(explainer, name, encoder)
            for name, encoder in encoders.items()
            if name not in several
        }
        self._parts = {
            name: base.part_of(view.preprocessing.kind)(view) for name, view in self._views.items()
        }
        notes = [f"{name}: {part.note}" for name, part in self._parts.items() if part.note]
        notes += [f"the part '{name}' has several inputs, and is not explained" for name in several]
        self.note = "; ".join(notes) or None

    def explain_all(
        self, about: base.About, compact: Batch, finished: Batch, example: Examples
    ) -> Iterator[base.Explanation]:
        """See `base.Part`."""
        for name, part in self._parts.items():
            self._views[name].others = {one: array[0] for one, array in finished.items() if one != name}
            own = cast("Mixed", example).parts[name]
            found = part.explain(about, compact[name], finished[name], own)
            yield replace(found, part=name, baseline=f"{found.baseline}; the other parts as they are")


class OnePart:
    """An explainer as a modality's own `Part` takes it: of one part, with the model's other inputs fixed.

    others: these, by name, of the example that is explained: arrays without the batch axis.
    """

    def __init__(self, explainer: Explainer, name: str, encoder: Preprocessing) -> None:
        self._explainer = explainer
        self.name = name
        self.preprocessing = encoder
        self.opened, self.spec, self.network = explainer.opened, explainer.spec, explainer.network
        self.others: Batch = {}

    @property
    def input(self) -> InputSpec:
        """The part's, by its own name."""
        return next(one for one in self.spec.inputs if one.name == self.name)

    @property
    def fixed(self) -> list[np.ndarray]:
        """The other inputs, in a fixed order."""
        return [self.others[one.name] for one in self.spec.inputs if one.name != self.name]

    def fed(self, given: object, others: Sequence[object]) -> object:
        """What the network is called with: the part's input, and `fixed`, each [b, ...]."""
        names = [one.name for one in self.spec.inputs if one.name != self.name]
        return fed(self.network, {self.name: given, **dict(zip(names, others, strict=True))})

    def integrated(
        self,
        gradient: attributions.Gradient,
        given: list[np.ndarray],
        baseline: list[np.ndarray],
        fixed: list[np.ndarray],
        tolerance: float = attributions.TOLERANCE,
    ) -> tuple[attributions.Integrated, base.Known]:
        """See Explainer."""
        return self._explainer.integrated(gradient, given, baseline, [*fixed, *self.fixed], tolerance)

    def chosen(self, index: int) -> np.ndarray:
        """See Explainer."""
        return self._explainer.chosen(index)

    def probability(self, index: int) -> Callable[[np.ndarray], np.ndarray]:
        """See Explainer."""

        def predicted(batch: np.ndarray) -> np.ndarray:
            others = {name: np.repeat(one[None], len(batch), axis=0) for name, one in self.others.items()}
            answers = self._explainer.session.predict({**others, self.name: np.asarray(batch)})
            return np.asarray(answers[:, index])

        return predicted
