"""Paths in a config: from where pydantic found a mistake to the node that was written, and its schema."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from bmcli.config.parsing import messages
from bmcli.config.parsing.yaml import Node

KeyPath = tuple[str | int, ...]


def along(node: Node, location: tuple[str | int, ...], kind: str) -> KeyPath:
    """The part of a pydantic location that is a path in the tree, without union branches."""
    path: list[str | int] = []
    for step in location:
        if node.is_map:
            key = next((key for key in node.value if str(key) == step or key_text(node, key) == step), None)
            if key is not None:
                path.append(key)
                node = node.value[key]
            elif kind in ("missing", "extra_forbidden") and len(location) == 1:
                path.append(step)
        elif node.is_list and isinstance(step, int) and step < len(node.value):
            path.append(step)
            node = node.value[step]
    return tuple(path)


def key_text(node: Node, key: object) -> str:
    return node.keys[key].text if key in node.keys else str(key)


def step_to(node: Node, path: KeyPath) -> Node:
    for key in path:
        node = node.value[key]
    return node


def keys_at(cls: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys of a map below the class; none if it accepts any, or is not a map."""
    options = messages.alternatives(schema_at(cls, path))
    definitions = cls.model_json_schema().get("$defs", {})
    every = [definitions.get(str(one.get("$ref", "")).rpartition("/")[2], one) for one in options]
    return [key for one in every for key in one.get("properties", {})]


def schema_at(cls: type[BaseModel], path: KeyPath) -> Mapping[str, object]:
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
