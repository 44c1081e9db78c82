"""Checks whether an exported model agrees with Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.batch import rows
from bmcli.core.number_format import setting

if TYPE_CHECKING:
    from bmcli.export.samples import Samples
    from bmcli.inference.session import Session

TOLERANCE = 1e-5
"""|a - b| <= TOLERANCE + TOLERANCE * |b|, b being Keras's float32."""


@dataclass(frozen=True)
class Agreement:
    """max_difference: the largest |a - b|, None if one is not finite; reason: None if all agree.
    relative: max_difference as a share of the largest |b|, the size of the answers themselves."""

    samples: int
    max_difference: float | None
    reason: str | None
    relative: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether every number is within the tolerance."""
        return self.reason is None


def verify(session: Session, samples: Samples) -> Agreement:
    """Compare on all samples at once, and on the first and last few one at a time."""
    few = np.unique([*range(min(3, len(samples))), *range(max(0, len(samples) - 3), len(samples))])
    outputs = session.predict(samples.inputs, batch_size=len(samples))
    single = session.predict(rows(samples.inputs, few), batch_size=1)
    together = compare(outputs, samples.outputs)
    alone = compare(single, samples.outputs[few])
    return together if not together.agrees or alone.agrees else alone


def compare(outputs: np.ndarray, expected: np.ndarray) -> Agreement:
    """outputs, expected: float32 [n, C]; expected is Keras's."""
    count = len(expected)
    if outputs.shape != expected.shape:
        shapes = f"its outputs have shape {list(outputs.shape)}, Keras's {list(expected.shape)}"
        return Agreement(count, None, shapes)
    if not np.isfinite(expected).all():
        return Agreement(count, None, "Keras's own outputs are not finite")
    if not np.isfinite(outputs).all():
        return Agreement(count, None, "its outputs are not finite")
    a, b = outputs.astype(np.float64), expected.astype(np.float64)
    difference = np.abs(a - b)
    largest = float(difference.max(initial=0.0))
    scale = float(np.abs(b).max(initial=0.0))
    relative = largest / scale if scale else largest
    outside = difference > TOLERANCE + TOLERANCE * np.abs(b)
    if outside.any():
        where = f"{int(outside.any(axis=1).sum())} of {count} samples"
        return Agreement(
            count, largest, f"it differs from Keras on {where}, by up to {setting(largest)}", relative
        )
    return Agreement(count, largest, None, relative)
