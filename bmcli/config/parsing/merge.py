"""Merges several texts into one tree: `extends` files, then the file, then `KEY=VALUE`.

Maps merge, lists replace. If a component's name changes, the options of the old one are dropped; the same
name keeps them. `null` removes lower values, so that the default applies again. Every node keeps its own
place.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from bmcli.config import shipped
from bmcli.config.parsing import messages, yaml
from bmcli.config.parsing.yaml import Node
from bmcli.config.problems import COMMAND_LINE, config_error
from bmcli.config.schema import Chosen, DataConfig, ExperimentConfig, Section
from bmcli.core.errors import ConfigError, Place, Problem, did_you_mean
from bmcli.core.plain import Document
from bmcli.files.suffixes import IMAGE_SUFFIXES, TABLE_SUFFIXES

_MAX_FILES = 50
_DATA_SUFFIXES = {*TABLE_SUFFIXES, *IMAGE_SUFFIXES, ".npz"}

ABOUT_THE_SOURCE = {
    *("kind", "task", "text", "target", "features", "delimiter", "label_delimiter", "header", "group"),
    *("quoting", "columns", "missing", "split", "id"),
}
"""Keys of `data` that describe the user's own files; a different source does not inherit them."""


@dataclass(frozen=True)
class Shape:
    """The content of a place in the config: a section, a component, a list of either, or a plain value."""

    section: type[Section] | None = None
    chosen: Chosen | None = None
    many: bool = False


ROOT = Shape(section=ExperimentConfig)
PLAIN = Shape()


@cache
def shape_of(section: type[Section], key: str) -> Shape:
    """The shape of that key's value."""
    field = section.model_fields.get(key)
    if field is None or (section is DataConfig and key == "name"):
        return PLAIN  # a dataset's options are next to its name, so the name is plain text
    chosen = next((item for item in field.metadata if isinstance(item, Chosen)), None)
    return Shape(chosen=chosen) if chosen else _shape(field.annotation)


def _shape(annotation: object) -> Shape:
    origin = get_origin(annotation)
    if isinstance(annotation, type) and origin is None and issubclass(annotation, Section):
        return Shape(section=annotation)
    if origin is Annotated:
        chosen = next((item for item in get_args(annotation)[1:] if isinstance(item, Chosen)), None)
        return Shape(chosen=chosen) if chosen else _shape(get_args(annotation)[0])
    if origin is list:
        inner = _shape(get_args(annotation)[0])
        return inner if inner == PLAIN else replace(inner, many=True)
    if origin in (Union, UnionType):
        return next((shape for arg in get_args(annotation) if (shape := _shape(arg)) != PLAIN), PLAIN)
    return PLAIN


def merged(source: str | Path | Document, overrides: Sequence[str], cwd: Path) -> tuple[Node, str]:
    """The tree of all layers without nulls, and the run's default name.

    ConfigError for unreadable text; values are not checked yet.
    """
    if isinstance(source, dict):
        top, default_name = yaml.from_plain(source, "config", str(cwd)), "experiment"
    else:
        path = find(source, cwd)
        top, default_name = yaml.read(path), legal_name(path.stem)
    tree = _extended(top, [] if isinstance(source, dict) else [Path(top.place.file).resolve()])
    problems: list[Problem] = []
    for text in overrides:
        try:
            tree = merge(tree, parse_override(text, cwd), ROOT, by_index=True)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise config_error(problems)
    return without_nulls(tree), default_name


def find(source: str | Path, cwd: Path) -> Path:
    """The config file: a path, or the name of a shipped config."""
    path = cwd / Path(source).expanduser()
    text = str(source)
    # Unlike Path, os.path treats a name that is too long for the file system as missing.
    if os.path.isfile(path) or path.suffix in (".yaml", ".yml") or Path(text).name != text:  # noqa: PTH113
        if os.path.isdir(path) or path.suffix.lower() in _DATA_SUFFIXES:  # noqa: PTH112
            raise config_error([_no_config(path, text)])
        if not os.path.exists(path):  # noqa: PTH110
            raise config_error([Problem(f"there is no config file {text}", None, _similar(path, text))])
        # Shown as the user wrote it, if that is valid from the working directory.
        return Path(source) if cwd == Path.cwd() and not text.startswith("~") else path
    found = shipped.find(text)
    if found is None and (os.path.exists(path) or _beside(path)):  # noqa: PTH110
        raise config_error([_no_config(path, text)])
    if found is None:
        hint = did_you_mean(text, shipped.names()) or "bm init lists the configs that ship with bm"
        raise config_error([Problem(f"there is neither a file nor a shipped config '{text}'", None, hint)])
    return found


