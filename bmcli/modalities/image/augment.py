"""Random changes to training images, by name.

An augmentation is a pure function of a batch and of uniform random numbers, one row per example: the trainer
makes the numbers from (seed, epoch, example), so that a resumed run sees the same changes. All work on whole
batches of uint8 images, before normalisation. NumPy is imported inside, so that `bm check` stays light.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from bmcli.core.component import Component
from bmcli.core.plugin_calls import Check, kind_of
from bmcli.core.registry import Registry

if TYPE_CHECKING:
    import numpy as np

Strength = Annotated[float, Field(ge=0, le=1)]


def _batch(result: object, args: tuple[Any, ...]) -> str | None:
    import numpy as np

    images, targets = args[0], args[1]
    if not isinstance(result, tuple) or len(result) != 2:
        return f"gives {kind_of(result)}, not (images, targets)"
    for new, old, name in ((result[0], images, "images"), (result[1], targets, "targets")):
        if not isinstance(new, np.ndarray) or new.shape != old.shape:
            shape = getattr(new, "shape", None)
            found = kind_of(new) if shape is None else f"shape {tuple(shape)}"
            return f"gives {name} of {found}; they came with shape {old.shape}"
        if new.dtype != old.dtype:
            return f"gives {name} of {new.dtype}; they came as {old.dtype}"
    return None


class Augmentation(Component):
    """Base of all augmentations: the fields are the options, `apply` makes the change."""

    results: ClassVar[dict[str, Check]] = {"apply": _batch}

    uniforms: ClassVar[int] = 0
    """How many uniform random numbers one example takes."""
    blends: ClassVar[bool] = False
    """Whether it mixes examples, and their targets too, so that no part of an example can be left out."""

    @property
    def alternates(self) -> bool:
        """Whether an example keeps its numbers u through all epochs, as u and 1 - u in turn."""
        return False

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The changed images and targets; the same for the same `u`; the arguments stay as they are.

        images: uint8 [n, height, width, channels]; targets: float32 [n, units]; u: float64 [n, uniforms] in
        [0, 1). Images come out as uint8 of the same shape.
        """
        raise NotImplementedError


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", Augmentation, __name__, needs="apply")


@AUGMENTATIONS.register("flip")
class Flip(Augmentation):
    """Mirror half of the images, left to right."""

    uniforms: ClassVar[int] = 2
    source: ClassVar[str] = (
        "Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep CNNs; alternating: Jordan "
        "2024, arXiv:2404.00498"
    )

    horizontal: bool = Field(True, description="Left to right, with probability 1/2.")
    vertical: bool = Field(False, description="Upside down, with probability 1/2.")
    alternate: bool = Field(
        False,
        description="Each image in every second epoch, half of them in the first: the network sees both "
        "sides of all as often, and so learns faster.",
    )

    @property
    def alternates(self) -> bool:
        """See Augmentation."""
        return self.alternate

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u < 1/2 mirrors: u[:, 0] left to right, u[:, 1] upside down."""
        import numpy as np

        flipped = images.copy()
        if self.horizontal:
            chosen = np.flatnonzero(u[:, 0] < 0.5)
            mirrored = images[chosen][:, :, ::-1]
            for channel in range(images.shape[3]):  # pixel by pixel NumPy would take three times as long
                flipped[chosen, :, :, channel] = mirrored[..., channel]
        if self.vertical:
            chosen = np.flatnonzero(u[:, 1] < 0.5)
            flipped[chosen] = flipped[chosen, ::-1]
        return flipped, targets


@AUGMENTATIONS.register("crop")
class Crop(Augmentation):
    """Shift each image by up to `padding` pixels; what comes in from outside is black or mirrored."""

    uniforms: ClassVar[int] = 2
    source: ClassVar[str] = "He et al. 2016, Deep residual learning, section 4.2, arXiv:1512.03385"

    padding: Annotated[int, Field(ge=1, le=512)] = Field(
        4, description="Pixels added on each side before a crop of the image's own size is cut out."
    )
    fill: Literal["zero", "reflect"] = Field(
        "zero", description="What is outside: black, or the image mirrored at its edge."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u = (down, right): 0 shifts the window to the top or left edge, 1/2 leaves the image alone."""
        import numpy as np

        n, height, width, channels = images.shape
        edge = self.padding
        padded = np.pad(
            images,
            ((0, 0), (edge, edge), (edge, edge), (0, 0)),
            mode="constant" if self.fill == "zero" else "reflect",
        )
        lines = padded.reshape(n, height + 2 * edge, -1)
        windows = np.lib.stride_tricks.sliding_window_view(lines, (height, width * channels), axis=(1, 2))
        top, left = (u * (2 * edge + 1)).astype(np.int64).T
        return windows[np.arange(n), top, left * channels].reshape(images.shape), targets


