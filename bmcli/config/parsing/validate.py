"""Turns a tree of located values into typed ones, and reports every mistake at its place.

Sections and components are validated one by one, from the inside out, because each has its own class; the
outer one then gets finished instances. Nothing is converted silently: "10" is not a number, 1.0 is not a
whole number, true is not 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from bmcli.config import dump
from bmcli.config.modality import section_of, sections
from bmcli.config.parsing import messages
from bmcli.config.parsing.coerce import as_declared
from bmcli.config.parsing.merge import Shape, as_map, shape_of
from bmcli.config.parsing.yaml import Node
from bmcli.config.schema import Chosen, DataConfig, PreprocessingConfig, Section, TrainingConfig
from bmcli.core.component import Component, Options
from bmcli.core.errors import Place, Problem, UsageError
from bmcli.core.registry import registry_of

if TYPE_CHECKING:
    pass

KeyPath = tuple[str | int, ...]
MOST_MISTAKES = 100


@dataclass(frozen=True)
class Mistake:
    """A problem and the path of its key."""

    path: KeyPath
    problem: Problem


S = TypeVar("S", bound=Section)
M = TypeVar("M", bound=BaseModel)


class _Invalid:
    """Placeholder for an invalid nested value, whose errors are already reported."""


_INVALID = _Invalid()


class Validator:
    """Creates instances from nodes and collects problems.

    unloaded_code: files listed under `code` that were not run, for the hint at an unknown name.
    """

    def __init__(self, unloaded_code: tuple[str, ...] = ()) -> None:
        self.mistakes: list[Mistake] = []
        self.unloaded_code = unloaded_code
        self.picked: dict[str, type[Component]] = {}
        self.finetuning = False

    @property
    def full(self) -> bool:
        """Whether enough problems were found; bounds the time for a hostile config."""
        return len(self.mistakes) >= MOST_MISTAKES

    def section(self, cls: type[S], node: Node, path: KeyPath, place: Place) -> S | _Invalid:
        """An instance of this section, or a placeholder if it is invalid.

        place: where to report a missing key.
        """
        if cls.bare is not None:
            node = as_map(node, cls.bare)
        if not node.is_map:
            from bmcli.config.parsing import shorthand

            what = f"the {cls.bare}, or keys and values" if cls.bare is not None else "keys and values"
            self._add(
                path,
                f"expected {what}, found {messages.found(node)}",
                node.place,
                shorthand.of_map(cls, node),
            )
            return _INVALID
        values: dict[str, object] = {}
        nodes = dict(node.value)
        if cls is DataConfig and "name" in nodes:
            nodes = self._take_dataset(node, nodes, path, values)
        if cls is PreprocessingConfig:
            self._take_modalities(node, nodes, path, values)
        if cls is TrainingConfig:
            self.finetuning = "finetune" in nodes
        for key, child in nodes.items():
            values[key] = self._field(cls, key, child, (*path, key), node.key_place(key))
        for key in cls.model_fields:
            if key not in values:
                self._fill(cls, key, values, (*path, key), place)
        return self._instance(cls, values, replace(node, value=nodes), path, place)

    def component(self, chosen: Chosen, node: Node, path: KeyPath) -> object:
        """The component picked by name, with its options."""
        if self.full:
            return _INVALID
        node = as_map(node)
        if not node.is_map or (name_elsewhere := _named_elsewhere(chosen, node)) is not None:
            from bmcli.config.parsing import shorthand

            noun = messages.with_article(chosen.kind)
            what = f"expected the name of {noun}, or its name and options"
            hint = name_elsewhere if node.is_map else shorthand.of_component(chosen, node)
            self._add(path, f"{what}, found {messages.found(node)}", node.place, hint)
            return _INVALID
        name = node.value.get("name")
        if name is None and self.finetuning and chosen.finetuning:
            default = {key: Node(value, node.place, node.folder) for key, value in chosen.finetuning}
            node = replace(node, value={**default, **node.value})
            name = node.value["name"]
        options = replace(node, value={k: v for k, v in node.value.items() if k != "name"})
        if name is None and chosen.default is not None:
            name = Node(chosen.default, node.place, node.folder)
        cls = self._class(chosen.kind, name, node.place, (*path, "name"))
        if cls is None:
            return _INVALID
        self.picked[".".join(map(str, path))] = cls
        return self._options(cls, options, path, name.place if name is not None else node.place)

    def _options(self, cls: type[Options], node: Node, path: KeyPath, place: Place) -> object:
        # `null` restores the default; under an unknown key it is an error like any other value.
        given = {
            key: child
            for key, child in node.value.items()
            if child.value is not None or key not in cls.model_fields
        }
        values = {
            key: as_declared(cls, key, child) if isinstance(key, str) else child.plain()
            for key, child in given.items()
        }
        return self._instance(cls, values, replace(node, value=given), path, place)

    def _class(self, kind: str, name: Node | None, place: Place, path: KeyPath) -> type[Component] | None:
        registry = registry_of(kind)
        if name is None:
            self._add(
                path, f"'name' is missing: the {kind} to use", place, f"known: {', '.join(registry.names())}"
            )
            return None
        if not isinstance(name.value, str):
            self._add(
                path,
                f"expected the name of {messages.with_article(kind)}, found {messages.found(name)}",
                name.place,
            )
            return None
        try:
            return registry.get(name.value)
        except UsageError as error:
            from bmcli.config.parsing import shorthand

            hint = shorthand.of_name(kind, name) or error.hint
            if self.unloaded_code:
                files = ", ".join(Path(file).name for file in self.unloaded_code)
                hint = f"it may be defined in {files} (code:), which was not run"
            self._add(path, error.message, name.place, hint)
            return None

    def _take_dataset(
        self, node: Node, nodes: dict[str | int, Node], path: KeyPath, values: dict[str, object]
    ) -> dict[str | int, Node]:
        """Create `data.name` with its options; returns the keys left for `DataConfig` itself."""
        own = set(DataConfig.model_fields)
        name = nodes.pop("name")
        if name.is_map:
            self._add(
                (*path, "name"),
                "expected the name of a dataset; its options are other keys of data",
                name.place,
            )
            values["name"] = _INVALID
            return nodes
        cls = self._class("dataset", name, name.place, (*path, "name"))
        if cls is None:
            values["name"] = _INVALID
            # The options of an unknown dataset cannot be checked.
            return {key: child for key, child in nodes.items() if key in own}
        for clash in own & set(cls.model_fields):
            message = f"dataset '{name.value}' has an option '{clash}', which is already a key of data"
            self._add((*path, "name"), message, name.place, "rename the option")
        mine = {key: child for key, child in nodes.items() if key in cls.model_fields and key not in own}
        options = replace(node, value=mine)
        values["name"] = self._options(cls, options, path, name.place)
        known = [*own, *cls.model_fields]
        for key in [key for key in nodes if key not in own and key not in mine]:
            if not self.full:
                from bmcli.config.parsing import explanations

                mistake = explanations.unknown_key((*path, key), key, node, known, self.picked)
                self.mistakes.append(mistake)
            del nodes[key]
        return {key: child for key, child in nodes.items() if key not in mine}

    def _take_modalities(
        self, node: Node, nodes: dict[str | int, Node], path: KeyPath, values: dict[str, object]
    ) -> None:
        """Create the options of modalities that are not bm's own, and take their keys out of `nodes`."""
        for key in [key for key in nodes if key not in PreprocessingConfig.model_fields]:
            child = nodes.pop(key)
            section = section_of(key)
            if section is None:
                self._unknown_modality((*path, key), key, node)
            elif child.value is not None and not child.is_map:
                message = f"expected keys and values, found {messages.found(child)}"
                self._add((*path, key), message, child.place)
            elif child.value is not None:
                values[str(key)] = self._options(section, child, (*path, key), child.place)

    def _unknown_modality(self, path: KeyPath, key: str | int, node: Node) -> None:
        if self.full:
            return
        from bmcli.config.parsing import explanations

        known = [*PreprocessingConfig.model_fields, *sections()]
        mistake = explanations.unknown_key(path, key, node, known, self.picked)
        if self.unloaded_code:
            files = ", ".join(Path(file).name for file in self.unloaded_code)
            hint = f"it may belong to a modality defined in {files} (code:), which was not run"
            mistake = replace(mistake, problem=replace(mistake.problem, hint=hint))
        self.mistakes.append(mistake)

    def _field(self, cls: type[Section], key: object, node: Node, path: KeyPath, place: Place) -> object:
        shape = shape_of(cls, key) if isinstance(key, str) else Shape()
        if shape.many:
            if not node.is_list:
                from bmcli.config.parsing import shorthand

                hint = shorthand.of_list(shape, node)
                self._add(path, f"expected a list, found {messages.found(node)}", node.place, hint)
                return _INVALID
            return [self._shaped(shape, item, (*path, i), item.place) for i, item in enumerate(node.value)]
        if shape.section is None and shape.chosen is None:
            return as_declared(cls, key, node) if isinstance(key, str) else node.plain()
        return self._shaped(shape, node, path, place)

    def _shaped(self, shape: Shape, node: Node, path: KeyPath, place: Place) -> object:
        if shape.chosen is not None:
            return self.component(shape.chosen, node, path)
        if shape.section is not None:
            return self.section(shape.section, node, path, place)
        return node.plain()

    def _fill(
        self, cls: type[Section], key: str, values: dict[str, object], path: KeyPath, place: Place
    ) -> None:
        """Defaults that pydantic cannot express: components by name, sections of defaults."""
        shape = shape_of(cls, key)
        if shape.many or not cls.model_fields[key].is_required():
            return
        empty = Node({}, place, "")
        if shape.chosen is not None and shape.chosen.default is not None:
            values[key] = self.component(shape.chosen, empty, path)
        elif shape.section is not None and shape.section is not DataConfig:
            values[key] = self.section(shape.section, empty, path, place)

    def _instance(
        self,
        cls: type[M],
        values: Mapping[str, object] | Mapping[object, object],
        node: Node,
        path: KeyPath,
        place: Place,
    ) -> M | _Invalid:
        try:
            return cls.model_validate({str(key): value for key, value in values.items()}, strict=True)
        except ValidationError as error:
            from bmcli.config.parsing import explanations

            errors = error.errors(include_url=False, include_context=False)[: 4 * MOST_MISTAKES]
            told = [one for one in errors if one["input"] is not _INVALID]
            self.mistakes += explanations.explain(cls, told, node, path, place, self.picked)
            return _INVALID

    def _add(self, path: KeyPath, message: str, place: Place, hint: str | None = None) -> None:
        self.mistakes.append(Mistake(path, Problem(message, place, hint)))


def _named_elsewhere(chosen: Chosen, node: Node) -> str | None:
    """For a component not named by `name`, such as `{adam: {learning_rate: 0.1}}` or `{type: adam}`."""
    named = node.value.get("name") is not None
    registry = registry_of(chosen.kind)
    own = registry.get(chosen.default).model_fields if chosen.default is not None else {}
    for key, child in node.value.items():
        if key in own or not isinstance(key, str):
            continue
        rest = {name: one.plain() for name, one in node.value.items() if name not in (key, "name")}
        if key in registry and (child.is_map or child.value in (None, True)):
            inner = child.plain() if child.is_map else {}
            return _written({"name": key, **inner, **rest}, node)
        if not named and isinstance(child.value, str) and child.value in registry and key in _NAMES_OF_NAME:
            return _written({"name": child.value, **rest}, node)
    return None


def _written(value: dict[str, object], node: Node) -> str:
    from bmcli.config.parsing import corrections

    return corrections.write([dump.inline(value)], node)


_NAMES_OF_NAME = (
    "type",
    "kind",
    "class",
    "id",
    "_target_",
    "class_name",
    "optimizer",
    "model",
    "schedule",
    "method",
)
"""Keys that other programs use instead of `name`."""
