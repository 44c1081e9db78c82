"""Tables into splits as found: roles of the columns, truth, examples and what is wrong with some rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bmcli.config.schema import DataConfig
from bmcli.core.errors import DataError
from bmcli.core.examples import Examples
from bmcli.core.spec import SPLITS, DataSpec, Kind
from bmcli.data import column_meanings, column_roles, column_truth, table_rows
from bmcli.data.column_roles import Roles
from bmcli.data.raw import Found, Raw
from bmcli.files import tables
from bmcli.files.facts import SPLIT_WORDS
from bmcli.modalities.base import modality_of
from bmcli.modalities.table.columns import pairs_of, texts

if TYPE_CHECKING:
    from bmcli.files.facts import ColumnFacts
    from bmcli.files.tables import Frame
    from bmcli.modalities.preprocessing import Preprocessing


def read_table(
    path: Path,
    config: DataConfig,
    kind: Kind | None,
    like: Found | None,
    spec: DataSpec | None,
    encoder: Preprocessing | None = None,
) -> Found:
    """The splits in a table. like: the main data, whose columns count; spec, encoder: a run's."""
    frame, unset = column_meanings.without_marks(
        tables.read(path, column_meanings.options_of(config)), config.missing
    )
    known = spec.target_name if spec is not None else like.target_name if like is not None else None
    config = config if config.path else config.model_copy(update={"group": None})
    first = like is None and spec is None
    facts = column_meanings.meanings(frame, config)
    roles = column_roles.assign(frame, facts, config, kind, known, first=first)
    main = like.splits["train"] if like is not None else None
    if main is not None:
        roles, facts = _as_in_main(path, frame, roles, facts, main)
    truth, bad = column_truth.truth_of(frame, roles.targets, config, facts)
    examples, odd = _examples(frame, roles, facts, config, spec, encoder)
    groups = None
    if roles.group is not None:
        cells = texts(frame.data[roles.group]).tolist()
        odd += [(i, f"group '{roles.group}' is missing") for i, cell in enumerate(cells) if cell is None]
        groups = tuple(cell or "" for cell in cells)
    ids = frame.ids()
    if roles.id is not None:
        ids, nameless = table_rows.names_of(frame, roles.id)
        odd += nameless
    split = None
    if roles.split is not None and first:
        split, odd_splits = table_rows.splits_of(frame, roles.split)
        odd += odd_splits
    problems, good = table_rows.row_problems(frame, [*bad, *odd])
    every_row = np.arange(frame.data.height)
    taken = {*roles.targets, *roles.text, *(roles.features or ())}
    beside = tuple(n for n in frame.data.columns if n not in taken and not frame.data[n].dtype.is_nested())
    used = {name: replace(about, role=roles.role(name)) for name, about in facts.items()}
    raw = Raw(roles.kind, examples, truth, ids, "", groups, frame, every_row, beside, used)
    name = roles.targets[0] if len(roles.targets) == 1 else "target"
    if split is None:
        splits = {"train": raw.take(np.flatnonzero(good))}
    else:
        splits = {
            part: replace(raw.take(np.flatnonzero(good & (split == part))), origin=f"column '{roles.split}'")
            for part in SPLITS
            if (split == part).any()
        }
    notes = [*frame.notes, *unset, *(roles.notes if first else ())]
    if roles.split is not None:
        notes.append(_split_note(frame, roles.split, None if split is None else splits))
    if not first:
        notes = [f"{path.name}: {note}" for note in notes]
    return Found(splits, [*frame.problems, *problems], "row", name, tuple(notes))


def _as_in_main(
    path: Path, frame: Frame, roles: Roles, facts: dict[str, ColumnFacts], main: Raw
) -> tuple[Roles, dict[str, ColumnFacts]]:
    """The roles and facts of a further file, with the features of the main data and what they mean there.

    DataError if the file lacks some of them.
    """
    columns = modality_of(main.kind).columns_of(main.examples)
    if not columns:
        return roles, facts
    missing = [name for name in columns if name not in frame.data.columns]
    if missing:
        raise DataError(f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    roles = replace(roles, features=tuple(columns))
    facts = {**facts, **{name: main.facts[name] for name in roles.features or ()}}
    facts |= {name: main.facts[name] for name in roles.targets if name in main.facts}
    return roles, facts


def _examples(
    frame: Frame,
    roles: Roles,
    facts: Mapping[str, ColumnFacts],
    config: DataConfig,
    spec: DataSpec | None,
    encoder: Preprocessing | None,
) -> tuple[Examples, list[tuple[int, str]]]:
    """The examples in the rows, and the rows that cannot be used."""
    read: Sequence[str] = roles.text or roles.features or ()
    if not roles.text and spec is not None:  # what a text means is the run's own to say
        read = [
            n for n in frame.data.columns if n not in roles.targets and not frame.data[n].dtype.is_nested()
        ]
    if roles.pair:
        return pairs_of(frame, roles.text)
    modality = modality_of(roles.kind)
    if spec is not None:
        return modality.rows_for(frame, read, config.missing, encoder)
    return modality.from_rows(frame, read, facts, config.missing)


def _split_note(frame: Frame, column: str, splits: Mapping[str, Raw] | None) -> str:
    """How many rows the column `data.split` gives to each split; splits: None if it is ignored."""
    if splits is not None:
        counts = [f"{part} {len(splits[part].ids):,}" for part in SPLITS if part in splits]
        return f"splits by column '{column}': {', '.join(counts)} rows"
    words = texts(frame.data[column]).tolist()
    trained = sum(SPLIT_WORDS.get((word or "").lower()) == "train" for word in words)
    note = f"column '{column}' (data.split) is ignored here: all {len(words):,} rows are used"
    return note + (f", {trained:,} of which it marks as training" if trained else "")
