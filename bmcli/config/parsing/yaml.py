"""Strict, safe YAML that records the place of every key and value.

Plain data only, and scalars as YAML 1.2 reads them: `1e-3` is a number, `no` and `on` are text, `012` is
twelve, `1:30` is text. Refused, with their place: tags, merge keys (`<<`), duplicate keys, several
documents, self-containing aliases, and anything beyond the limits below. The limits bound time and memory:
the file is read as a stream of events, and an alias shares its value but counts as a copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from bmcli.config.problems import config_error
from bmcli.core.errors import ConfigError, Place, Problem

MAX_BYTES = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 50
MAX_DIGITS = 400

Scalar = str | int | float | bool | None

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NUMBER = "|".join(one.pattern for one in (_INTEGER, _OCTAL, _HEXADECIMAL, _FLOAT))
"""What an unquoted number looks like."""
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_MOST_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place.

    value: a scalar, a list of nodes, or a map from key to node.
    place: where the value stands.
    folder: what relative paths in it count from.
    text: a scalar as it was written, for messages.
    keys: a map's keys, as nodes.
    size: number of nodes in it, itself included; depth: levels in it, itself included.
    """

    value: Any
    place: Place
    folder: str
    text: str = ""
    keys: Mapping[object, Node] = field(default_factory=dict)
    size: int = 1
    depth: int = 1

    @property
    def is_map(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    def plain(self) -> Any:
        """The value without places: dicts, lists and scalars."""
        if self.is_map:
            return {key: node.plain() for key, node in self.value.items()}
        if self.is_list:
            return [node.plain() for node in self.value]
        return self.value

    def key_place(self, key: object) -> Place:
        """Where that key of the map stands."""
        return self.keys[key].place if key in self.keys else self.place


def read(path: Path) -> Node:
    """The file's only document. ConfigError if there is no such file, or if it is not strict YAML."""
    try:
        if not path.is_file():
            what = "a folder, not a config file" if path.is_dir() else "no such file"
            raise _error(what, Place(str(path)))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _error(f"cannot be read: {error.strerror}", Place(str(path))) from error
    return parse(data, str(path), str(path.parent.resolve()))


def parse(data: bytes | str, name: str, folder: str, *, place: Place | None = None) -> Node:
    """The one document in `data`.

    name: the file's name, for places. folder: what relative paths count from.
    place: given for text without lines of its own (a command-line override): the place of everything.
    """
    if len(data) > MAX_BYTES:
        raise _error(f"the file is larger than {MAX_BYTES:,} bytes, too large for a config", Place(name))
    if isinstance(data, bytes):
        data = _decoded(data, name)
    return _Document(data, name, folder, place).root()


def from_plain(value: object, prefix: str, folder: str) -> Node:
    """Nodes for data that comes from Python; places read 'config: training.epochs'."""
    budget = MAX_NODES

    def convert(value: object, path: tuple[str, ...]) -> Node:
        nonlocal budget
        budget -= 1
        place = Place(f"{prefix}: {'.'.join(path)}" if path else prefix)
        if budget < 0 or len(path) > MAX_DEPTH:
            raise _error("too large or too deeply nested to be a config", place)
        if isinstance(value, Path):
            value = str(value)
        if isinstance(value, Mapping):
            nodes = {key: convert(item, (*path, str(key))) for key, item in value.items()}
            keys = {key: Node(key, node.place, folder, str(key)) for key, node in nodes.items()}
            return Node(nodes, place, folder, keys=keys, size=1 + sum(n.size for n in nodes.values()))
        if isinstance(value, list | tuple):
            items = [convert(item, (*path, str(index))) for index, item in enumerate(value)]
            return Node(items, place, folder, size=1 + sum(n.size for n in items))
        if value is None or isinstance(value, str | int | float | bool):
            return Node(value, place, folder, str(value))
        raise _error(f"a {type(value).__name__} is not plain data", place)

    return convert(value, ())


class _Document:
    """Reads one text: its events become nodes, its mistakes problems."""

    def __init__(self, text: str, name: str, folder: str, place: Place | None) -> None:
        self.text = text
        self.name = name
        self.folder = folder
        self.fixed_place = place
        self.lines = _BREAK.split(text)
        self.anchors: dict[str, Node | None] = {}
        self.nodes_left = MAX_NODES
        self.problems: list[Problem] = []

    def root(self) -> Node:
        """The document's node; ConfigError with all problems."""
        try:
            node = self._read(yaml.parse(self.text, Loader=_LOADER))
        except yaml.MarkedYAMLError as error:
            raise self._syntax_error(error) from error
        except (yaml.reader.ReaderError, UnicodeEncodeError) as error:
            raise self._forbidden_character() from error
        if self.problems:
            raise config_error(self.problems)
        return node

    def _read(self, events: Iterator[Event]) -> Node:
        next(events)  # the stream's start
        first = next(events)
        if isinstance(first, StreamEndEvent):
            return Node(None, self._place(0, 0), self.folder)
        node = self._node(next(events), events, 1)
        next(events)  # the document's end
        after = next(events)
        if isinstance(after, DocumentStartEvent):
            raise _error("a second document starts here; a config has only one", self._at(after))
        return node

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        if isinstance(event, AliasEvent):
            node = self._alias(event)
        else:
            assert isinstance(event, (CollectionStartEvent, ScalarEvent))  # where a node begins
            if event.anchor is not None:
                self.anchors[event.anchor] = None
            if event.tag is not None:
                self._problem(
                    f"the tag '{event.tag}' is not allowed: a config is plain data",
                    event,
                    hint="leave the tag out; put text in quotes",
                )
            if isinstance(event, CollectionStartEvent):
                if depth >= MAX_DEPTH:
                    raise _error(f"nested deeper than {MAX_DEPTH} levels", self._at(event))
                make = self._map if isinstance(event, MappingStartEvent) else self._list
                node = make(event, events, depth)
            else:
                node = self._scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = node
        self._spend(1 if not isinstance(event, AliasEvent) else node.size, event)
        if depth + node.depth - 1 > MAX_DEPTH:
            raise _error(f"nested deeper than {MAX_DEPTH} levels", self._at(event))
        return node

    def _spend(self, nodes: int, event: NodeEvent) -> None:
        self.nodes_left -= nodes
        if self.nodes_left < 0:
            raise _error(f"more than {MAX_NODES:,} values, aliases written out", self._at(event))

    def _alias(self, event: AliasEvent) -> Node:
        if event.anchor not in self.anchors:
            hint = "text that begins with * must be quoted"
            raise _error(f"there is no anchor &{event.anchor} above", self._at(event), hint)
        node = self.anchors[event.anchor]
        if node is None:
            raise _error(f"*{event.anchor} is inside its own value", self._at(event))
        return node

    def _list(self, event: NodeEvent, events: Iterator[Event], depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(item := next(events), SequenceEndEvent):
            items.append(self._node(item, events, depth + 1))
        return self._collection(event, items, items, {})

    def _map(self, event: NodeEvent, events: Iterator[Event], depth: int) -> Node:
        values: dict[object, Node] = {}
        keys: dict[object, Node] = {}
        written: dict[str, Node] = {}
        while isinstance(key_event := next(events), NodeEvent):
            key = self._node(key_event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if key.is_map or key.is_list:
                self._problem("a key must be a word or number, not a list or map", key_event)
            elif key.text == "<<" and isinstance(key_event, ScalarEvent) and not key_event.style:
                self._problem(
                    "merge keys (<<) are not supported",
                    key_event,
                    hint="put shared keys into a separate file and list it under extends",
                )
            elif key.value in keys or key.text in written:  # keys are text: 1 and "1" are the same
                first = keys.get(key.value, written.get(key.text, key)).place
                self._problem(f"'{key.text}' is given twice; first at line {first.line}", key_event)
            else:
                values[key.value] = value
                keys[key.value] = key
                written[key.text] = key
        return self._collection(event, values, list(values.values()), keys)

    def _collection(
        self, event: NodeEvent, value: object, items: list[Node], keys: dict[object, Node]
    ) -> Node:
        return Node(
            value,
            self._at(event),
            self.folder,
            keys=keys,
            size=1 + sum(item.size for item in items),
            depth=1 + max((item.depth for item in items), default=0),
        )

    def _scalar(self, event: ScalarEvent) -> Node:
        value: Scalar = event.value
        if not event.style:
            try:
                value = plain_scalar(event.value)
            except ValueError:
                self._problem(
                    f"a number of more than {MAX_DIGITS} digits", event, hint="quote it if it is text"
                )
        return Node(value, self._at(event), self.folder, event.value)

    def _forbidden_character(self) -> ConfigError:
        """The first character that YAML does not allow: a control character, or half of a surrogate pair."""
        at = next((i for i, c in enumerate(self.text) if not c.isprintable() and not _may_stand(ord(c))), 0)
        code = ord(self.text[at])
        before = _BREAK.split(self.text[:at])
        what = f"the control character U+{code:04X}" if code else "a NUL byte"
        place = self._place(len(before) - 1, len(before[-1]))
        return _error(f"{what} in the text", place, "is this a text file?")

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> ConfigError:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        problem = error.problem or "not valid YAML"
        rest = self.lines[line][column:] if line < len(self.lines) else ""
        message, hint = f"not valid YAML: {problem}", None
        if rest.startswith("\t"):
            message, hint = "a tab where only spaces are allowed", "indent with spaces"
        elif "maximum nesting depth" in problem:  # PyYAML >= 6.0.4 checks this itself, in advance
            message = f"nested deeper than {MAX_DEPTH} levels"
        elif "cannot start any token" in problem:
            message, hint = f"'{rest[:1]}' cannot start a value", "put the text in quotes"
        elif "mapping values are not allowed" in problem:
            message = "unexpected ':'"
            hint = "check the indentation; text that contains ': ' must be quoted"
        elif "expected key" in problem or "'-' indicator" in problem:
            message, hint = "this does not fit the lines above it", "check the indentation"
        elif "unexpected end of stream" in problem and error.context_mark:
            message, hint = "this quote is never closed", None
            line, column = error.context_mark.line, error.context_mark.column
        elif "expected ',' or" in problem and error.context_mark:
            opened, closing = ("list", "]") if "]" in problem else ("map", "}")
            message = f"expected ',' or '{closing}' here"
            hint = f"the {opened} begins at line {error.context_mark.line + 1}"
        return _error(message, self._place(line, column), hint)

    def _problem(self, message: str, event: NodeEvent, hint: str | None = None) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(message, self._at(event), hint))

    def _at(self, event: Event) -> Place:
        mark = event.start_mark
        assert mark is not None
        return self._place(mark.line, mark.column)

    def _place(self, line: int, column: int) -> Place:
        """The place at a line and column that count from 0, as the parser's do."""
        if self.fixed_place is not None:
            return self.fixed_place
        text = self.lines[line] if line < len(self.lines) else ""
        return Place(self.name, line + 1, column + 1, text)


def plain_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar, by YAML 1.2's core schema; ValueError for an absurdly long number."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    if len(text) > MAX_DIGITS and text.strip("+-.0123456789eE") == "":
        raise ValueError(text)
    for pattern, convert in _NUMBERS:
        if pattern.fullmatch(text):
            return convert(text)
    return text


_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], Scalar]], ...] = (
    (_INTEGER, int),
    (_FLOAT, float),
    (_OCTAL, lambda text: int(text[2:], 8)),
    (_HEXADECIMAL, lambda text: int(text[2:], 16)),
    (_INFINITY, lambda text: float(text.lower().replace(".", ""))),
)


def _may_stand(code: int) -> bool:
    """YAML 1.2, production c-printable."""
    return code in (0x09, 0x0A, 0x0D, 0x85) or 0x20 <= code < 0x7F or 0xA0 <= code < 0xD800 or code > 0xDFFF


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace").split("\n")
        place = Place(name, len(before), len(before[-1]) + 1)
        byte = f"0x{data[error.start]:02x}"
        raise _error(f"not UTF-8: byte {byte}", place, "save the file with UTF-8 encoding") from error


def _error(message: str, place: Place, hint: str | None = None) -> ConfigError:
    return config_error([Problem(message, place, hint)])
