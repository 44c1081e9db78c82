"""What is measured on an image: light, contrast, colour, detail, and where within it they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.spec import INPUT
from bmcli.modalities.measured import LOOKED_AT, Measured, Trait, Usual, outer, ranges_of, spread
from bmcli.modalities.novelty import ENOUGH, FAR
from bmcli.modalities.remark import THAN

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.modalities.source import Source

DECODED = 3_000
"""Training images that are measured where they would have to be decoded for it once more."""
PIECE_BYTES = 2**22
"""Images are measured in pieces of about this size, which stay in the processor's cache."""

_OF_COLOUR = ("red", "blue", "colour", "colour detail")


def _image(name: str, low: str, high: str, finest: float) -> Trait:
    return Trait(name, low.replace("~", THAN[0]), high.replace("~", THAN[0]), finest)


IMAGES: Mapping[str, Trait] = {
    "brightness": _image("brightness", "darker~", "brighter~ (inverted?)", 1),
    "median": _image("brightness", "darker~", "brighter~ (inverted?)", 1),
    "darkest": _image("dark parts", "darker shadows", "no dark parts (inverted, or faded?)", 1),
    "lightest": _image("light parts", "no light parts (faded, or dark?)", "lighter highlights", 1),
    "contrast": _image("contrast", "lower contrast~ (blank?)", "higher contrast~", 1),
    "log contrast": _image("contrast", "lower contrast~ (blank?)", "higher contrast~", 0.05),
    "border": _image("border", "darker border", "brighter border", 1),
    "border contrast": _image("border", "plainer border", "busier border", 1),
    "detail": _image("detail", "less detail~ (blank?)", "more detail~ (noise?)", 0.05),
    "relative detail": _image("detail", "smoother~ (blurred?)", "more detail~ (noise?)", 0.03),
    "sharpness": _image("sharpness", "less sharp~ (blurred?)", "sharper~ (noise?)", 0.02),
    "evenness": _image(
        "evenness of detail", "detail everywhere (noise?)", "detail in a few places only", 0.05
    ),
    "direction": _image(
        "direction of edges", "edges run across more~ (turned?)", "edges run upright more~ (turned?)", 0.03
    ),
    "slant": _image("slant", "slants the other way~ (turned?)", "slants more~ (turned?)", 0.01),
    "upper, lower": _image(
        "light above and below",
        "lighter towards the top~ (turned?)",
        "lighter towards the bottom~ (turned?)",
        0.3,
    ),
    "left, right": _image(
        "light left and right",
        "lighter towards the left~ (turned?)",
        "lighter towards the right~ (turned?)",
        0.3,
    ),
    "middle": _image("light in the middle", "darker in the middle~", "lighter in the middle~", 1),
    "red": _image("colour balance", "less red~", "more red~", 1),
    "blue": _image("colour balance", "less blue~", "more blue~", 1),
    "colour": _image("colour", "less colourful~ (grey?)", "more colourful~", 0.1),
    "colour detail": _image(
        "colour of detail", "detail without colour (grey?)", "coloured detail (noise?)", 0.05
    ),
}


def image_traits(channels: int) -> list[str]:
    """Names in IMAGES of what is measured on images with this number of channels."""
    return [name for name in IMAGES if channels == 3 or name not in _OF_COLOUR]


