"""From text to one frozen, fully resolved `ExperimentConfig`, or all mistakes at once.

Defaults, then `extends` files, then the file, then `KEY=VALUE`; after this nothing parses, defaults or
guesses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.config import checks
from bmcli.config import dump as write
from bmcli.config.code import load_code
from bmcli.config.finding import Finding
from bmcli.config.parsing import merge
from bmcli.config.parsing.coerce import absolute
from bmcli.config.parsing.validate import KeyPath, Mistake, Validator
from bmcli.config.parsing.yaml import Node
from bmcli.config.problems import config_error
from bmcli.config.schema import ExperimentConfig
from bmcli.core.errors import BmError, Place, Problem
from bmcli.core.plain import Document

if TYPE_CHECKING:
    from bmcli.core.components import Missing, Progress

    Obtaining = Callable[[Missing, Callable[[Progress | None], None]], None]


def load(
    source: str | Path | Document,
    overrides: Sequence[str] = (),
    *,
    cwd: Path | None = None,
    run_code: bool = False,
    before_code: Callable[[Sequence[str]], None] = lambda files: None,
    paths_exist: bool = True,
    resuming: bool = False,
    obtaining: Obtaining | None = None,
) -> ExperimentConfig:
    """The resolved config. ConfigError with all mistakes.

    source: the path of a file, the bare name of a shipped config, or the config itself as a dict.
    overrides: `KEY=VALUE`, dotted keys, values in YAML.
    cwd: the folder that relative paths in overrides and in a dict refer to; default: the working directory.
    run_code: import the Python files under `code`. Without it, a config that uses their components is an
        error.
    before_code: called with the absolute paths of the files about to be run; it may raise.
    paths_exist: whether missing data is an error; not for a finished run's config, or for synthesised data.
    resuming: the run of `init_from` may be missing, because a resumed run already has its weights.
    obtaining: downloads what the model needs and this machine does not have, once all else is right; None:
        nothing is downloaded. Its errors get the place of the name that they are about.
    """
    tree, default_name = merge.merged(source, overrides, (cwd or Path.cwd()).absolute())
    tree = _with_name(tree, default_name)
    code, mistakes = _code_files(tree)
    if code and run_code and not mistakes:
        before_code(code)
        load_code(code)
    tree = _with_code(tree)
    validator = Validator(() if run_code else tuple(code))
    place = Place(tree.place.file)
    config = validator.section(ExperimentConfig, tree, (), place)
    mistakes += validator.mistakes
    wrong = [mistake.path for mistake in mistakes]
    if wrong:
        # The valid part is checked too, so that all mistakes are reported at once.
        rest = _with_name(_without(tree, wrong), default_name)
        config = Validator().section(ExperimentConfig, rest, (), place)
    if isinstance(config, ExperimentConfig):
        config, found = checks.check(config, paths_exist=paths_exist, resuming=resuming)
        if obtaining is not None and not (mistakes or found) and _obtained(config, tree, obtaining):
            config, found = checks.check(config, paths_exist=paths_exist, resuming=resuming)
        mistakes += [
            Mistake(finding.path, Problem(finding.message, _place_of(tree, finding), finding.hint))
            for finding in found
            if not any(_touches(path, bad) for path in (finding.path, *finding.also) for bad in wrong)
        ]
    if mistakes:
        raise config_error(mistake.problem for mistake in mistakes)
    assert isinstance(config, ExperimentConfig)  # what is not one was a mistake
    return config


def _obtained(config: ExperimentConfig, tree: Node, obtaining: Obtaining) -> bool:
    """Download what the model needs and this machine does not have; whether there was anything."""
    missing = config.model.missing()
    if missing is None:
        return False
    try:
        obtaining(missing, config.model.obtain)
    except BmError as error:
        error.place = error.place or _place_of(tree, Finding(("model", "weights"), ""))
        raise
    return True


def dump(config: ExperimentConfig) -> str:
    """The resolved config as YAML; `load` of it gives an equal one."""
    return write.dump(config.to_dict())


def _with_name(tree: Node, default: str) -> Node:
    if "name" in tree.value:
        return tree
    node = Node(default, tree.place, tree.folder, default)
    return replace(tree, value={"name": node, **tree.value}, keys={"name": node, **tree.keys})


def _with_code(tree: Node) -> Node:
    """`code: my_model.py` means a list of one."""
    node = tree.value.get("code")
    if node is None or not isinstance(node.value, str):
        return tree
    return replace(tree, value={**tree.value, "code": replace(node, value=[node])})


def _code_files(tree: Node) -> tuple[list[str], list[Mistake]]:
    """The absolute paths under `code`, and those that are not files."""
    node = tree.value.get("code")
    items = node.value if node is not None and node.is_list else [node] if node is not None else []
    files, mistakes = [], []
    for item in items:
        if not isinstance(item.value, str) or not item.value:
            continue  # validation reports it
        path = absolute(item)
        if os.path.isfile(path):  # noqa: PTH113 (False also for a name that is too long)
            files.append(path)
        else:
            mistakes.append(Mistake(("code",), Problem(f"there is no file {path}", item.place)))
    return files, mistakes


def _without(node: Node, paths: list[KeyPath]) -> Node:
    """The tree without the values at these paths."""
    if not node.is_map:
        return node
    gone = {path[0] for path in paths if len(path) == 1}
    deeper: dict[object, list[KeyPath]] = {}
    for path in paths:
        if len(path) > 1:
            deeper.setdefault(path[0], []).append(path[1:])
    values = {}
    for key, child in node.value.items():
        if key in gone or (key in deeper and not child.is_map):
            continue
        values[key] = _without(child, deeper[key]) if key in deeper else child
    return replace(node, value=values)


def _touches(path: KeyPath, other: KeyPath) -> bool:
    """Whether one path is a prefix of the other."""
    shorter = min(len(path), len(other))
    return path[:shorter] == other[:shorter]


def _place_of(tree: Node, finding: Finding) -> Place:
    """The place of this path, or of its nearest ancestor that was written down."""
    place = above = Place(tree.place.file)
    node = tree
    for step in finding.path:
        key, child = _child(node, step)
        if child is None:
            name = node.value.get("name") if node.is_map and node is not tree else None
            return name.place if name is not None else above
        above = node.key_place(key)
        place = above if finding.at_key else child.place
        node = child
    return place


def _child(node: Node, step: str | int) -> tuple[object, Node | None]:
    """The key as in the tree (12 for '12') and its value."""
    if node.is_map:
        keys = (key for key in node.value if key == step or node.keys[key].text == step)
        key = next(keys, None)
        return key, node.value.get(key)
    if node.is_list and isinstance(step, int) and step < len(node.value):
        return step, node.value[step]
    return step, None