def _no_config(path: Path, text: str) -> Problem:
    """A folder or data file in place of a config, or a config's name without its suffix."""
    import shlex

    from bmcli.runs.layout import CONFIG, RECORD

    is_folder, exists = os.path.isdir(path), os.path.exists(path)  # noqa: PTH110, PTH112
    if is_folder:
        message = f"{text} is a folder, not a config"
    elif exists:
        message = f"{text} is a data file, not a config"
    else:
        message = f"there is no config file {text}"
    folder = os.path.dirname(text.rstrip("/"))  # noqa: PTH120
    if is_folder and (path / RECORD).is_file() and (path / CONFIG).is_file():
        run = text.rstrip("/")
        hint = f"did you mean {run}/{CONFIG}, or --resume {run}/ to resume that run?"
    elif beside := _beside(path):
        hint = f"did you mean {os.path.join(folder, beside)}?"  # noqa: PTH118
    elif path.suffix.lower() in IMAGE_SUFFIXES and not is_folder:
        hint = f"bm init {shlex.quote(folder or '.')} drafts a config for a folder of images"
    elif exists:
        hint = f"bm init {shlex.quote(text)} drafts a config for it"
    else:
        return Problem(message, None, _similar(path, text))
    return Problem(message, None, hint)


def _beside(path: Path) -> str | None:
    """The file name of a config of the same name in the same folder."""
    stems = (path.name, path.stem, legal_name(path.stem))
    names = dict.fromkeys(f"{stem}{suffix}" for stem in stems for suffix in (".yaml", ".yml"))
    return next((name for name in names if os.path.isfile(path.parent / name)), None)  # noqa: PTH113


def _similar(path: Path, text: str) -> str | None:
    folder = path.parent
    files = [entry.name for entry in folder.glob("*.y*ml")] if folder.is_dir() else []
    return did_you_mean(Path(text).name, files)


def legal_name(stem: str) -> str:
    """A run name made from any text, such as a file's stem: 'My CNN.v2' becomes 'my-cnn.v2'."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem.lower())
    name = kept.strip("._-")[:90].rstrip("._-") or "experiment"
    head, dash, tail = name.rpartition("-v")
    if dash and tail.isdigit():
        name = f"{head}_v{tail}" if head else f"run_v{tail}"
    return "latest-config" if name == "latest" else name


def _extended(node: Node, trail: list[Path], seen: list[Path] | None = None) -> Node:
    """The node of a file merged over those that it extends."""
    seen = seen if seen is not None else []
    if not node.is_map:
        found = "nothing" if node.value is None else "a list" if node.is_list else f'"{node.text}"'
        message = f"a config is a map of keys and values, found {found}"
        raise config_error([Problem(message, node.place, "bm init writes a config to start from")])
    values = dict(node.value)
    named = values.pop("extends", None)
    own = replace(node, value=values)
    if named is None or named.value is None:
        return own
    below: Node | None = None
    for item in named.value if named.is_list else [named]:
        path = _extended_file(item)
        if path.resolve() in trail:
            names = " → ".join(step.name for step in [*trail, path])
            raise config_error([Problem(f"circular extends: {names}", item.place)])
        seen.append(path)
        if len(seen) > _MAX_FILES:
            raise config_error([Problem(f"extends more than {_MAX_FILES} files", item.place)])
        layer = _extended(yaml.read(path), [*trail, path.resolve()], seen)
        below = merge(below, layer, ROOT)
    return own if below is None else merge(below, own, ROOT)


def _extended_file(item: Node) -> Path:
    if not isinstance(item.value, str) or not item.value:
        message = "expected the path of a config file, or a list of them"
        raise config_error([Problem(message, item.place)])
    path = Path(item.folder) / Path(item.value).expanduser()
    if os.path.isfile(path):  # noqa: PTH113
        return path
    if (found := shipped.find(item.value)) is not None:
        return found
    raise config_error(
        [Problem(f"there is no config file {item.value}", item.place, _similar(path, item.value))]
    )


def parse_override(text: str, cwd: Path) -> Node:
    """`training.epochs=3` as a tree; every node's place is the override itself."""
    place = Place(f"{COMMAND_LINE}: {messages.shortened(text)}")
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(part.isprintable() and part for part in parts):
        message = f"expected KEY=VALUE, found '{messages.shortened(text)}'"
        raise config_error([Problem(message, place, "for example training.epochs=3")])
    if len(parts) > yaml.MAX_DEPTH:
        raise config_error([Problem(f"nested deeper than {yaml.MAX_DEPTH} levels", place)])
    node = yaml.parse(value, place.file, str(cwd), place=place)
    for part in reversed(parts):
        node = Node({part: node}, place, str(cwd), keys={part: Node(part, place, str(cwd), part)})
    return node


