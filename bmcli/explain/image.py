"""Which parts of an image a prediction depends on: integrated gradients, and Grad-CAM if possible."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bmcli.explain import attributions, base

if TYPE_CHECKING:
    from bmcli.core.examples import Examples


class Part(base.Part):
    """From an image of zeros: the training split's mean colour where images are standardised, else black."""

    baseline = "an image of zeros in the model's input: the mean colour, or black"

    def explain(
        self, about: base.About, compact: np.ndarray, finished: np.ndarray, example: Examples
    ) -> base.Explanation:
        """See `base.Part`."""
        found = super().explain(about, compact, finished, example)
        if self.explainer.fixed:  # other inputs join after the feature maps, or before: no place to cut
            return replace(found, image=np.asarray(compact[0], np.uint8))
        given, chosen = finished[0].astype(np.float32), self.explainer.chosen(about["index"])
        heat = self._cam.heat(given, chosen) if self._cam.there else None
        return replace(found, image=np.asarray(compact[0], np.uint8), heat=heat)

    def weights(self, attributed: np.ndarray) -> np.ndarray:
        """[height, width]."""
        return np.asarray(attributed.sum(axis=-1))

    @cached_property
    def _cam(self) -> attributions.GradCam:
        return attributions.GradCam(self.explainer.network)
