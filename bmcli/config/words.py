"""Plain words for what a key takes, and for what was found instead."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bmcli.errors import did_you_mean

if TYPE_CHECKING:
    from bmcli.config.yaml import Node

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
    """What a JSON Schema asks for: 'a whole number of at least 1', 'max, average or none'."""
    options = [_one(option) for option in alternatives(schema)]
    return either([text for text in dict.fromkeys(options) if text])


def alternatives(schema: JsonSchema) -> list[JsonSchema]:
    """The schemas of a union, one by one; without null, which only means 'the default'."""
    nested = schema.get("anyOf") or schema.get("oneOf")
    found = [inner for option in nested for inner in alternatives(option)] if nested else [schema]
    return [option for option in found if option.get("type") != "null"]


def choices(schema: JsonSchema) -> list[str]:
    """The fixed values it allows, as they are written."""
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
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:g}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_written(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_written(item)}" for key, item in value.items()) + "}"
    return str(value)


def found(node: Node) -> str:
    """What stands there, shortened: '"ten"', '1.5', 'a list', 'an empty text'."""
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


def hint(schema: JsonSchema, node: Node) -> str | None:
    """What the writer may have meant, where that can be told."""
    kinds = {option.get("type") for option in alternatives(schema)}
    value = node.value
    allowed = choices(schema)
    if isinstance(value, str):
        if "boolean" in kinds and value.lower() in ("yes", "on", "y", "no", "off", "n"):
            return f"write {'true' if value.lower() in ('yes', 'on', 'y') else 'false'}"
        if {"integer", "number"} & kinds and (meant := _meant_number(value, whole="number" not in kinds)):
            return meant
        if allowed and (close := did_you_mean(value, allowed)):
            return close
    if isinstance(value, float) and "integer" in kinds and "number" not in kinds and value.is_integer():
        return f"write {int(value)}"
    if "string" in kinds and not allowed and isinstance(value, bool | int | float):
        return "put it in quotes if it is text"
    if kinds == {"array"} and not node.is_map and not node.is_list:
        return f"write [{node.text}]"
    return None


_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
"""As '1,000' or '12,345.6': a comma before every three digits."""


def _meant_number(text: str, *, whole: bool) -> str | None:
    """'write 0.1, with a point' for a number that is not written as YAML has it; None where it may be none.

    whole: only whole numbers are wanted.
    """
    if _is_number(text):
        return f"write {text}, without quotes"
    if re.fullmatch(r"[-+]?\d+(_\d+)+(\.\d+)?", text) or _THOUSANDS.fullmatch(text):
        bare = text.replace("_", "").replace(",", "")
        if whole or "_" in text or "." in text or text.count(",") > 1:
            return f"write {bare}, without separators"
        return f"write {bare}, or {text.replace(',', '.')} if that is meant"
    point = text.replace(",", ".")
    if not whole and text.count(",") == 1 and "." not in text and _is_number(point):
        return f"write {point}, with a point"
    return None


def _is_number(text: str) -> bool:
    """Whether YAML reads it as a finite number."""
    from bmcli.config.yaml import plain_scalar

    try:
        value = plain_scalar(text)
    except ValueError:  # of absurdly many digits
        return False
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


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
        return "a name of small letters, digits, '.', '_' and '-', beginning with a letter or digit"
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
