"""Blend two examples."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from bmcli.modalities.image.augment import AUGMENTATIONS, Augmentation

if TYPE_CHECKING:
    import numpy as np


@AUGMENTATIONS.register("mixup")
class Mixup(Augmentation):
    """Blend each image, and its target, with another one of the batch."""

    uniforms: ClassVar[int] = 2
    blends: ClassVar[bool] = True
    source: ClassVar[str] = "Zhang et al. 2018, mixup: beyond empirical risk minimization, arXiv:1710.09412"

    alpha: Annotated[float, Field(gt=0, le=100)] = Field(
        0.2, description="Shares are drawn from Beta(alpha, alpha): small leaves most images almost alone."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The order of u[:, 0] says who is blended with whom; u[:, 1] is the quantile of one's own share."""
        import numpy as np

        partner = np.argsort(u[:, 0], kind="stable")
        share = _symmetric_beta_quantile(u[:, 1], self.alpha).astype(np.float32)
        own = share[:, None, None, None]
        mixed = own * images + (1 - own) * images[partner]
        own = share[:, None]
        return np.rint(mixed).astype(np.uint8), own * targets + (1 - own) * targets[partner]


def _symmetric_beta_quantile(u: np.ndarray, alpha: float) -> np.ndarray:
    """The inverse of Beta(alpha, alpha)'s distribution function at `u`, float64, to about 1e-6."""
    import numpy as np

    table, steps, power = _beta_table(alpha)
    half = np.interp(np.minimum(u, 1 - u), table, steps) ** (1 / power)
    quantile: np.ndarray = np.where(u <= 0.5, half, 1 - half)
    return quantile


@lru_cache(maxsize=16)
def _beta_table(alpha: float) -> tuple[np.ndarray, np.ndarray, float]:
    """The distribution function up to 1/2 over t = x^power, those t, and the power.

    For alpha < 1 the density x^(alpha-1) (1-x)^(alpha-1) has a pole at 0, but as a density of t = x^alpha it
    has none. The other half follows by symmetry.
    """
    import numpy as np

    power = min(alpha, 1.0)
    t = np.linspace(0, 0.5**power, 8193)
    x = t ** (1 / power)
    density = x ** (alpha - power) * (1 - x) ** (alpha - 1)
    area = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return area / (2 * area[-1]), t, power
