"""A look at a table file, enough to draft a config that reads it.

What the file is and what its columns mean, `bmcli.files` decides, over the whole file and as in training.
It guesses what a user wants: which column to predict, and from which others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bmcli.config.drafting.inspect import Look, classes_seen
from bmcli.core.errors import DataError
from bmcli.core.registry import known_tasks
from bmcli.files import tables
from bmcli.files.cells import parse_cells
from bmcli.files.columns import facts_of
from bmcli.files.facts import SPLIT_WORDS, ColumnFacts, Said, shortened
from bmcli.files.numbers import NumberFormat
from bmcli.files.tables import Frame

TARGETS = (
    *("target", "label", "labels", "class", "category", "y", "outcome", "sentiment", "species", "queue"),
    *("rating", "score", "price", "value", "diagnosis", "survived", "churn", "topic", "intent", "quality"),
)
TEXTS = ("text", "body", "review", "comment", "message", "sentence", "content", "description", "question")
_GROUP = re.compile(r"^(group|(user|customer|patient|subject|person|client|session|author|device)(_?id)?)$")
_ID = re.compile(r"(^|[\W_])(id|uuid|guid)$|(?<=[a-z])(Id|ID)$", re.ASCII)
_MISSING = frozenset({"na", "n/a", "#n/a", "#na", "<na>", "nan", "null"})
FEW = 20
"""Up to this many different whole numbers are classes, as in training."""
MOST_CLASSES = 100
MANY_FEATURES = 5
"""Columns that say something, from which on a table is meant and not the texts in it."""
ODD_WORDS = 3
"""Up to this many different words in a column of numbers are read as missing values."""
MOST_LISTED = 30
"""Features that are listed one by one."""


@dataclass(frozen=True)
class _Roles:
    """What each column is for.

    target, features: columns to predict, and to predict from. texts: columns of texts, if they are what the
        model reads. texts_left_out: the same, if it reads the features instead. split, group, id: as in
        `DataConfig`.
    """

    target: ColumnFacts
    features: Sequence[ColumnFacts]
    texts: Sequence[str]
    texts_left_out: Sequence[str]
    split: str | None
    group: str | None
    id: str | None

    @property
    def used(self) -> list[ColumnFacts]:
        """The target, and the features if the model reads them."""
        return [self.target, *([] if self.texts else self.features)]


def look_at_table(path: Path) -> Look:
    """Look at it. DataError if bm cannot train on it."""
    frame = tables.read(path)
    if frame.data.width < 2:
        raise DataError(f"{path} has only one column", hint="a target needs a column of its own")
    facts = facts_of(frame.data)
    guesses = {f.name: guess for f in facts.values() if (guess := _guess(f)) is not None}
    missing = _odd_words(frame, facts)
    if guesses or missing:
        facts = facts_of(frame.data, guesses, missing)
    dialect = frame.dialect
    named = dialect is None or dialect.header

    def name(column: str) -> str | int:
        return column if named else int(column)

    roles = _roles(frame, facts)
    target, texts = roles.target, roles.texts
    counts = _counts(frame, target)
    task, labels = _task(frame, target, counts)
    dropped = [
        column
        for column in frame.data.columns
        if column not in {target.name, roles.split, roles.group, roles.id, *(f.name for f in roles.features)}
    ]
    listed: tuple[str | int, ...] = ()
    if not texts and (dropped or roles.group is not None) and len(roles.features) <= MOST_LISTED:
        listed = tuple(name(f.name) for f in roles.features)
    said = _said_of_cells(guesses, missing, roles.used)
    if bad := _unusable(frame, target, roles.used, several=labels is not None):
        said.append(("skip_unusable", True, f"{bad[0]:,} rows cannot be used, such as {bad[1]}"))
    if roles.split is not None:
        said.append(("split", name(roles.split), "the column that assigns rows to train, validation or test"))
    if roles.id is not None and roles.id != target.name:
        said.append(("id", name(roles.id), "names the examples, in predictions and everywhere else"))
    return Look(
        path,
        "text" if texts else "table",
        _seen(frame, roles, _said_of_target(target, counts, task, labels), named=named),
        task,
        frame.data.height,
        features=listed,
        text=None if not texts else name(texts[0]) if len(texts) == 1 else [name(text) for text in texts],
        target=name(target.name),
        group=None if roles.group is None else name(roles.group),
        left_out=tuple(name(column) for column in dropped),
        label_delimiter=labels,
        delimiter=dialect.delimiter if dialect is not None and not dialect.usual else None,
        header=named,
        brings=_brings(frame, roles.split),
        said=tuple(said),
    )


def _roles(frame: Frame, facts: Mapping[str, ColumnFacts]) -> _Roles:
    """DataError if there is nothing to predict, or nothing to predict it from."""
    split = next((f.name for f in facts.values() if f.split), None)
    group = next((f.name for f in facts.values() if _GROUP.match(f.name.lower()) and _repeats(f)), None)
    usable = [f for f in facts.values() if f.name not in (split, group) and _says_something(f)]
    texts = _texts(usable)
    target = facts[_target(frame, [f for f in usable if f.name not in texts], facts, labelled=bool(texts))]
    features = [f for f in usable if f.type != "text" and f.name != target.name]
    left_out: list[str] = []
    if texts and (len(features) >= MANY_FEATURES or (_is_quantity(frame, target) and features)):
        left_out, texts = texts, []
    if not texts and not features:
        raise DataError(
            f"{frame.path} has no column to predict '{target.name}' from",
            hint=f"the columns are {', '.join(map(repr, frame.data.columns[:10]))}",
        )
    own_id = next((f.name for f in facts.values() if _names_rows(f)), None)
    return _Roles(target, features, texts, left_out, split, group, own_id)


def _seen(frame: Frame, roles: _Roles, about_target: str, *, named: bool) -> tuple[str, ...]:
    """What `bm init` notes about the file. named: its first row names the columns."""
    seen = [f"{frame.data.height + len(frame.problems):,} rows, {frame.data.width} columns", about_target]
    seen += frame.notes if named else ["the first row names no columns: they are numbered from 0"]
    if len(roles.texts) == 2:
        both = " and ".join(f"'{shortened(one)}'" for one in roles.texts)
        seen.append(f"{both} are read as one text; with model: encoder, data.pair: true reads them as a pair")
    seen += [
        f"'{shortened(one)}' contains texts, which are not used; data.text: {one} uses them"
        for one in roles.texts_left_out
    ]
    return (*seen, *(f.warning for f in roles.used if f.warning))


def _said_of_cells(
    guesses: Mapping[str, Said], missing: Sequence[str], used: Sequence[ColumnFacts]
) -> list[tuple[str, object, str]]:
    """Config keys for guesses at the meaning of cells, with the reason for each."""
    said: list[tuple[str, object, str]] = []
    answers = {f.name: _answer(guesses[f.name]) for f in used if f.name in guesses}
    if answers:
        said.append(("columns", answers, "inferred, and may be wrong: please check"))
    if missing:
        where = [f"'{shortened(f.name)}'" for f in used if set(f.marks) & set(missing)]
        said.append(("missing", list(missing), f"texts that mean a missing value in {', '.join(where[:3])}"))
    return said


def _repeats(facts: ColumnFacts) -> bool:
    return 1 < facts.different < facts.filled


def _says_something(facts: ColumnFacts) -> bool:
    return facts.type not in ("empty", "nested", "identifier") and not facts.constant


def _names_rows(facts: ColumnFacts) -> bool:
    """Whether it is an id by name, and complete."""
    alone = facts.type == "identifier" and facts.different == facts.filled and not facts.missing
    return alone and bool(_ID.search(facts.name)) and not facts.name.startswith("unnamed")


def _texts(usable: Sequence[ColumnFacts]) -> list[str]:
    """The columns of texts: those named like one, else all."""
    found = [f.name for f in usable if f.type == "text"]
    named = [name for name in found if name.lower() in TEXTS]
    return found if len(found) <= 3 else named[:1] or found[:1]


def _target(
    frame: Frame, usable: Sequence[ColumnFacts], facts: Mapping[str, ColumnFacts], *, labelled: bool
) -> str:
    """By its name, else the last column that can be one; beside texts the one with the fewest values."""
    import polars as pl

    height = frame.data.height
    fit = [
        f
        for f in usable
        if f.type not in ("date", "text") and not (f.type == "category" and _too_many(f, height))
    ]
    by_name = {f.name.lower(): f.name for f in reversed(fit)}
    lists = [n for n, dtype in frame.data.schema.items() if dtype == pl.List(pl.String)]
    by_name |= {name.lower(): name for name in lists}
    for wanted in TARGETS:
        if wanted in by_name:
            return by_name[wanted]
    if lists:
        return lists[-1]
    if not fit:
        raise DataError(
            f"{frame.path} has no column that could be predicted",
            hint="classes repeat and quantities are numbers; "
            + "; ".join(f"'{shortened(f.name)}': {f.type}" for f in list(facts.values())[:5]),
        )
    if labelled:
        return min(fit, key=lambda f: f.different).name
    learnable = [f for f in fit if f.type == "number" or 2 * f.different <= f.filled]
    return (learnable or fit)[-1].name


def _too_many(facts: ColumnFacts, height: int) -> bool:
    return facts.different > max(MOST_CLASSES, height / 2)


def _is_quantity(frame: Frame, facts: ColumnFacts) -> bool:
    """Whether training takes it for one (see `bmcli.data.targets`), or should."""
    import polars as pl

    if facts.type != "number" or not isinstance(facts.format, NumberFormat):
        return False
    values, _ = parse_cells(frame.data[facts.name], facts.format)
    known = pl.Series(values).drop_nans()
    return facts.different > 1 and (
        facts.different > FEW or bool((known % 1 != 0).any()) or _hardly_repeats(facts)
    )


def _hardly_repeats(facts: ColumnFacts) -> bool:
    """Whether whole numbers in a short table are not classes, even if there are only a few different ones."""
    return facts.different > 2 and 2 * facts.different > facts.filled


def _counts(frame: Frame, facts: ColumnFacts) -> Counter[str]:
    import polars as pl

    series = frame.data[facts.name]
    if series.dtype == pl.List(pl.String):
        return Counter({"|".join(labels): 1 for labels in series.drop_nulls().to_list()})
    cells = series.drop_nulls().cast(pl.String).str.strip_chars()
    found = Counter(cells.to_list())
    return Counter({cell: n for cell, n in found.items() if cell and cell.lower() not in _MISSING})


def _task(frame: Frame, target: ColumnFacts, counts: Counter[str]) -> tuple[str, str | None]:
    """The task, and what separates several labels in a cell."""
    import polars as pl

    if frame.data[target.name].dtype == pl.List(pl.String):
        return "multilabel", None
    if _is_quantity(frame, target):
        return "regression", None
    labels = None if target.type == "number" else _label_delimiter(counts)
    if labels is not None:
        return "multilabel", labels
    return ("binary" if len(counts) == 2 else "multiclass"), None


def _label_delimiter(counts: Counter[str]) -> str | None:
    """What separates labels in the target's cells: where it cuts them into fewer different pieces."""
    for candidate in ("|", ";", ","):
        pieces = {label for cell in counts for label in labels_of(cell, candidate)}
        if len(pieces) < len(counts) and any(candidate in cell for cell in counts):
            return candidate
    return None