@AUGMENTATIONS.register("rotation")
class Rotation(Augmentation):
    """Turn each image about its centre by a random angle, with bilinear interpolation."""

    uniforms: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Simard, Steinkraus and Platt 2003, Best practices for convolutional neural networks"
    )

    degrees: Annotated[float, Field(gt=0, le=180)] = Field(
        10.0, description="Largest angle, either way; all angles up to it are equally likely."
    )
    fill: Literal["zero", "edge"] = Field(
        "zero", description="What comes in from outside: black, or the nearest pixel of the edge."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u = 1/2 leaves the image alone; smaller turns clockwise, larger counter-clockwise."""
        import numpy as np

        n, height, width, channels = images.shape
        angle = np.deg2rad((2 * u[:, 0] - 1) * self.degrees).astype(np.float32)[:, None, None]
        y = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
        x = np.arange(width, dtype=np.float32)[None, :] - (width - 1) / 2
        # Where each pixel of the result comes from.
        from_y = np.sin(angle) * x + np.cos(angle) * y + (height - 1) / 2
        from_x = np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2
        if self.fill == "edge":
            from_y, from_x = from_y.clip(0, height - 1), from_x.clip(0, width - 1)
        top, left = np.floor(from_y).astype(np.int32), np.floor(from_x).astype(np.int32)
        down, right = from_y - top, from_x - left
        # A margin of two black pixels: whatever is farther away than one is black altogether.
        padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
        pixels = padded.reshape(-1, channels)
        first = np.arange(n, dtype=np.int32)[:, None, None] * (height + 4)
        total = np.zeros(images.shape, np.float32)
        for dy, weight_y in ((0, 1 - down), (1, down)):
            rows = (first + (top + dy).clip(-2, height + 1) + 2) * (width + 4)
            for dx, weight_x in ((0, 1 - right), (1, right)):
                columns = (left + dx).clip(-2, width + 1) + 2
                total += (weight_y * weight_x)[..., None] * pixels[rows + columns]
        return np.rint(total).astype(np.uint8), targets


@AUGMENTATIONS.register("cutout")
class Cutout(Augmentation):
    """Cover one square of each image with the image's mean colour."""

    uniforms: ClassVar[int] = 2
    source: ClassVar[str] = (
        "DeVries and Taylor 2017, Improved regularization of CNNs with cutout, arXiv:1708.04552"
    )

    size: Annotated[int, Field(ge=1, le=4096)] = Field(
        8, description="Side of the square in pixels; its centre is anywhere, so edges may cut it."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u = (row, column) of the square's centre."""
        import numpy as np

        _, height, width, _ = images.shape
        top = (u[:, 0] * height).astype(np.int64)[:, None] - self.size // 2
        left = (u[:, 1] * width).astype(np.int64)[:, None] - self.size // 2
        y, x = np.arange(height), np.arange(width)
        in_rows, in_columns = (y >= top) & (y < top + self.size), (x >= left) & (x < left + self.size)
        mean = np.rint(images.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
        covered = in_rows[:, :, None, None] & in_columns[:, None, :, None]
        return np.where(covered, mean, images), targets


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


@AUGMENTATIONS.register("color")
class Color(Augmentation):
    """Change brightness, contrast and saturation at random."""

    uniforms: ClassVar[int] = 3
    source: ClassVar[str] = (
        "Howard 2013, Some improvements on deep CNN based image classification, arXiv:1312.5402"
    )

    brightness: Strength = Field(0.2, description="Pixels are multiplied by up to 1 ± this.")
    contrast: Strength = Field(
        0.2, description="Distances from the mean grey are multiplied by up to 1 ± this."
    )
    saturation: Strength = Field(
        0.2, description="Distances from the pixel's own grey are multiplied by up to 1 ± this."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u = (brightness, contrast, saturation), applied in this order; 1/2 leaves the image alone."""
        import numpy as np

        strengths = np.array([self.brightness, self.contrast, self.saturation])
        factors = (1 + (2 * u - 1) * strengths).astype(np.float32)[:, :, None, None, None]
        pixels = (images * factors[:, 0]).clip(0, 255)
        if self.contrast:
            mean = _grey(pixels).mean(axis=(1, 2), keepdims=True)
            pixels = (mean + (pixels - mean) * factors[:, 1]).clip(0, 255)
        if self.saturation and images.shape[3] == 3:
            grey = _grey(pixels)
            pixels = (grey + (pixels - grey) * factors[:, 2]).clip(0, 255)
        return np.rint(pixels).astype(np.uint8), targets


def _grey(pixels: np.ndarray) -> np.ndarray:
    """ITU-R 601 luma, float32 [n, height, width, 1]."""
    import numpy as np

    if pixels.shape[3] == 1:
        return pixels
    return pixels @ np.array([[0.299], [0.587], [0.114]], np.float32)


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
