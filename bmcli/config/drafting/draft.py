"""A first config for data that was looked at: commented, and accepted by `bm check`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bmcli.config import dump
from bmcli.config.drafting.inspect import Look
from bmcli.core.registry import registry_of
from bmcli.files.suffixes import SPLIT_FOLDERS

_LARGEST_SIDE = 96
_SIDES = {"left", "right", "links", "rechts", "gauche", "droite", "izquierda", "derecha"}
_PAIRS = (("l", "r"), ("lt", "rt"), ("b", "d"), ("p", "q"), ("east", "west"), ("cw", "ccw"))
"""Words of which both are wanted: one of them alone may mean anything."""
_FEW = 1_000


def draft(look: Look, name: str, path: str) -> str:
    """The text of a config.

    path: the data's path as it shall be written.
    """
    lines = [f"# A first config for {_comment(path)}, drafted from a look at it:"]
    lines += [f"#   {_comment(sentence)}" for sentence in look.seen]
    lines += ["#", f"#   bm check {name}.yaml --build", f"#   bm train {name}.yaml", ""]
    lines += [f"name: {dump.inline(name)}", "", "data:", *_data(look, path)]
    lines += ["", *_model(look), "", *_training(look)]
    return "\n".join(lines) + "\n"


def _data(look: Look, path: str) -> list[str]:
    lines = [_entry("path", path, "relative to this file")]
    lines += [_entry(key, value, why) for key, value, why in look.said]
    if look.text is not None:
        lines.append(_entry("text", look.text, "the column that is read"))
    if look.target is not None:
        lines.append(_entry("target", look.target, "the column that is predicted"))
    if look.label_delimiter is not None:
        lines.append(_entry("label_delimiter", look.label_delimiter, "what separates the labels in a cell"))
    if look.features:
        why = f"without {', '.join(map(str, look.left_out))}" if look.left_out else "the columns a model sees"
        lines.append(_entry("features", list(look.features), why))
    if look.delimiter is not None:
        lines.append(_entry("delimiter", look.delimiter, "what separates cells"))
    if not look.header:
        lines.append(_entry("header", False, "columns are numbers, from 0"))
    if look.group is not None:
        why = "rows of one group stay on one side of every split; take it out if that is not meant"
        lines.append(_entry("group", look.group, why))
    if look.target is not None:
        lines.append(_entry("task", look.task, "binary, multiclass, multilabel or regression"))
    if "test" not in look.brings:
        lines.append(_entry("test", 0.2, "share cut off first, never used for choosing"))
    if "validation" not in look.brings:
        lines.append(_entry("validation", 0.1, "share of the rest: decides which epoch is best"))
    if look.kind == "image" and look.examples >= 100 and not look.path.suffix:
        if (turned := _turned_round(_class_names(look.path))) is None:
            lines.append(
                _entry("augment", ["flip"], "take it out where left and right differ, as for letters")
            )
        else:
            lines.append(_entry("augment", [], f"not flip: {turned}"))
    return lines


def _class_names(folder: Path) -> list[str]:
    """Names of the folders in it, and of those in its split folders."""
    found: list[str] = []
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_dir() and not entry.name.startswith("."):
            inner = any(entry.name.lower() in names for names in SPLIT_FOLDERS.values())
            found += [one.name for one in sorted(entry.iterdir()) if one.is_dir()] if inner else [entry.name]
    return found


def _turned_round(classes: list[str]) -> str | None:
    """Why a mirror image may be of another class, by their names; None where these do not say so."""
    words = {name: set(re.findall(r"[^\W\d_]+", name.lower())) for name in classes}
    sided = [name for name, own in words.items() if own & _SIDES]
    if sided:
        return f"its mirror image would not be '{sided[0]}'"
    if every := set().union(*words.values()):
        for one, other in _PAIRS:
            if {one, other} <= every:
                return f"a mirror image of '{one}' would be '{other}'"
    if classes and all(len(name) == 1 for name in classes):
        return "mirror images of letters and digits are none"
    return None


def _model(look: Look) -> list[str]:
    if look.kind == "image":
        lines = []
        if size := _side(look):
            lines = ["preprocessing:", f"  image: {{size: {size}}}   # every image is resized to this", ""]
        small = size is None and look.sizes and min(look.sizes[0]) < 16
        filters = "[32, 64]" if small else "[32, 64, 128]"
        return [*lines, f"model: {{name: cnn, filters: {filters}, padding: same}}   # bm models lists others"]
    if look.kind == "text":
        return [
            "preprocessing:",
            "  text: {vocabulary: 10000, max_length: 200}   # longer texts are cut",
            "",
            "model: transformer   # bm models lists others",
        ]
    if _solvable(look):
        why = "few rows: a simple model first; bm models lists others"
        return [f"model: {{name: linear, solver: closed_form}}   # {why}"]
    return ["model: {name: mlp, hidden: [64, 64]}   # bm models lists others"]


def _side(look: Look) -> int | None:
    """One size for images of several sizes or large ones; None to keep the data's own."""
    if not look.sizes:
        return None
    sides = sorted(min(size) for size in look.sizes)
    alike = len(set(look.sizes)) == 1
    if alike and max(look.sizes[0]) <= _LARGEST_SIDE:
        return None
    return max(16, min(_LARGEST_SIDE, sides[len(sides) // 2]))


def _solvable(look: Look) -> bool:
    """Whether the weights of a linear model can be computed at once, and are good enough to begin with."""
    about: Any = registry_of("task").get(look.task) if look.task else None
    return bool(about and about.squared_error) and look.examples < _FEW


def _training(look: Look) -> list[str]:
    if _solvable(look):
        return ["training:", _entry("epochs", 1, "the weights are computed, not searched for")]
    epochs = 5 if look.kind == "text" and look.examples > 20_000 else "auto"
    batch = 32 if look.examples < 2_000 else 64 if look.examples < 20_000 else 128
    return [
        "training:",
        _entry("epochs", epochs, "passes over the training data; auto: enough for 1,500 steps, 10 to 100"),
        _entry("batch_size", batch, "examples per step"),
        "  optimizer: {name: adam, learning_rate: 1e-3}",
        "  schedule: cosine",
        "  early_stopping: {patience: 5}   # stop when the validation loss no longer falls",
    ]


def _entry(key: str, value: object, why: str) -> str:
    written = dump.inline(value)
    return f"  {key}: {written}".ljust(30) + f"   # {_comment(why)}"


def _comment(text: str) -> str:
    """On one line, without characters YAML does not allow."""
    return "".join(c if c.isprintable() else "?" for c in text)