def merge(low: Node | None, high: Node, shape: Shape, *, by_index: bool = False) -> Node:
    """`high` merged over `low`.

    by_index: from the command line, where `augment.0.padding=2` changes an item of a list.
    """
    if low is None or low.value is None or high.value is None:
        return high
    if shape.section is not None and shape.section.bare is not None and not shape.many:
        low, high = as_map(low, shape.section.bare), as_map(high, shape.section.bare)
        if shape.section is DataConfig:
            low = _without_old_source(low, high)
    elif shape.chosen is not None and not shape.many:
        low, high = as_map(low), as_map(high)
        if low.is_map and high.is_map and _renamed(low, high, shape.chosen):
            return high
    if by_index and low.is_list and high.is_map:
        return _merge_item(low, high, replace(shape, many=False))
    if not (low.is_map and high.is_map):
        return high
    values, keys = dict(low.value), dict(low.keys)
    for key, node in high.value.items():
        inner = shape_of(shape.section, key) if shape.section and isinstance(key, str) else PLAIN
        values[key] = merge(values.get(key), node, inner, by_index=by_index)
        keys[key] = high.keys[key]
    return replace(high, value=values, keys=keys)


def _merge_item(low: Node, high: Node, shape: Shape) -> Node:
    items = list(low.value)
    for key, node in high.value.items():
        if str(key) not in map(str, range(len(items))):
            name = messages.shortened(str(key))
            message = f"'{name}' is not an index of this list of {len(items)}; indices count from 0"
            raise config_error([Problem(message, node.place)])
        items[int(key)] = merge(items[int(key)], node, shape, by_index=True)
    return replace(low, value=items)


def as_map(node: Node, key: str = "name") -> Node:
    """A component (or `data`) as a map: the bare name `adam` means `{name: adam}`."""
    if not isinstance(node.value, str):
        return node
    name = replace(node)
    return Node({key: name}, node.place, node.folder, keys={key: name}, size=2)


def _renamed(low: Node, high: Node, chosen: Chosen) -> bool:
    new = high.value.get("name")
    old = low.value.get("name")
    return new is not None and new.value != (old.value if old is not None else chosen.default)


def _without_old_source(low: Node, high: Node) -> Node:
    """`data` without the keys of a source that `high` replaces: a dataset's options, a path's keys."""
    if not (low.is_map and high.is_map):
        return low
    own = set(DataConfig.model_fields)
    drop: set[object] = set()
    new_name, new_path = high.value.get("name"), high.value.get("path")
    old_name = low.value.get("name")
    if new_name is not None and (old_name is None or old_name.value != new_name.value):
        drop = {key for key in low.value if key not in own} | {"path"} | ABOUT_THE_SOURCE
        drop |= {key for key in ("test", "validation") if _is_text(low.value.get(key))}
    elif new_path is not None and old_name is not None:
        drop = {key for key in low.value if key not in own} | {"name"} | ABOUT_THE_SOURCE
    return replace(low, value={key: node for key, node in low.value.items() if key not in drop})


def _is_text(node: Node | None) -> bool:
    return node is not None and isinstance(node.value, str)


def without_nulls(node: Node, shape: Shape = ROOT) -> Node:
    """The tree without map entries that are null: their defaults apply.

    Entries that may be unknown keys are kept even if null: `{label_smoothing: 0,1}` is a map of two keys in
    YAML, and the second one is a mistake. Validation drops the known ones.
    """
    if node.is_list:
        item = replace(shape, many=False) if shape.many else PLAIN
        return replace(node, value=[without_nulls(one, item) for one in node.value])
    if not node.is_map:
        return node
    values: dict[object, Node] = {}
    for key, child in node.value.items():
        inner = shape_of(shape.section, key) if shape.section and isinstance(key, str) else PLAIN
        if child.value is not None:
            values[key] = without_nulls(child, inner)
        elif not _goes(shape, key):
            values[key] = child
    return replace(node, value=values)


def _goes(shape: Shape, key: object) -> bool:
    """Whether null only restores a default here; not for a key that may be unknown."""
    if shape.chosen is not None and not shape.many:
        return bool(key == "name")
    return shape.section is None or shape.many or key in shape.section.model_fields
