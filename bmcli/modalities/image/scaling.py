"""How images of more than 8 bits are brought to 8: one window for all, fitted on the training images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from bmcli.modalities.image.decode import Manner
from bmcli.modalities.image.depth import Window, extent
from bmcli.modalities.image.examples import Depths, Images
from bmcli.modalities.image.probe import depths_of

if TYPE_CHECKING:
    from bmcli.config.schema import ImageConfig


SMALL_PART = 0.25


def window_of(images: Images, depths: Depths | None = None) -> Window | None:
    """The lowest and highest value of those of more than 8 bits; None if there are none."""
    depths = _depths(images) if depths is None else depths
    if not depths.wide.any():
        return None
    extents = depths.extents[depths.wide]
    return float(extents[:, 0].min()), float(extents[:, 1].max())


def scaling_of(
    train: Images, options: ImageConfig
) -> tuple[Manner, tuple[int, ...], Literal["training", "config"] | None, Window | None]:
    """manner, bits, window_from and bulk, as `ImagePreprocessing` has them."""
    depths = _depths(train)
    seen = window_of(train, depths)
    window = options.window or seen
    source: Literal["training", "config"] = "config" if options.window else "training"
    bits = tuple(sorted(set(depths.bits.tolist())))
    return (
        Manner(options.fit, window),
        bits,
        None if window is None else source,
        None if options.window else _bulk(depths, seen),
    )


def scaling_notes(train: Images, options: ImageConfig) -> tuple[str, ...]:
    """`ImagePreprocessing.notes` of one fitted on these, without fitting one."""
    return scaling_lines(*scaling_of(train, options))


def scaling_lines(
    manner: Manner,
    bits_seen: tuple[int, ...] | None,
    window_from: Literal["training", "config"] | None,
    bulk: Window | None,
) -> tuple[str, ...]:
    """How images of more than 8 bits are scaled, in a line; nothing if there are none."""
    window = manner.window
    if window is None or not any(bits > 8 for bits in bits_seen or ()):
        return ()
    wide = [f"{bits}" for bits in bits_seen or () if bits > 8]
    what = f"{'- and '.join(wide)}-bit images" if wide else "images of more than 8 bits"
    where = {"training": "seen in training", "config": "preprocessing.image.window"}
    source = f" ({where[window_from]})" if window_from else ""
    said = [f"{what}: values {_number(window[0])} to {_number(window[1])} scaled to 0 to 255{source}"]
    if bulk is not None:
        plain = ",".join(f"{value:.6g}" for value in bulk)
        said.append(
            f"nearly all of them lie between {_number(bulk[0])} and {_number(bulk[1])}, "
            f"and share few grey levels: preprocessing.image.window=[{plain}] gives them all"
        )
    return tuple(said)


def _bulk(depths: Depths, window: Window | None) -> Window | None:
    """The range of almost all values of almost all images, if it is a small part of the window."""
    if window is None:
        return None
    low, high = depths.extents[depths.wide, 2], depths.extents[depths.wide, 3]
    bulk = float(np.quantile(low, 0.02)), float(np.quantile(high, 0.98))
    return bulk if 0 < bulk[1] - bulk[0] < SMALL_PART * (window[1] - window[0]) else None


def _depths(images: Images) -> Depths:
    if images.depths is not None:
        return images.depths
    if images.arrays is None:
        return depths_of(images.sources)
    bits, extents = np.full(len(images), 8), np.full((len(images), 4), np.nan)
    if images.arrays.dtype != np.uint8:
        bits[:] = 8 * images.arrays.dtype.itemsize
        for i, array in enumerate(images.arrays):
            extents[i] = extent(array)
    return Depths(bits, extents)


def _number(value: float) -> str:
    """1,130 or 0.25."""
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:,.6g}"
