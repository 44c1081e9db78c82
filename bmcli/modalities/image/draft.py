"""The part of a first config for images: their size, and whether they may be mirrored."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.files.inputs import bytes_of
from bmcli.files.suffixes import SPLIT_FOLDERS

if TYPE_CHECKING:
    from bmcli.config.drafting.inspect import Look

_LARGEST_SIDE = 96
_SIDES = {"left", "right", "links", "rechts", "gauche", "droite", "izquierda", "derecha"}
_PAIRS = (("l", "r"), ("lt", "rt"), ("b", "d"), ("p", "q"), ("east", "west"), ("cw", "ccw"))
"""Words of which both are wanted: one of them alone may mean anything."""
_MOST_BYTES = 200 * 2**20
"""Files that are opened have this size in all."""


def data_entries(look: Look) -> list[tuple[str, object, str]]:
    """Keys of `data`, each with its value and why."""
    if look.examples < 100 or look.path.suffix:
        return []
    if (turned := _turned_round(_class_names(look.path))) is None:
        return [("augment", ["flip"], "remove it if left and right differ, as for letters")]
    return [("augment", [], f"not flip: {turned}")]


def model_lines(look: Look) -> list[str]:
    """The lines from `preprocessing` to `model`."""
    lines = []
    if size := _side(look):
        lines = ["preprocessing:", f"  image: {{size: {size}}}   # every image is resized to this", ""]
    small = size is None and look.sizes and min(look.sizes[0]) < 16
    filters = "[32, 64]" if small else "[32, 64, 128]"
    return [*lines, f"model: {{name: cnn, filters: {filters}, padding: same}}   # bm models lists others"]


def _class_names(folder: Path) -> list[str]:
    """Names of the folders in it, and of those in its split folders."""
    found: list[str] = []
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_dir() and not entry.name.startswith("."):
            inner = any(entry.name.lower() in names for names in SPLIT_FOLDERS.values())
            found += [one.name for one in sorted(entry.iterdir()) if one.is_dir()] if inner else [entry.name]
    return found


def _turned_round(classes: list[str]) -> str | None:
    """Why a mirror image may be of another class, by the class names; None if they do not suggest it."""
    words = {name: set(re.findall(r"[^\W\d_]+", name.lower())) for name in classes}
    sided = [name for name, own in words.items() if own & _SIDES]
    if sided:
        return f"its mirror image would not be '{sided[0]}'"
    if every := set().union(*words.values()):
        for one, other in _PAIRS:
            if {one, other} <= every:
                return f"a mirror image of '{one}' would be '{other}'"
    if classes and all(len(name) == 1 for name in classes):
        return "mirrored letters and digits are not letters or digits"
    return None


def _side(look: Look) -> int | None:
    """One size for images of several sizes or large ones; None to keep the data's own."""
    if not look.sizes:
        return None
    sides = sorted(min(size) for size in look.sizes)
    alike = len(set(look.sizes)) == 1
    if alike and max(look.sizes[0]) <= _LARGEST_SIDE:
        return None
    return max(16, min(_LARGEST_SIDE, sides[len(sides) // 2]))


def glance(paths: Sequence[str]) -> tuple[tuple[tuple[int, int], ...], list[str]]:
    """Height and width of those that can be decoded, and the paths of the others."""
    from PIL import Image

    sizes: list[tuple[int, int]] = []
    bad: list[str] = []
    left = _MOST_BYTES
    for path in paths:
        left -= bytes_of(path)
        if left < 0 and sizes:
            break
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(path) as image:
                    size = (image.height, image.width)
                    image.draft(image.mode, (64, 64))  # a JPEG is decoded small, and whole all the same
                    image.load()
            sizes.append(size)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, MemoryError, EOFError):
            bad.append(path)
    return tuple(sizes), bad
