"""A look at all image files before anything is cut: what cannot be decoded, sizes, depths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bmcli.core.errors import MissingExtraError
from bmcli.modalities.image.decode import Manner
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.formats import NEEDS_HEIC
from bmcli.modalities.image.probe import Wish, probe
from bmcli.modalities.values import Inspected

if TYPE_CHECKING:
    from bmcli.config.schema import ImageConfig


def inspect(
    images: Images,
    options: ImageConfig | None,
    cache_bytes: int,
    progress: Callable[[int, int], None] | None,
) -> Inspected | None:
    """See `Modality.inspect`."""
    if images.paths is None:
        return None
    paths, wish = images.paths, None
    if options is not None:
        size = (options.size, options.size) if isinstance(options.size, int) else options.size
        wish = Wish(size, options.channels, cache_bytes, Manner(options.fit, options.window))
    found = probe(paths, wish=wish, progress=progress)
    if NEEDS_HEIC in found.problems.values():  # nothing is wrong with the files: none is left out
        raise MissingExtraError("reading HEIC images", "heic")
    looked_at = Images(
        paths=paths,
        sizes=found.sizes,
        grey=found.grey,
        decoded=found.decoded,
        depths=found.depths,
        digests=found.digests,
    )
    counts = {"several": int(found.several.sum()), "reduced": int(found.reduced.sum())}
    return Inspected(looked_at, found.problems, dict(zip(paths, found.digests, strict=True)), counts)


def notes(counts: Mapping[str, int]) -> tuple[str, ...]:
    """See `Modality.inspection_notes`."""
    found = []
    if several := counts.get("several"):
        found.append(f"{_files(several)} of several pages or frames: the first of each is read")
    if reduced := counts.get("reduced"):
        found.append(
            f"{_files(reduced)} of more than 8 bits per colour: the upper 8 bits of each value are read"
        )
    return tuple(found)


def _files(count: int) -> str:
    return f"{count:,} file{'s' if count != 1 else ''}"


def depth_notes(splits: Mapping[str, Images]) -> tuple[str, ...]:
    """A note on data with both 8-bit images and deeper ones."""
    found = {name: images.depths.wide for name, images in splits.items() if images.depths is not None}
    wide, every = sum(int(some.sum()) for some in found.values()), sum(map(len, found.values()))
    if not 0 < wide < every:
        return ()
    scaled = "scaled by the values seen in training, or by preprocessing.image.window"
    if "train" in found and not found["train"].any():
        scaled = "scaled from 0 to 65,535, as training has none of them, or by preprocessing.image.window"
    return (f"{wide:,} of {every:,} images have more than 8 bits: {scaled}; the others stay as they are",)
