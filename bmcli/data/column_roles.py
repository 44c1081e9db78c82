"""What the columns of a table are for: target, features, texts, group, split and id.

What a column means, `bmcli.files.columns` says; here it gets its part in an experiment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from bmcli.config.schema import DataConfig
from bmcli.core.errors import DataError
from bmcli.core.spec import Kind
from bmcli.data.column_meanings import require_answers
from bmcli.files.dates import DateFormat
from bmcli.files.facts import ColumnFacts, shortened
from bmcli.files.numbers import NumberFormat
from bmcli.files.tables import Frame
from bmcli.modalities.base import modality_of
from bmcli.modalities.table.columns import columns_hint, listed, more, resolve, resolve_text

TARGET_NAMES = ("target", "label", "labels", "class", "y")


@dataclass(frozen=True)
class Roles:
    """What is read from which column.

    text: the columns whose cells make a text; pair: whether they are two texts instead. features: tables
    only, in the file's order. dropped: name -> why a column is not used.
    """

    kind: Kind
    targets: tuple[str, ...]
    text: tuple[str, ...] = ()
    pair: bool = False
    features: tuple[str, ...] | None = None
    group: str | None = None
    split: str | None = None
    id: str | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def role(self, name: str) -> str:
        """What that column is for, in a word or two."""
        for role in ("group", "split", "id"):
            if getattr(self, role) == name:
                return role
        if name in self.text:
            return "text"
        if name in self.targets:
            return "target"
        if name in (self.features or ()):
            return "feature"
        return f"not used: {self.dropped[name]}" if name in self.dropped else "not used"


def assign(
    frame: Frame,
    facts: Mapping[str, ColumnFacts],
    config: DataConfig,
    kind: Kind | None,
    target: str | None = None,
    *,
    first: bool = True,
) -> Roles:
    """The roles of a file's columns: as the config says, the rest inferred and noted.

    target: a column to predict where the config names none and the file has it. first: whether this file
    decides what the features are; others follow it.
    """
    modality = None if kind is None else modality_of(kind)
    if modality is not None and not modality.of_tables:
        raise DataError(
            f"{frame.path}: a table holds no {modality.words.many}",
            hint="leave data.kind out, or say text or table",
        )
    texts_wanted = modality is not None and modality.takes_texts
    notes: list[str] = []
    names = frame.data.columns
    roles = _single_columns(frame, config, first)
    said_text = resolve_text(frame, config.text)
    taken = {*roles.values(), *said_text}
    if config.target is None:
        targets: tuple[str, ...] = (_infer_target(frame, taken, target, notes),)
    else:
        wanted = config.target if isinstance(config.target, list) else [config.target]
        targets = tuple(resolve(frame, column, "target") for column in wanted)
    _require_one_part(frame, facts, targets, roles)
    rest = [n for n in names if n not in targets and n not in roles.values() and not facts[n].ignored]
    given = Roles(kind or "table", targets, group=roles["group"], split=roles["split"], id=roles["id"])
    text = said_text
    if not text and (texts_wanted or (modality is None and not config.features)):
        inferred = _infer_text(frame, facts, rest, certain=texts_wanted)
        text = () if inferred is None else (inferred,)
    if text:
        notes += _text_notes(frame, facts, text, targets, inferred=not said_text)
        if unused := [name for name in rest if name not in text]:
            notes.append(f"unused columns: {listed(unused)}")
        if first:
            require_answers(frame, [facts[name] for name in targets])
            notes += _read_as([facts[name] for name in targets])
        dropped = dict.fromkeys(unused, "beside the text")
        return replace(_of_texts(given, text, config), dropped=dropped, notes=tuple(notes))
    if not first:
        return replace(given, notes=tuple(notes))
    if config.features is not None:
        features, dropped = _named_features(frame, facts, config.features, targets, roles["split"]), {}
    else:
        features, dropped = _infer_features(frame, facts, rest, notes)
    if not features:
        texts_there = [name for name in rest if facts[name].type == "text"]
        hint = f"data.text: {texts_there[0]} reads the texts in it" if texts_there else columns_hint(frame)
        raise DataError(f"{frame.path} has no column to predict '{targets[0]}' from", hint=hint)
    require_answers(frame, [facts[name] for name in (*features, *targets)])
    notes += _read_as([facts[name] for name in (*features, *targets)])
    return replace(given, features=features, dropped=dropped, notes=tuple(notes))


def _of_texts(given: Roles, text: tuple[str, ...], config: DataConfig) -> Roles:
    """The roles with the columns of texts: one text in each row, or a pair."""
    return replace(given, kind="text", text=text, pair=bool(config.pair))


def _single_columns(frame: Frame, config: DataConfig, first: bool) -> dict[str, str | None]:
    """The columns of `data.group`, `data.split` and `data.id`; None if the config names none, or a later
    file does not have it."""
    columns: dict[str, str | None] = {}
    for key in ("group", "split", "id"):
        column = getattr(config, key)
        absent = not first and key != "group" and column not in frame.data.columns
        columns[key] = None if column is None or absent else resolve(frame, column, key)
    return columns


def _text_notes(
    frame: Frame,
    facts: Mapping[str, ColumnFacts],
    text: Sequence[str],
    targets: Sequence[str],
    *,
    inferred: bool,
) -> list[str]:
    """How the column of texts was found. DataError if a column is both text and target."""
    if both := [name for name in text if name in targets]:
        raise DataError(f"{frame.path}: column '{both[0]}' is both text and target")
    return [f"text: column '{text[0]}' (inferred: {facts[text[0]].reason})"] if inferred else []


def _named_features(
    frame: Frame,
    facts: Mapping[str, ColumnFacts],
    named: Sequence[str | int],
    targets: Sequence[str],
    split: str | None,
) -> tuple[str, ...]:
    """The columns that `data.features` names, without the targets. DataError if one is the split, or a
    model could not take what it holds."""
    features = tuple(resolve(frame, column, "features") for column in named)
    features = tuple(name for name in features if name not in targets)
    if split in features:
        raise DataError(
            f"{frame.path}: column '{split}' is both data.split and one of data.features",
            hint="take it out of data.features: a model would learn which split a row is in",
        )
    for name in features:
        _require_values(frame, facts[name])
    return features


def _require_one_part(
    frame: Frame,
    facts: Mapping[str, ColumnFacts],
    targets: Sequence[str],
    roles: Mapping[str, str | None],
) -> None:
    """DataError if a column is to be predicted and something else, too."""
    for name in targets:
        for key, column in roles.items():
            if column == name:
                raise DataError(f"{frame.path}: column '{name}' is both data.target and data.{key}")
        if facts[name].ignored:
            raise DataError(
                f"{frame.path}: column '{name}' is data.target, and data.columns says to ignore it",
                hint="take it out of data.columns",
            )
    used = [(key, column) for key, column in roles.items() if column is not None]
    for i, (key, column) in enumerate(used):
        for other, same in used[:i]:
            if same == column and {key, other} != {"group", "id"}:
                raise DataError(f"{frame.path}: column '{column}' is both data.{other} and data.{key}")


def _require_values(frame: Frame, facts: ColumnFacts) -> None:
    """DataError if a model could not take what a column holds."""
    if facts.type == "nested":
        raise DataError(
            f"{frame.path}: column '{facts.name}' holds nested values, not one per row",
            hint="name the columns to use in data.features",
        )


def _infer_target(
    frame: Frame,
    taken: set[str | None],
    known: str | None,
    notes: list[str],
) -> str:
    names = [name for name in frame.data.columns if name not in taken]
    if known is not None and known in names:
        return known
    if not names:
        raise DataError(f"{frame.path} has no column left to predict", hint="name it in data.target")
    by_name = [name for wanted in TARGET_NAMES for name in names if name.lower() == wanted]
    if len(names) == 1:
        chosen, why = names[0], "the only one left"
    elif by_name:
        chosen, why = by_name[0], "by its name"
    else:
        chosen, why = names[-1], "the last one"
    if frame.data.width == 1:
        raise DataError(
            f"{frame.path} has a single column, '{chosen}'",
            hint="data.delimiter may be another (';' or a tab)",
        )
    notes.append(f"target: column '{chosen}' ({why})")
    return chosen


def _infer_text(
    frame: Frame, facts: Mapping[str, ColumnFacts], names: Sequence[str], *, certain: bool
) -> str | None:
    """The column of texts: with `certain` the one with the longest cells, else only one that stands alone."""
    found = [name for name in names if facts[name].type == "text"]
    if not certain:
        others = [n for n in names if n not in found and facts[n].type not in ("empty", "identifier")]
        return found[0] if len(found) == 1 and not others else None
    words = found or [
        n for n in names if facts[n].type in ("category", "identifier") and facts[n].format is None
    ]
    if not words:
        raise DataError(f"{frame.path} has no column of texts", hint="name it in data.text")
    lengths = frame.data.select(pl.col(name).cast(pl.String).str.len_chars().mean() for name in words).row(0)
    return max(zip(lengths, words, strict=True), key=lambda pair: pair[0] or 0.0)[1]


def _infer_features(
    frame: Frame, facts: Mapping[str, ColumnFacts], names: Sequence[str], notes: list[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """All columns that may say something: no constants, no row numbers, no names of single rows, no texts."""
    features: list[str] = []
    dropped: dict[str, str] = {}
    for name in names:
        about = facts[name]
        if about.split:
            dropped[name] = "says train, validation or test"
            notes.append(
                f"column '{name}' says train, validation or test: data.split: {name} uses it as the split"
            )
            continue
        if about.type == "empty":
            dropped[name] = "empty"
        elif about.constant and frame.data.height > 1:
            dropped[name] = "the same in every row"
        elif about.row_numbers:
            dropped[name] = "row numbers"
        elif about.type == "identifier":
            dropped[name] = about.reason
        elif about.type == "text":
            dropped[name] = "texts, which a table's model does not read"
        else:
            _require_values(frame, about)
            features.append(name)
    by_reason: dict[str, list[str]] = {}
    for name, why in dropped.items():
        if not facts[name].split:
            by_reason.setdefault(why, []).append(name)
    notes += [f"not used as features ({why}): {listed(columns)}" for why, columns in by_reason.items()]
    return tuple(features), dropped


def _read_as(columns: Sequence[ColumnFacts]) -> list[str]:
    """What is worth a line about how the features are read."""
    notes = []
    days: dict[str, list[str]] = {}
    for about in columns:
        if isinstance(about.format, DateFormat) and (about.parts or not about.format.clock):
            number = "a number of days" if not about.format.clock else "a share of a day"
            what = ", ".join((number, *about.parts)) + (" (on a circle)" if about.cyclic else "")
            days.setdefault(what, []).append(about.name)
    notes += [f"dates become {what}: {listed(names)}" for what, names in days.items()]
    by_format: dict[str, list[str]] = {}
    for about in columns:
        if isinstance(about.format, NumberFormat) and not about.format.plain:
            comma = "with a decimal comma" if about.format.decimal == "," else ""
            unit = f"in {about.format.unit}" if about.format.unit else ""
            by_format.setdefault(" ".join(filter(None, (comma, unit))), []).append(about.name)
    notes += [f"numbers {how}: {listed(names)}" for how, names in by_format.items()]
    marked = [
        f"'{shortened(f.name)}' ({', '.join(map(repr, f.marks[:3]))}; {f.missing:,} missing)"
        for f in columns
        if f.marks
    ]
    if marked:
        notes.append(f"words for missing values: {', '.join(marked[:5])}" + more(len(marked) - 5))
    codes = [f.name for f in columns if f.reason.startswith("leading zeros")]
    if codes:
        notes.append(f"codes with leading zeros, read as categories: {listed(codes)}")
    notes += [about.warning for about in columns if about.warning]
    return notes
