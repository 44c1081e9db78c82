"""Suggestions to replace a wrong value: only values that the key accepts and that mean the same.

Users follow hints such as 'write 0.1' for `0,1`. So every suggestion is parsed as YAML and validated against
the key's schema first, and if a text is ambiguous, both meanings are shown.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from bmcli.config.parsing import foreign_names
from bmcli.config.parsing.messages import JsonSchema, alternatives, as_written, choices, either
from bmcli.config.problems import COMMAND_LINE
from bmcli.core.errors import did_you_mean

if TYPE_CHECKING:
    from bmcli.config.parsing.yaml import Node

_TRUE = ("yes", "on", "y", "t", "true", "1")
_FALSE = ("no", "off", "n", "f", "false", "0")
_NOTHING = ("none", "nil", "null", "n/a", "default")
_SIDES = re.compile(r"(\d+)\s*[x×X*]\s*(\d+)")
_POWER = re.compile(r"(?:1\s*[*·×]\s*)?10\s*(?:\^|\*\*)\s*([-+]?\d+)")
_LARGEST = 10**15
"""Above this, a float no longer identifies the whole number that was meant."""


def hint(schema: JsonSchema, node: Node, key: str = "") -> str | None:
    """'write 0.1, with a point', or None if there is no suggestion.

    schema: of the key. key: its name, for words with a meaning only there.
    """
    written = node.text.strip() if not (node.is_map or node.is_list) else ""
    if meant := foreign_names.VALUES.get(key, {}).get(written.lower()):
        fitting = [text for text in meant if fits(schema, text)]
        if fitting:
            return f"did you mean {either(fitting)}?"
    for texts, remark in _readings(schema, node):
        fitting = [text for text in dict.fromkeys(texts) if fits(schema, text)]
        if fitting:
            return write(fitting, node, remark)
    if isinstance(node.value, str):
        if (allowed := choices(schema)) and (close := did_you_mean(node.value, allowed)):
            return close
        if written.lower() in _NOTHING and schema.get("default") is not None:
            return f"leave it out for the default, {as_written(schema['default'])}"
        from bmcli.config.parsing.merge import legal_name

        if key == "name" and (legal := legal_name(node.value)) != node.value and fits(schema, legal):
            return f"for example {legal}"
    return None


def write(texts: Iterable[str], node: Node, remark: str = "") -> str:
    """'write A', 'write A or B'. On the command line, in quotes if the shell needs them."""
    given = [quoted(text, node) for text in texts]
    if remark.startswith(", or "):
        return f"write {given[0]}" + (f", or {given[1]} if that is meant" if len(given) > 1 else "")
    return f"write {' or '.join(given)}{remark if len(given) == 1 else ''}"


def quoted(text: str, node: Node) -> str:
    """As it is typed: on the command line, in quotes if the shell needs them."""
    return shlex.quote(text) if on_command_line(node) else text


def on_command_line(node: Node) -> bool:
    """Whether it was given as KEY=VALUE."""
    return node.place.file.startswith(COMMAND_LINE)


def fits(schema: JsonSchema, text: str) -> bool:
    """Whether YAML reads this text as a value that the key accepts."""
    return accepts(schema, _read(text))


def accepts(schema: JsonSchema, value: object) -> bool:
    """Whether the key accepts the value, as strictly as validation: no text for a number, no 1.0 for 1."""
    if value is None:
        # `null` restores the default, so it only means 'none' if that is the default.
        return "default" in schema and schema["default"] is None
    return any(_accepts(option, value) for option in alternatives(schema))


def _accepts(schema: JsonSchema, value: object) -> bool:
    if "enum" in schema or "const" in schema:
        allowed = schema.get("enum", [schema.get("const")])
        return any(type(one) is type(value) and one == value for one in allowed)
    kind = schema.get("type")
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind in ("integer", "number"):
        number = isinstance(value, int) or (kind == "number" and isinstance(value, float))
        return number and _within(schema, value)  # type: ignore[arg-type]
    if kind == "string":
        return isinstance(value, str) and _is_text(schema, value)
    if kind == "array":
        return isinstance(value, list) and _is_list(schema, value)
    if kind == "object":
        inner = schema.get("additionalProperties")
        return (
            isinstance(value, dict)
            and isinstance(inner, Mapping)
            and all(isinstance(key, str) and accepts(inner, one) for key, one in value.items())
        )
    return False


def _within(schema: JsonSchema, value: float) -> bool:
    return (
        math.isfinite(value)
        and value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    )


def _is_text(schema: JsonSchema, value: str) -> bool:
    least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
    pattern = schema.get("pattern")
    return least <= len(value) <= most and (pattern is None or re.search(pattern, value) is not None)


def _is_list(schema: JsonSchema, value: list[object]) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    prefix = schema.get("prefixItems", [])
    every = [prefix[i] if i < len(prefix) else schema.get("items", {}) for i in range(len(value))]
    return all(accepts(inner, one) for inner, one in zip(every, value, strict=True))


def _read(text: str) -> object:
    """The value of this text in YAML, or the text itself if it is not valid YAML."""
    from bmcli.config.parsing.yaml import parse
    from bmcli.core.errors import ConfigError

    try:
        return parse(text, "", "").plain()
    except ConfigError:
        return text


Reading = tuple[list[str], str]
"""What to write, with a remark such as ', without quotes'. ', or ' separates two meanings."""


def _readings(schema: JsonSchema, node: Node) -> Iterator[Reading]:
    """What the value may have meant, most likely first; not yet validated against the schema."""
    kinds = {option.get("type") for option in alternatives(schema)}
    value = node.value
    written = node.text if not (node.is_map or node.is_list) else ""
    lower = written.strip().lower()
    if "boolean" in kinds and lower in (*_TRUE, *_FALSE):
        yield ["true" if lower in _TRUE else "false"], ""
    numbers = {"integer", "number"} & kinds
    if isinstance(value, str):
        if written.strip() != "" and value.strip() == written.strip() and fits(schema, written.strip()):
            yield [written.strip()], ", without quotes"
        if numbers:
            yield from _numbers(value, whole="number" not in numbers)
        if lower in _NOTHING and lower not in choices(schema):
            yield ["null"], ""
    elif isinstance(value, float) and "number" not in numbers and "integer" in numbers:
        yield from _whole(value, node.text)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and numbers and 1 <= value < 100 and _is_share(schema):
        yield [_decimal(value / 100)], f" if {as_written(value)} % is meant"
    if "array" in kinds and not node.is_map and not node.is_list and value is not None:
        yield from _lists(node)
    if node.is_list and len(node.value) == 1 and not node.value[0].is_map:
        yield [node.value[0].text], ", without brackets"
    if "string" in kinds and not choices(schema) and isinstance(value, bool | int | float):
        yield [f'"{node.text}"'], " if it is text"


def _is_share(schema: JsonSchema) -> bool:
    """Whether it accepts 0 to 1, or a part of that range."""
    return any(
        one.get("type") == "number" and 1 in (one.get("maximum"), one.get("exclusiveMaximum"))
        for one in alternatives(schema)
    )


def _whole(value: float, text: str) -> Iterator[Reading]:
    """`1.0` and `1e3` where a whole number is expected; the point in `1.024` may be a thousands separator."""
    grouped = re.fullmatch(r"[-+]?[1-9]\d{0,2}(\.\d{3})+", text)
    many = text.replace(".", "")
    if value.is_integer() and abs(value) < _LARGEST:
        yield ([str(int(value)), many] if grouped else [str(int(value))]), (", or " if grouped else "")
    elif grouped:
        yield [many], f" if {int(many):,} is meant"


def _numbers(text: str, *, whole: bool) -> Iterator[Reading]:
    """A number in a notation that YAML does not have.

    whole: only whole numbers are accepted.
    """
    bare = text.strip().replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")
    if _is_number(bare):
        yield _bare(bare, whole), ", without quotes" if bare == text.strip() else ", with a hyphen as minus"
        return
    if bare.endswith(",") and _is_number(bare[:-1]):
        yield _bare(bare[:-1], whole), ", without the comma"
        return
    if percent := re.fullmatch(r"([-+]?\d+(?:[.,]\d+)?)\s*%", bare):
        yield [_decimal(float(percent[1].replace(",", ".")) / 100)], ""
        return
    if thousands := re.fullmatch(r"([-+]?\d+(?:[.,]\d+)?)\s*([kKM])", bare):
        value = float(thousands[1].replace(",", ".")) * (1_000_000 if thousands[2] == "M" else 1_000)
        if value.is_integer():
            yield [str(int(value))], ""
        return
    if power := _POWER.fullmatch(bare):
        yield [f"1e{int(power[1])}"], ""
        return
    yield from _separated(bare, whole=whole)


def number(schema: JsonSchema, text: str) -> str | None:
    """The number that a text means, in YAML's notation, if the key accepts it; else None."""
    found = (one for texts, _ in _numbers(text, whole=False) for one in texts if fits(schema, one))
    return next(found, None)


