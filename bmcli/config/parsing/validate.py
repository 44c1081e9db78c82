"""Turns a tree of located values into typed ones, and reports every mistake at its place.

Sections and components are validated one by one, from the inside out, because each has its own class; the
outer one then gets finished instances. Nothing is converted silently: "10" is not a number, 1.0 is not a
whole number, true is not 1.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from bmcli.config.parsing import corrections, foreign_names, messages, shorthand
from bmcli.config.parsing.coerce import as_declared
from bmcli.config.parsing.merge import Shape, as_map, shape_of
from bmcli.config.parsing.paths import KeyPath, along, key_text, keys_at, schema_at, step_to
from bmcli.config.parsing.yaml import Node
from bmcli.config.schema import Chosen, DataConfig, ExperimentConfig, PreprocessingConfig, Section
from bmcli.core.component import Component, Options
from bmcli.core.errors import Place, PluginError, Problem, UsageError, did_you_mean
from bmcli.core.registry import known_modalities, registry_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_MISTAKES = 100
FIRST_KEYS = ("extends",)
"""Top-level keys that are consumed before validation, for 'did you mean'."""


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
            nodes = self._take_modalities(node, nodes, path, values)
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
        if not node.is_map or (name_elsewhere := shorthand.named_elsewhere(chosen, node)) is not None:
            noun = messages.with_article(chosen.kind)
            what = f"expected the name of {noun}, or its name and options"
            hint = name_elsewhere if node.is_map else shorthand.of_component(chosen, node)
            self._add(path, f"{what}, found {messages.found(node)}", node.place, hint)
            return _INVALID
        options = replace(node, value={k: v for k, v in node.value.items() if k != "name"})
        name = node.value.get("name")
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
                self._unknown((*path, key), key, node, known)
            del nodes[key]
        return {key: child for key, child in nodes.items() if key not in mine}

    def _take_modalities(
        self, node: Node, nodes: dict[str | int, Node], path: KeyPath, values: dict[str, object]
    ) -> dict[str | int, Node]:
        """Create the options of modalities that are not bm's own; returns the keys left for
        `PreprocessingConfig` itself."""
        own = PreprocessingConfig.model_fields
        for key in [key for key in nodes if key not in own]:
            child = nodes.pop(key)
            section = _section_of(key)
            if section is None:
                known, hint = [*own, *sections_of_modalities()], None
                if self.unloaded_code:
                    files = ", ".join(Path(file).name for file in self.unloaded_code)
                    hint = f"it may belong to a modality defined in {files} (code:), which was not run"
                if not self.full:
                    self._unknown((*path, key), key, node, known, hint)
            elif child.value is not None and not child.is_map:
                message = f"expected keys and values, found {messages.found(child)}"
                self._add((*path, key), message, child.place)
            elif child.value is not None:
                values[str(key)] = self._options(section, child, (*path, key), child.place)
        return nodes

    def _field(self, cls: type[Section], key: object, node: Node, path: KeyPath, place: Place) -> object:
        shape = shape_of(cls, key) if isinstance(key, str) else Shape()
        if shape.many:
            if not node.is_list:
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
            self._explain(cls, error, node, path, place)
            return _INVALID

    def _explain(
        self, cls: type[BaseModel], error: ValidationError, node: Node, path: KeyPath, place: Place
    ) -> None:
        details: dict[KeyPath, list[ErrorDetails]] = {}
        for detail in error.errors(include_url=False, include_context=False)[: 4 * MOST_MISTAKES]:
            if detail["input"] is not _INVALID:
                details.setdefault(along(node, detail["loc"], detail["type"]), []).append(detail)
        for at, found in list(details.items())[:MOST_MISTAKES]:
            # For a union, every branch reports errors; the branch that got furthest was probably meant.
            if any(other != at and other[: len(at)] == at for other in details) and at:
                continue
            missing = (one for one in found if one["type"] == "missing" and len(one["loc"]) > len(at) > 0)
            first = next(missing, found[0])
            self._explain_one(cls, at, first, node, path, place, len(found) > 1)

    def _explain_one(
        self,
        cls: type[BaseModel],
        at: KeyPath,
        detail: ErrorDetails,
        node: Node,
        path: KeyPath,
        place: Place,
        is_union: bool,
    ) -> None:
        kind = detail["type"]
        here = (*path, *at)
        if kind == "missing" and len(detail["loc"]) == 1:
            self._missing(cls, here, place)
        elif kind == "missing" and step_to(node, at).is_map:
            self._add(here, f"'{detail['loc'][-1]}' is missing", step_to(node, at).place)
        elif kind == "extra_forbidden":
            parent = step_to(node, at[:-1])
            key = at[-1]
            known = list(cls.model_fields) if len(at) == 1 else keys_at(cls, at[:-1])
            self._unknown(here, key, parent, known)
        elif kind in ("value_error", "assertion_error") and not is_union:
            target = step_to(node, at)
            message = str(detail["msg"]).partition(", ")[2] or str(detail["msg"])
            self._add(here, message, target.place if at else place)
        else:
            schema = schema_at(cls, at)
            target = step_to(node, at)
            key = "type" if at[:1] == ("columns",) else str(at[-1]) if at else ""
            what = messages.expected(schema)
            message = f"expected {what}, found {messages.found(target)}"
            if what == "a value":
                message = f"{detail['msg']}, found {messages.found(target)}"
            self._add(here, message, target.place, corrections.hint(schema, target, key))

    def _missing(self, cls: type[BaseModel], path: KeyPath, place: Place) -> None:
        key = str(path[-1])
        field = cls.model_fields[key]
        what = f": {field.description}" if field.description else ""
        self._add(path, f"'{key}' is missing{what}", place)

    def _unknown(
        self, path: KeyPath, key: object, parent: Node, known: list[str], hint: str | None = None
    ) -> None:
        every = [*known, *FIRST_KEYS] if len(path) == 1 else known
        listed = f"known: {', '.join(sorted(every))}" if every else "it takes no options"
        hint = (
            hint
            or shorthand.decimal_comma(parent, key)
            or self._elsewhere(str(key), parent.value[key], every)
            or did_you_mean(str(key), every)
            or listed
        )
        self._add(path, f"unknown key '{key_text(parent, key)}'", parent.key_place(key), hint)

    def _elsewhere(self, key: str, node: Node, known: list[str]) -> str | None:
        """'did you mean data.task?' for a key that belongs elsewhere, or in two places; else None."""
        places = _places_of(key) or [
            f"{path}.{key}" for path, cls in self.picked.items() if key in cls.model_fields
        ]
        if (
            not places
            and did_you_mean(key, known) is None
            and (place := foreign_names.key_of(key)) is not None
        ):
            places = [place]
        if not 1 <= len(places) <= 2:
            return None
        if type(node.value) in (int, float):  # early_stopping=3 is its patience
            from bmcli.config.reference.json_schema import sections

            found = dict(sections())
            usual = {place: next(iter(found[place].usual)) for place in places if place in found}
            places = [f"{place}.{usual[place]}" if place in usual else place for place in places]
        if corrections.on_command_line(node) and "=" in node.place.file:
            value = node.place.file.partition("=")[2]
            if not value.endswith("..."):  # shortened for the message
                return f"write {messages.either([shlex.quote(f'{place}={value}') for place in places])}"
        told = [place if "." in place else f"{place} at the top level" for place in places]
        return f"did you mean {messages.either(told)}?"

    def _add(self, path: KeyPath, message: str, place: Place, hint: str | None = None) -> None:
        self.mistakes.append(Mistake(path, Problem(message, place, hint)))


def sections_of_modalities() -> dict[str, type[Options]]:
    """Name -> the options of each modality that is not bm's own and has some; without those of plugins that
    cannot be imported, as somebody else's package must not hide all others."""
    found: dict[str, type[Options]] = {}
    for name in known_modalities().names():
        with suppress(PluginError):
            section = None if name in PreprocessingConfig.model_fields else _section_of(name)
            found |= {} if section is None else {name: section}
    return found


def _section_of(key: object) -> type[Options] | None:
    registry = known_modalities()
    return registry.get(key).section if isinstance(key, str) and key in registry.names() else None


@cache
def _places_of(key: str) -> list[str]:
    """Every path in the config that ends in that key."""
    return [place for place in _places(ExperimentConfig) if place.split(".")[-1] == key]


def _places(section: type[Section], before: str = "") -> Iterator[str]:
    """The paths of all keys, including the options of default components."""
    for key in section.model_fields:
        yield f"{before}{key}"
        shape = shape_of(section, key)
        if shape.many:
            continue
        if shape.section is not None:
            yield from _places(shape.section, f"{before}{key}.")
        elif shape.chosen is not None and shape.chosen.default is not None:
            options = registry_of(shape.chosen.kind).get(shape.chosen.default).model_fields
            yield from (f"{before}{key}.{option}" for option in options)