def of_images(images: np.ndarray) -> tuple[tuple[Trait, ...], np.ndarray]:
    """The traits, and float64 [N, D], of uint8 [N, height, width, channels]."""
    names = image_traits(images.shape[3])
    step = max(1, PIECE_BYTES // max(1, 4 * int(np.prod(images.shape[1:]))))
    found = np.empty((len(images), len(names)))
    for start in range(0, len(images), step):
        measured = _some_images(images[start : start + step].astype(np.float32))
        for place, name in enumerate(names):
            found[start : start + step, place] = measured[name]
    return tuple(IMAGES[name] for name in names), found


def _some_images(images: np.ndarray) -> dict[str, np.ndarray]:
    count, height, width, channels = images.shape
    grey = images.mean(axis=3) if channels > 1 else images[..., 0]
    flat = np.sort(grey.reshape(count, -1), axis=1)
    last = flat.shape[1] - 1
    mean, deviation = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
    edge = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    across, down = _steps(grey)
    by_width, by_height = np.abs(across).mean(axis=(1, 2)), np.abs(down).mean(axis=(1, 2))
    detail = (by_width + by_height) / 2
    bends = [np.abs(np.diff(across, axis=2)), np.abs(np.diff(down, axis=1))]
    bent = sum(_mean(bend) for bend in bends) / 2
    squares = sum(_mean(bend**2) for bend in bends) / 2
    rows = np.linspace(-1, 1, height, dtype=np.float32)
    columns = np.linspace(-1, 1, width, dtype=np.float32)
    window = np.exp(-2 * (rows[:, None] ** 2 + columns[None] ** 2))
    found = {
        "brightness": mean,
        "median": flat[:, last // 2],
        "darkest": flat[:, last // 100],
        "lightest": flat[:, last - last // 100],
        "contrast": deviation,
        "log contrast": np.log1p(deviation),
        "border": edge.mean(axis=1),
        "border contrast": edge.std(axis=1),
        "detail": np.log1p(detail),
        "relative detail": np.log((detail + 0.5) / (deviation + 1)),
        "sharpness": np.log((bent + 0.5) / (detail + 0.5)),
        "evenness": np.log((squares + 1) / (bent**2 + 1)),
        "direction": np.log((by_width + 0.5) / (by_height + 0.5)),
        "slant": _mean(across * down) / ((_mean(across**2) + _mean(down**2)) / 2 + 1),
        "upper, lower": grey.mean(axis=2) @ rows / height,
        "left, right": grey.mean(axis=1) @ columns / width,
        "middle": (grey * window).mean(axis=(1, 2)) / window.mean() - mean,
    }
    if channels == 3:
        red, blue = images[..., 0] - images[..., 1], images[..., 2] - images[..., 1]
        found |= {
            "red": red.mean(axis=(1, 2)),
            "blue": blue.mean(axis=(1, 2)),
            "colour": np.sqrt((images.max(axis=3) - images.min(axis=3)).mean(axis=(1, 2))),
            "colour detail": np.log(
                (sum(_mean(np.abs(step)) for step in _steps(red)) / 2 + 0.5) / (detail + 0.5)
            ),
        }
    return found


def _steps(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each pixel to the right one, and to the lower one: of the same shape; of one line, nothing."""
    _, height, width = grey.shape
    across = np.diff(grey, axis=2)[:, : max(1, height - 1)] if width > 1 else np.zeros_like(grey)
    down = np.diff(grey, axis=1)[:, :, : max(1, width - 1)] if height > 1 else np.zeros_like(grey)
    if across.shape != down.shape:  # one line of pixels
        shape = tuple(min(a, b) for a, b in zip(across.shape, down.shape, strict=True))
        across, down = across[:, : shape[1], : shape[2]], down[:, : shape[1], : shape[2]]
    return across, down


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=(1, 2)) if values.size else np.zeros(len(values), np.float32)


@dataclass(frozen=True)
class ImageTraits(Usual):
    """Traits of images are compared to nothing but each other."""

    def known(self, encoder: Preprocessing) -> tuple[Trait, ...]:
        """See Usual."""
        return tuple(IMAGES[name] for name in image_traits(encoder.inputs[0].shape[2] or 0))

    def measured(
        self, encoder: Preprocessing, examples: Examples, compact: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See Usual."""
        return of_images(compact)[1], np.zeros(len(compact), bool)


def fit(encoder: Preprocessing, examples: Examples) -> Measured:
    """Of training images: in memory, or many of them."""
    source = encoder.source(examples).sources[INPUT]
    compact = np.asarray(source[_to_measure(source)])
    ranges = ranges_of(statistics(compact), ("contrast", "detail", "colour"))
    _, traits = of_images(compact)
    return Measured(ImageTraits(), traits, *outer(traits, FAR, ENOUGH), ranges)


def _to_measure(source: Source) -> np.ndarray:
    """Positions, of those in memory if they are enough."""
    count = len(source)
    rows = getattr(source, "rows", None)
    if rows is None or (rows >= 0).all():
        return spread(count, LOOKED_AT)
    ready = np.flatnonzero(rows >= 0)
    return ready[spread(len(ready), LOOKED_AT)] if len(ready) >= DECODED else spread(count, DECODED)


def statistics(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The statistics with which older runs recognise unfamiliar images."""
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(pixels), 256):
        some = pixels[start : start + 256].astype(np.float32)
        grey = some.mean(axis=3)
        edge = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
        steps = [
            np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2) if grey.shape[axis] > 1
        ]
        parts = {
            "brightness": grey.mean(axis=(1, 2)),
            "contrast": grey.std(axis=(1, 2)),
            "border": edge.mean(axis=1),
            "detail": np.mean(steps, axis=0) if steps else np.zeros(len(some)),
        }
        if some.shape[3] == 3:
            parts["colour"] = np.ptp(some, axis=3).mean(axis=(1, 2))
        for name, values in parts.items():
            found.setdefault(name, []).append(values.astype(np.float64))
    return {name: np.concatenate(values) for name, values in found.items()}