def labels_of(cell: str, delimiter: str) -> list[str]:
    """The labels in a cell."""
    return [label for piece in cell.split(delimiter) if (label := piece.strip())]


def _said_of_target(target: ColumnFacts, counts: Counter[str], task: str, labels: str | None) -> str:
    name = shortened(target.name)
    about = known_tasks().get(task)
    if not about.has_classes:
        return f"'{name}' is a number: {about.noun}"
    if labels is not None:
        each = Counter(label for cell, n in counts.items() for label in labels_of(cell, labels) * n)
        return f"'{name}' holds several labels, '{labels}' between them, of {classes_seen(each)}"
    return f"'{name}' has {classes_seen(counts)}"


def _guess(facts: ColumnFacts) -> Said | None:
    """At the answer to the question about a column: thousands; the day first; a number with a unit."""
    if facts.question is not None:
        return Said("date", day_first=True) if facts.type == "date" else Said("number", decimal=".")
    return Said("number", unit=facts.unit) if facts.unit else None


def _answer(said: Said) -> dict[str, object]:
    """As `data.columns` has it."""
    given = {"type": said.type, "decimal": said.decimal, "unit": said.unit, "day_first": said.day_first}
    return {key: value for key, value in given.items() if value is not None}


def _odd_words(frame: Frame, facts: Mapping[str, ColumnFacts]) -> tuple[str, ...]:
    """A few words in columns of numbers or dates, such as 'refused', that occur in no other column: more
    likely missing values than mistakes."""
    import polars as pl

    found: dict[str, None] = {}
    for about in facts.values():
        if not about.unfit or about.format is None or frame.data[about.name].dtype != pl.String:
            continue
        _, bad = parse_cells(frame.data[about.name], about.format)
        words = frame.data[about.name].gather(list(bad)).str.strip_chars().unique(maintain_order=True)
        if len(words) <= ODD_WORDS and not words.str.contains(r"\d|(?i)^[-+]?inf(inity)?$").any():
            found |= dict.fromkeys(words.to_list())
    elsewhere = {
        word
        for about in facts.values()
        if about.type in ("category", "boolean") and about.different <= MOST_CLASSES
        for word in frame.data[about.name].unique().cast(pl.String).drop_nulls().str.strip_chars().to_list()
    }
    return tuple(word for word in found if word not in elsewhere)


