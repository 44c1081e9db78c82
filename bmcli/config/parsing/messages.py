"""Describes in words what a key accepts, and what was found instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bmcli.config.parsing.yaml import Node

JsonSchema = Mapping[str, Any]

_MANY = {
    "a whole number": "whole numbers",
    "a number": "numbers",
    "text": "texts",
    "true or false": "true or false",
    "a list": "lists",
    "a map": "maps",
}


def expected(schema: JsonSchema) -> str:
    """What a JSON Schema requires: 'a whole number of at least 1', 'max, average or none'."""
    options = [_one(option) for option in alternatives(schema)]
    return either([text for text in dict.fromkeys(options) if text])


def alternatives(schema: JsonSchema) -> list[JsonSchema]:
    """The schemas of a union, one by one; without null, which only means 'the default'."""
    nested = schema.get("anyOf") or schema.get("oneOf")
    found = [inner for option in nested for inner in alternatives(option)] if nested else [schema]
    return [option for option in found if option.get("type") != "null"]


def choices(schema: JsonSchema) -> list[str]:
    """The fixed values that it allows, as they are written."""
    values = [
        value
        for option in alternatives(schema)
        for value in option.get("enum", [option["const"]] if "const" in option else [])
    ]
    return [as_written(value) for value in values]


def either(words: list[str]) -> str:
    """'a', 'a or b', 'a, b or c'."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1] if words else "a value"


def as_written(value: object) -> str:
    """A value as YAML spells it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else _short(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_written(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_written(item)}" for key, item in value.items()) + "}"
    return str(value)


def _short(value: float) -> str:
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e+")


def found(node: Node) -> str:
    """The value found, shortened: '"ten"', '1.5', 'a list', 'an empty text'."""
    if node.is_map:
        return "a map" if node.value else "an empty map"
    if node.is_list:
        return "a list" if node.value else "an empty list"
    if isinstance(node.value, str):
        text = shortened(node.value).replace("\n", "\\n")
        return f'"{text}"' if text else "an empty text"
    return node.text if node.value is not None and node.text else as_written(node.value)


def shortened(text: str) -> str:
    """At most 60 characters of it."""
    return text if len(text) <= 60 else text[:57] + "..."


def _one(schema: JsonSchema) -> str:
    if allowed := choices(schema):
        return either(allowed)
    kind = schema.get("type")
    if kind == "integer":
        return "a whole number" + _bounds(schema)
    if kind == "number":
        return "a number" + _bounds(schema)
    if kind == "boolean":
        return "true or false"
    if kind == "array":
        return _list(schema)
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"a map from names to {many(values)}" if isinstance(values, Mapping) else "a map"
    if kind == "string":
        return _text(schema)
    return ""


def many(schema: JsonSchema) -> str:
    """The plural of `expected`: 'whole numbers of at least 1'."""
    words = []
    for option in alternatives(schema):
        singular = _one(option)
        head = next((head for head in _MANY if singular.startswith(head)), None)
        words.append(_MANY[head] + singular[len(head) :] if head else singular)
    return either([word for word in dict.fromkeys(words) if word] or ["values"])


def _list(schema: JsonSchema) -> str:
    items = schema.get("prefixItems")
    if items:
        return f"a list of {len(items)} {many(items[0])}"
    inner = schema.get("items")
    least = schema.get("minItems")
    of = f" of {many(inner)}" if isinstance(inner, Mapping) and inner else ""
    if least is not None and least == schema.get("maxItems"):
        return f"a list of {least}{of.removeprefix(' of')}"
    return f"a list{of}" + (", not empty" if least == 1 else f", at least {least} long" if least else "")


def _text(schema: JsonSchema) -> str:
    least, most, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    if least == most == 1:
        return "a single character"
    if pattern == r"^[a-z0-9][a-z0-9._-]*$":
        return "a name of lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit"
    if pattern:
        return f"text that matches {pattern}"
    return f"text of at most {most} characters" if most else "text"


def _bounds(schema: JsonSchema) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {as_written(low)} to {as_written(high)}"
    words = []
    if low is not None:
        words.append(f"of at least {as_written(low)}")
    if above is not None:
        words.append(f"above {as_written(above)}")
    if high is not None:
        words.append(f"of at most {as_written(high)}" if not words else f"at most {as_written(high)}")
    if below is not None:
        words.append(f"below {as_written(below)}")
    return " " + " and ".join(words) if words else ""


def with_article(noun: str) -> str:
    """'a model', 'an optimizer'."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