def _separated(text: str, *, whole: bool) -> Iterator[Reading]:
    """Digits with points, commas, spaces or other marks among them."""
    if re.fullmatch(r"[-+]?\d+(_\d+)+(\.\d+)?", text):
        yield _bare(text.replace("_", ""), whole), ", without separators"
        return
    for mark in _SPACES:
        if re.fullmatch(_grouped(mark) + r"([.,]\d+)?", text):
            yield _bare(text.replace(mark, "").replace(",", "."), whole), ", without separators"
            return
    if re.fullmatch(_grouped(",") + r"(\.\d+)?", text):
        many = text.replace(",", "")
        if "." in text or text.count(",") > 1 or whole:
            yield _bare(many, whole), ", without separators"
        else:
            yield [many, text.replace(",", ".")], ", or "
    elif re.fullmatch(_grouped(".") + r",\d+", text):
        yield _bare(text.replace(".", "").replace(",", "."), whole), ", without separators and with a point"
    elif re.fullmatch(_grouped("."), text):
        yield [text.replace(".", "")], ", without separators"
    elif text.count(",") == 1 and "." not in text and _is_number(text.replace(",", ".")):
        yield _bare(text.replace(",", "."), whole), ", with a point"


_SPACES = (
    " ",
    "\N{NO-BREAK SPACE}",
    "\N{NARROW NO-BREAK SPACE}",
    "\N{THIN SPACE}",
    "'",
    "\N{RIGHT SINGLE QUOTATION MARK}",
)
"""Thousands separators besides comma and point."""