def _unusable(
    frame: Frame, target: ColumnFacts, used: Sequence[ColumnFacts], *, several: bool
) -> tuple[int, str] | None:
    """How many rows training would refuse, at least, and an example.

    several: the target's cells hold labels between delimiters, so an empty one means that none applies.
    """
    import polars as pl

    examples = [problem.message for problem in frame.problems[:1]]
    count = len(frame.problems)
    if several:
        gone = 0
    elif target.type == "category":
        series = frame.data[target.name].cast(pl.String).str.strip_chars().str.to_lowercase()
        gone = int((series.is_null() | series.is_in(list(_MISSING))).sum())
    else:
        gone = target.missing
    if gone:
        count += gone
        examples.append(f"those without '{shortened(target.name)}'")
    for facts in used:
        if facts.unfit:
            count += facts.unfit
            examples.append(f"those where '{shortened(facts.name)}' says {facts.examples[0]!r}")
    return (count, ", ".join(examples[:3])) if count else None


def _brings(frame: Frame, split: str | None) -> tuple[str, ...]:
    import polars as pl

    if split is None:
        return ()
    words = (
        frame.data[split].drop_nulls().cast(pl.String).str.strip_chars().str.to_lowercase().unique().to_list()
    )
    said = {SPLIT_WORDS.get(word) for word in words}
    return tuple(name for name in ("test", "validation") if name in said)
