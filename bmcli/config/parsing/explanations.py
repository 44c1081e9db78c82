"""Explains why a value is invalid: what was expected, what was found, and what was probably meant.

Loaded only for a config with a mistake.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from pydantic import BaseModel

from bmcli.config.parsing import corrections, foreign_names, messages, shorthand
from bmcli.config.parsing.merge import shape_of
from bmcli.config.parsing.validate import MOST_MISTAKES, KeyPath, Mistake
from bmcli.config.parsing.yaml import Node
from bmcli.config.schema import ExperimentConfig, Section
from bmcli.core.component import Component
from bmcli.core.errors import Place, Problem, did_you_mean
from bmcli.core.registry import registry_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FIRST_KEYS = ("extends",)
"""Top-level keys that are consumed before validation, for 'did you mean'."""


def explain(
    cls: type[BaseModel],
    errors: Iterable[ErrorDetails],
    node: Node,
    path: KeyPath,
    place: Place,
    picked: Mapping[str, type[Component]],
) -> Iterator[Mistake]:
    """The mistakes behind pydantic's errors about a map, at most one for each key.

    path, place: of the map. picked: path -> the component chosen there, for keys that belong elsewhere.
    """
    details: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in errors:
        details.setdefault(_along(node, detail["loc"], detail["type"]), []).append(detail)
    for at, found in list(details.items())[:MOST_MISTAKES]:
        # For a union, every branch reports errors; the branch that got furthest was probably meant.
        if any(other != at and other[: len(at)] == at for other in details) and at:
            continue
        missing = (one for one in found if one["type"] == "missing" and len(one["loc"]) > len(at) > 0)
        detail = next(missing, found[0])
        here = (*path, *at)
        if detail["type"] == "extra_forbidden":
            known = list(cls.model_fields) if len(at) == 1 else _keys_at(cls, at[:-1])
            yield unknown_key(here, at[-1], _step(node, at[:-1]), known, picked)
        else:
            target = node if detail["type"] == "missing" and len(detail["loc"]) == 1 else _step(node, at)
            yield Mistake(here, _problem(cls, at, detail, target, place, len(found) > 1))


def _problem(
    cls: type[BaseModel], at: KeyPath, detail: ErrorDetails, target: Node, place: Place, is_union: bool
) -> Problem:
    """target: the value at fault. place: where to report a missing key."""
    kind = detail["type"]
    if kind == "missing" and len(detail["loc"]) == 1:
        key = str(at[-1])
        description = cls.model_fields[key].description
        return Problem(f"'{key}' is missing{f': {description}' if description else ''}", place)
    if kind == "missing" and target.is_map:
        return Problem(f"'{detail['loc'][-1]}' is missing", target.place)
    if kind in ("value_error", "assertion_error") and not is_union:
        message = str(detail["msg"]).partition(", ")[2] or str(detail["msg"])
        return Problem(message, target.place if at else place)
    schema = _schema_at(cls, at)
    key = "type" if at[:1] == ("columns",) else str(at[-1]) if at else ""
    what = messages.expected(schema)
    message = f"expected {what}, found {messages.found(target)}"
    if what == "a value":
        message = f"{detail['msg']}, found {messages.found(target)}"
    return Problem(message, target.place, corrections.hint(schema, target, key))


def unknown_key(
    path: KeyPath,
    key: object,
    parent: Node,
    known: list[str],
    picked: Mapping[str, type[Component]],
) -> Mistake:
    """The mistake of a key that the map does not have, with the key that was probably meant."""
    every = [*known, *FIRST_KEYS] if len(path) == 1 else known
    listed = f"known: {', '.join(sorted(every))}" if every else "it takes no options"
    hint = (
        shorthand.decimal_comma(parent, key)
        or _elsewhere(str(key), parent.value[key], every, picked)
        or did_you_mean(str(key), every)
        or listed
    )
    return Mistake(path, Problem(f"unknown key '{_key_text(parent, key)}'", parent.key_place(key), hint))


def _elsewhere(key: str, node: Node, known: list[str], picked: Mapping[str, type[Component]]) -> str | None:
    """'did you mean data.task?' for a key that belongs elsewhere, or in two places; else None."""
    places = _places_of(key) or [f"{path}.{key}" for path, cls in picked.items() if key in cls.model_fields]
    if not places and did_you_mean(key, known) is None and (place := foreign_names.key_of(key)) is not None:
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


def _along(node: Node, location: tuple[str | int, ...], kind: str) -> KeyPath:
    """The part of a pydantic location that is a path in the tree, without union branches."""
    path: list[str | int] = []
    for step in location:
        if node.is_map:
            key = next((key for key in node.value if str(key) == step or _key_text(node, key) == step), None)
            if key is not None:
                path.append(key)
                node = node.value[key]
            elif kind in ("missing", "extra_forbidden") and len(location) == 1:
                path.append(step)
        elif node.is_list and isinstance(step, int) and step < len(node.value):
            path.append(step)
            node = node.value[step]
    return tuple(path)


def _key_text(node: Node, key: object) -> str:
    return node.keys[key].text if key in node.keys else str(key)


def _step(node: Node, path: KeyPath) -> Node:
    for key in path:
        node = node.value[key]
    return node


def _keys_at(cls: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys of a map below the class; none if it accepts any, or is not a map."""
    options = messages.alternatives(_schema_at(cls, path))
    definitions = cls.model_json_schema().get("$defs", {})
    every = [definitions.get(str(one.get("$ref", "")).rpartition("/")[2], one) for one in options]
    return [key for one in every for key in one.get("properties", {})]


def _schema_at(cls: type[BaseModel], path: KeyPath) -> Mapping[str, object]:
    """The JSON Schema at this path below the class."""
    whole = cls.model_json_schema()
    definitions = whole.get("$defs", {})
    schema: Mapping[str, object] = whole
    for key in path:
        found: list[Mapping[str, object]] = []
        for option in messages.alternatives(schema):
            option = definitions.get(str(option.get("$ref", "")).rpartition("/")[2], option)
            if isinstance(key, int) and option.get("type") == "array":
                prefix = option.get("prefixItems", [])
                inner = prefix[key] if key < len(prefix) else option.get("items")
            else:
                inner = option.get("properties", {}).get(str(key), option.get("additionalProperties"))
            if isinstance(inner, Mapping):
                found.append(inner)
        schema = {"anyOf": found} if len(found) != 1 else found[0]
    if "$ref" in schema:
        schema = definitions.get(str(schema["$ref"]).rpartition("/")[2], schema)
    return schema