def _grouped(mark: str) -> str:
    """A whole number with this thousands separator."""
    return rf"[-+]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+"


def _bare(text: str, whole: bool) -> list[str]:
    """The number in a valid notation: 5. as 5 if a whole number is expected."""
    if whole and not re.fullmatch(r"[-+]?\d+|0x[0-9a-fA-F]+|0o[0-7]+", text):
        value = float(text)
        return [str(int(value))] if value.is_integer() and abs(value) < _LARGEST else []
    return [text]


def _decimal(value: float) -> str:
    return f"{value:.12g}"


def _is_number(text: str) -> bool:
    """Whether YAML reads it as a finite number."""
    from bmcli.config.parsing.yaml import plain_scalar

    if not text:
        return False
    try:
        value = plain_scalar(text)
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):  # with too many digits
        return False


def _lists(node: Node) -> Iterator[Reading]:
    """One value, or several without brackets, where a list is expected."""
    from bmcli.config.dump import inline

    text = node.text.strip()
    if not isinstance(node.value, str):
        yield [f"[{text}]"], ""
        return
    if text.startswith("[") and text.endswith("]"):
        yield [text], ", without quotes"
        return
    if sides := _SIDES.fullmatch(text):
        first, second = sides.groups()
        if first == second:
            yield [f"[{first}, {second}]"], ""
        else:
            yield [f"[{first}, {second}]", f"[{second}, {first}]"], ", or "
    if text.lower() in _NOTHING or text.lower() in _FALSE:
        yield ["[]"], ""
    parts = [part.strip() for part in re.split("[,;]", text) if part.strip()]
    one = inline([node.value])
    if len(parts) > 1:
        several = inline([_read(part) if _is_number(part) else part for part in parts])
        yield [several, one], ", or "
    elif parts:
        yield [one], ""
