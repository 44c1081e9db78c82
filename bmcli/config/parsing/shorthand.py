"""Suggestions for values written in place of a map, a component or a list."""

from __future__ import annotations

from collections.abc import Mapping

from bmcli.config import dump
from bmcli.config.parsing import corrections, foreign_names, messages
from bmcli.config.parsing.merge import Shape, shape_of
from bmcli.config.parsing.yaml import Node
from bmcli.config.schema import Chosen, Section
from bmcli.core.errors import did_you_mean
from bmcli.core.registry import known_tasks, registry_of
from bmcli.files.suffixes import IMAGE_SUFFIXES, TABLE_SUFFIXES

_MOST = 3
"""Largest number of alternatives shown."""


def of_map(cls: type[Section], node: Node) -> str | None:
    """For a section: `{patience: 3}` instead of 3."""
    example = f"for example {corrections.quoted(dump.inline(cls.usual), node)}"
    value = node.plain()
    if value is True or value is False or value is None:
        return example
    found = _keys_for(cls, node, value)
    if not found:
        return example
    return corrections.write([dump.inline(one) for one in found[:_MOST]], node)


def _keys_for(cls: type[Section], node: Node, value: object) -> list[dict[str, object]]:
    """The maps with one key that accept the value; only the usual key, if possible."""
    from bmcli.config.reference.json_schema import options

    schemas = options(cls)[0]
    values = [value] if node.is_list else [value, [value]]
    by_choice: list[dict[str, object]] = []
    others: list[dict[str, object]] = []
    for key, schema in schemas.items():
        chosen = shape_of(cls, key).chosen
        if chosen is not None:
            if isinstance(value, str) and value in registry_of(chosen.kind):
                by_choice.append({key: [value] if shape_of(cls, key).many else value})
            continue
        one = next((one for one in values if corrections.accepts(schema, one)), None)
        if one is None:
            continue
        if messages.choices(schema) or (isinstance(one, list) and _has_choice(schema)):
            by_choice.append({key: one})
        elif not isinstance(value, str):  # a key for text accepts any text
            others.append({key: one})
    usual = [one for one in others if set(one) == set(cls.usual)]
    return [*(usual or ([] if by_choice else others)), *by_choice]


def _has_choice(schema: Mapping[str, object]) -> bool:
    inner = [option.get("items") for option in messages.alternatives(schema)]
    return any(isinstance(one, Mapping) and messages.choices(one) for one in inner)


def of_component(chosen: Chosen, node: Node) -> str:
    """For a component: `adam` instead of [adam]; otherwise the known names."""
    registry = registry_of(chosen.kind)
    if node.is_list and len(node.value) == 1 and node.value[0].value in registry.names():
        return corrections.write([node.value[0].text], node, ", without brackets")
    return f"known: {', '.join(registry.names())}"


def of_list(shape: Shape, node: Node) -> str:
    """For a list of components: `[flip]` instead of flip."""
    assert shape.chosen is not None
    names = registry_of(shape.chosen.kind).names()
    items: list[object] = []
    if node.is_map:
        if "name" in node.value:
            items = [node.plain()]
        elif all(
            key in names and (one.is_map or one.value in (None, True)) for key, one in node.value.items()
        ):
            items = [{"name": key, **one.plain()} if one.is_map else key for key, one in node.value.items()]
    elif isinstance(node.value, str):
        parts = [part.strip() for part in node.value.split(",")]
        if node.value.strip().lower() in ("none", "off", "no"):
            return corrections.write(["[]"], node)
        if all(part in names for part in parts):
            items = [*parts]
        elif (hint := of_name(shape.chosen.kind, node)) or (hint := did_you_mean(node.value, names)):
            return hint
    if items:
        return corrections.write([dump.inline(items)], node)
    if not names:
        return _ONLY_YOUR_OWN
    return f"for example [{names[0]}]; known: {', '.join(names)}"


def of_name(kind: str, name: Node) -> str | None:
    """For the name of a component: names from other programs; a path instead of a dataset's name."""
    text = str(name.value)
    other = foreign_names.NAMES.get(kind, {}).get(text.lower())
    if other is not None and other in registry_of(kind):
        return f"did you mean {other}?"
    if kind == "metric":
        return _of_metric(text)
    if kind == "dataset" and _is_path(text):
        return corrections.write([dump.inline({"path": text})], name)
    return None


def _of_metric(name: str) -> str | None:
    """`evaluation.metrics` lists the user's own metrics; those of the task are always computed."""
    tasks = known_tasks()
    if any(name in tasks.get(task).metrics for task in tasks.local_names()):
        return f"'{name}' is always computed"
    return None if registry_of("metric").names() else _ONLY_YOUR_OWN


_ONLY_YOUR_OWN = "list only your own metrics here (code: FILE.py)"


def _is_path(text: str) -> bool:
    import os.path

    suffixes = (*TABLE_SUFFIXES, *IMAGE_SUFFIXES, ".npz")
    return "/" in text or "\\" in text or text.lower().endswith(suffixes) or os.path.exists(text)  # noqa: PTH110


def decimal_comma(parent: Node, key: object) -> str | None:
    """For `{label_smoothing: 0,1}`, which YAML reads as two keys: 'write label_smoothing: 0.1'."""
    if not str(key).isdecimal() or parent.value[key].value is not None or parent.value[key].text:
        return None
    keys = list(parent.value)
    before = keys[keys.index(key) - 1] if keys.index(key) else None
    whole = parent.value.get(before)
    if whole is None or type(whole.value) is not int:
        return None
    return f"write {before}: {whole.text}.{parent.keys[key].text}, with a point"
