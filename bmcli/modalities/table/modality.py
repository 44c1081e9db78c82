"""Rows of tables: named columns of numbers, dates and categories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.modalities.base import MODALITIES, Add, Expect, Modality, Note
from bmcli.modalities.values import Attribute, Readme, Words

if TYPE_CHECKING:
    import numpy as np

    from bmcli.config.data_facts import Facts
    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.examples import Data, Examples
    from bmcli.core.plain import Document
    from bmcli.files.facts import ColumnFacts
    from bmcli.files.tables import Frame
    from bmcli.modalities.inputs import Inputs, Reading
    from bmcli.modalities.measured import Measured, Usual
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.modalities.table.encoder import TablePreprocessing
    from bmcli.modalities.table.examples import Table

FEATURES = 4
"""Columns of rows that are made up, where the config names none."""


@MODALITIES.register("table")
class Rows(Modality):
    """Rows of a table: numbers, dates and categories."""

    words = Words(
        "row", "rows", "table rows", "rows of tables", "tables", "row", "rows/s", "TABLE.csv", model="mlp"
    )
    place = 2
    suffixes = TABLE_SUFFIXES
    piece = 4096
    of_tables = True
    explained_in_files = False
    quantities = True

    def model_hint(self, kinds: tuple[str, ...], config: ExperimentConfig, facts: Facts) -> str:
        """See Modality: a table file holds texts where the config names their column."""
        named = "bm models shows the kinds that each model takes"
        if facts.read:
            return super().model_hint(kinds, config, facts)
        if "text" in kinds:
            return f"name the column with the texts: data.text; {named}"
        if config.data.path is not None and config.data.kind is None:
            return (
                f"write model: {self.words.model} for numbers and categories, or data.text: COLUMN and "
                f"model: transformer for texts; {named}"
            )
        return super().model_hint(kinds, config, facts)

    def takes_array(self, x: np.ndarray) -> bool:
        """See Modality: [N, features]."""
        return x.ndim == 2

    def from_arrays(
        self,
        arrays: Mapping[str, tuple[str, np.ndarray]],
        path: Path,
        *,
        unscaled: bool = False,
        like: Examples | None = None,
    ) -> dict[str, Examples]:
        """See Modality: columns '0', '1', ..."""
        import numpy as np

        from bmcli.modalities.table.examples import Table

        return {
            split: Table({str(i): x[:, i].astype(np.float64) for i in range(x.shape[1])})
            for split, (_, x) in arrays.items()
        }

    def array_words(self) -> str:
        """See Modality."""
        return "rows of numbers"

    def odd_in_array(self, examples: Examples) -> dict[int, str]:
        """See Modality: NaN is a missing value, infinity is not."""
        import numpy as np

        stack = np.stack(list(_table(examples).columns.values()), axis=1)
        return dict.fromkeys(np.flatnonzero(np.isinf(stack).any(axis=1)).tolist(), "holds an infinite number")

    def from_rows(
        self,
        frame: Frame,
        columns: Sequence[str],
        facts: Mapping[str, ColumnFacts],
        missing: Sequence[str],
        *,
        as_found: bool = False,
    ) -> tuple[Examples, list[tuple[int, str]]]:
        """See Modality."""
        from bmcli.modalities.table import columns as cells
        from bmcli.modalities.table.examples import Table

        if as_found:
            return Table({name: cells.as_found(frame.data[name]) for name in columns}), []
        return cells.table_of(frame, columns, facts, missing)

    def unusable(self, encoder: Preprocessing, examples: Examples) -> dict[int, str]:
        """See Modality: what a cell means, only the encoder says."""
        return encoder.usable(examples)[1]

    def columns_of(self, examples: Examples) -> Mapping[str, np.ndarray]:
        """See Modality."""
        return _table(examples).columns

    def synthesise(
        self,
        level: np.ndarray,
        random: np.random.Generator,
        shape: tuple[int, ...] | None,
        columns: Sequence[str] | None,
    ) -> Examples:
        """See Modality: random numbers around their level."""
        from bmcli.modalities.table.examples import Table

        names = columns or [f"feature_{i}" for i in range(FEATURES)]
        return Table({column: random.normal(0, 1, len(level)) + level for column in names})

    def read_inputs(
        self,
        inputs: Sequence[str],
        reading: Reading,
        stdin: IO[bytes],
        note: Note | None,
        expect: Expect | None,
    ) -> Iterator[Inputs]:
        """See Modality."""
        from bmcli.modalities.table.inputs import read

        return read(inputs, reading, stdin, note, expect)

    def read_objects(
        self, inputs: object, reading: Reading, wanted: object, note: Note, expect: Expect
    ) -> Iterator[Inputs]:
        """See Modality."""
        from bmcli.modalities.table.python_inputs import read

        return read(inputs, reading, note, expect)

    def reading_columns(self, encoder: Preprocessing) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """See Modality."""
        from bmcli.files.numbers import NumberFormat

        known = _encoder(encoder).columns
        formats = {column.name: getattr(column, "format", None) for column in known}
        decimals = {name: form.decimal for name, form in formats.items() if isinstance(form, NumberFormat)}
        return tuple(column.name for column in known), decimals

    def fit(self, data: Data, options: object, *, cache_bytes: int) -> Preprocessing:
        """See Modality."""
        from bmcli.config.schema import TableConfig
        from bmcli.modalities.table.encoder import TablePreprocessing

        assert isinstance(options, TableConfig)
        return TablePreprocessing.fit(_table(data.train.examples), options, data.train.ids)

    def load(self, part: Document, files: Mapping[str, str]) -> Preprocessing:
        """See Modality."""
        from bmcli.modalities.table.encoder import TablePreprocessing

        return TablePreprocessing.from_json(part)

    def exact(self, encoder: Preprocessing, examples: Examples) -> np.ndarray:
        """See Modality."""
        return _encoder(encoder).encode_exact(examples)

    def add_to_fingerprint(self, examples: Examples, add: Add, digests: Mapping[str, bytes]) -> None:
        """See Modality: columns by name."""
        from bmcli.modalities.contents import add_array, add_texts

        for column, values in _table(examples).columns.items():
            add_texts(add, [column, values.dtype.kind])
            if values.dtype == object:
                add_texts(add, ["" if v is None else f"={v}" for v in values])
            else:
                add_array(add, values)

    def fit_familiarity(self, encoder: Preprocessing, examples: Examples) -> Measured:
        """See Modality."""
        from bmcli.modalities.table.familiarity import fit

        return fit(encoder, examples)

    def load_familiarity(self, document: Document, encoder: Preprocessing) -> Usual:
        """See Modality."""
        from bmcli.modalities.table.familiarity import RowTraits

        return RowTraits.from_json(document, _encoder(encoder))

    def statistics(self, compact: np.ndarray, columns: tuple[str | None, ...]) -> dict[str, np.ndarray]:
        """See Modality."""
        from bmcli.modalities.table.familiarity import statistics

        return statistics(compact, columns)

    def sliceable(self, examples: Examples, beside: list[str]) -> list[str]:
        """See Modality: by every column."""
        return [*_table(examples).columns, *beside]

    def attribute(self, examples: Examples, name: str) -> Attribute:
        """See Modality."""
        from bmcli.files.dates import DateFormat

        table = _table(examples)
        values, about = table.columns[name], table.facts.get(name)
        if about is not None and isinstance(about.format, DateFormat):
            return Attribute(values, "", about.format)
        if values.dtype == object and not table.facts:  # of a file that is measured: every cell is a text
            import polars as pl

            from bmcli.modalities.table.columns import guessed

            values = guessed(pl.Series(name, values.tolist(), dtype=pl.String))
        return Attribute(values)

    def excerpt(self, examples: Examples, position: int) -> str:
        """See Modality."""
        from bmcli.modalities.table.excerpt import excerpt

        return excerpt(_table(examples), position)

    def readme(self) -> Readme:
        """See Modality."""
        return Readme(
            "rows of numbers, prepared as preprocessing.json says: filled, scaled, categories one-hot",
            """1. Take the columns in the order of preprocessing.json; read each cell as its format says.
2. Numbers: put `fill` in place of a missing one; (value - offset) / scale; where the column has an
   indicator, a 1 beside it says that the cell was missing. Dates count in days.
3. Categories: one 1 among zeros, at the place of the category; the last place is for all others.
4. Put all of it side by side, in float32.""",
            "Table",
            "Table({name: column for name, column in columns.items()})  # name -> array of its cells",
        )


def _table(examples: Examples) -> Table:
    from bmcli.modalities.table.examples import Table

    assert isinstance(examples, Table)
    return examples


def _encoder(encoder: Preprocessing) -> TablePreprocessing:
    from bmcli.modalities.table.encoder import TablePreprocessing

    assert isinstance(encoder, TablePreprocessing)
    return encoder
