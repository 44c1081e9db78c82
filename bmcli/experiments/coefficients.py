"""A linear model's weights, carried back to the units of the table it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.core.components import Solved
    from bmcli.core.spec import DataSpec
    from bmcli.modalities.table.features import Feature


def raw_coefficients(solution: Solved, spec: DataSpec, features: Sequence[Feature]) -> dict[str, object]:
    """Coefficients per unit of each raw column, and the intercept, as strict JSON data.

    solution: maps standardised features to the standardised target, float64. A category's coefficient is what
    it adds to the prediction, 'is missing' what a missing value adds beside the fill's own part.
    """
    kernel = solution.kernel[:, 0] * spec.target_scale
    intercept = float(solution.bias[0]) * spec.target_scale + spec.target_offset
    coefficients = []
    for feature, weight in zip(features, kernel.tolist(), strict=True):
        coefficient = weight / feature.scale
        intercept -= coefficient * feature.offset
        coefficients.append({"feature": feature.name, "column": feature.column, "coefficient": coefficient})
    return {
        "format": 1,
        "target": spec.target_name,
        "intercept": intercept,
        "coefficients": coefficients,
    }
