"""Converts YAML's few types to those that a field declares."""

from __future__ import annotations

import os.path
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from bmcli.config.parsing.yaml import Node
from bmcli.config.schema import FilePath, RunReference
from bmcli.core.component import WeightsPath


def as_declared(cls: type[BaseModel], key: str, node: Node) -> object:
    """The node's value in the Python types that the field declares, if YAML has no such type.

    A list for a tuple or set, text for an Enum or a path (made absolute, from the node's own folder). Nothing
    else is converted; other values are left for validation to report.
    """
    field = cls.model_fields.get(key)
    if field is None:
        return node.plain()
    return _converted(field.annotation, tuple(field.metadata), node)


def _converted(annotation: object, metadata: tuple[object, ...], node: Node) -> object:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _converted(args[0], (*metadata, *args[1:]), node)
    if origin in (Union, UnionType):
        for option in args:
            value = _converted(option, metadata, node)
            if value != (plain := node.plain()) or type(value) is not type(plain):
                return value
        return node.plain()
    if node.is_list:
        if origin in (list, tuple, set, frozenset):
            inner = [args[min(i, len(args) - 1)] if args else Any for i in range(len(node.value))]
            if len(args) == 2 and args[1] is Ellipsis:
                inner = [args[0]] * len(node.value)
            items = [_converted(kind, (), item) for kind, item in zip(inner, node.value, strict=True)]
            return items if origin is list else origin(items)
        return node.plain()
    if node.is_map:
        inner_value = args[1] if origin is dict and len(args) == 2 else Any
        text_keys = origin is dict and args and args[0] is str
        return {
            node.keys[key].text if text_keys else key: _converted(inner_value, (), child)
            for key, child in node.value.items()
        }
    if isinstance(node.value, str):
        return _text_as(annotation, metadata, node)
    return node.value


def _text_as(annotation: object, metadata: tuple[object, ...], node: Node) -> object:
    if annotation is Path:
        return Path(absolute(node))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next((member for member in annotation if member.value == node.value), node.value)
    is_path = any(isinstance(item, FilePath) for item in metadata)
    is_weights = any(isinstance(item, WeightsPath) and item.is_path(node.value) for item in metadata)
    is_run = any(isinstance(item, RunReference) for item in metadata) and "/" in node.value.replace("\\", "/")
    return absolute(node) if node.value and (is_path or is_weights or is_run) else node.value


def absolute(node: Node) -> str:
    """The path in a node, relative to the folder of its file; `~` is the home directory."""
    try:
        path = Path(node.value).expanduser()
    except RuntimeError:  # no such home directory
        path = Path(node.value)
    # Not resolve(): a link in the path is part of the user's wording.
    return os.path.normpath(Path(node.folder) / path)
