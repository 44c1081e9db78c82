"""`data`: the examples, and how they are split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from bmcli.config.schema.fields import Chosen_augmentation, Chosen_dataset, Named, Path, Section, Share


def _written(mark: object) -> object:
    """A number as text: YAML reads -99 as a number."""
    return str(mark) if isinstance(mark, int | float) and not isinstance(mark, bool) else mark


Column = str | int
ColumnType = Literal["number", "category", "boolean", "date", "text", "ignore"]
Mark = Annotated[str, BeforeValidator(_written, json_schema_input_type=str | int | float)]


class ColumnConfig(Section):
    """The type of a column, where its cells do not show it."""

    type: ColumnType = Field(
        description="number, category, boolean, date or text; ignore leaves the column out."
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="For numbers: the decimal mark; the other one separates thousands."
    )
    unit: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="For numbers: text before or after them, such as kg."
    )
    day_first: bool | None = Field(
        None, description="For dates such as 3/4/2024: whether the day comes first."
    )
    parts: list[Literal["weekday", "month", "day", "hour"]] = Field(
        [], description="For dates: features to add to the number of days."
    )
    cyclic: bool = Field(
        False, description="Encode parts as points on a circle (sine and cosine) instead of one-hot."
    )


class DataConfig(Section):
    """The examples, and how they are split. Give either `name` (with that dataset's options) or `path`."""

    bare = "name"
    usual = {"path": "photos/"}

    name: Chosen_dataset | None = Field(None, description="A named dataset; `bm datasets` lists them.")
    path: Path | None = Field(
        None, description="Your own data: an image folder, text folder, .csv, .tsv, .jsonl, .parquet or .npz."
    )
    kind: Annotated[str, Named("modality", ("image", "text", "table"))] | None = Field(
        None, description="What an example is; inferred from the files and the keys below."
    )
    task: Annotated[str, Named("task")] | None = Field(
        None, description="What is predicted; inferred from the target."
    )
    text: Column | Annotated[list[Column], Field(min_length=1)] | None = Field(
        None,
        description="The column with the texts (name, or index from 0); for a list of columns, the cells are "
        "joined, one per line.",
    )
    pair: bool | None = Field(
        None,
        description="Whether the two columns of `text` are a pair, such as premise and hypothesis, which an "
        "encoder reads as two texts, instead of joined.",
    )
    target: Column | list[Column] | None = Field(
        None, description="The column to predict; a list of 0/1 columns for multilabel."
    )
    features: list[Column] | None = Field(
        None, description="The columns that a table model sees; default: all except target and group."
    )
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        None,
        description="Cell separator; by default inferred: comma for .csv and tab for .tsv, unless another "
        "one fits.",
    )
    label_delimiter: str | None = Field(
        None, description="For multilabel in one column: separator of the labels in a cell."
    )
    header: bool | None = Field(
        None,
        description="Whether the first row of a CSV or TSV has the column names; inferred from the rows.",
    )
    quoting: bool | None = Field(
        None,
        description="Whether quotation marks enclose cells in CSV or TSV; false: they are text. Inferred for "
        "TSV.",
    )
    columns: dict[str, ColumnType | ColumnConfig] = Field(
        {},
        description="Column types by name, to override the inferred ones: {zip: category, when: date, note: "
        "ignore}, or a map of options.",
    )
    missing: list[Mark] = Field(
        [], description="Additional texts and numbers that mean a missing value, such as [n.b., -99]."
    )
    split: Column | None = Field(
        None, description="The column that assigns each row to train, validation or test."
    )
    id: Column | None = Field(
        None,
        description="The column with the names of the examples, used in predictions and everywhere else; all "
        "must differ.",
    )
    group: str | int | None = Field(
        None,
        description="A column, or for folders a regular expression on paths inside the class folders (its "
        "first group counts): examples of one group stay in the same split.",
    )
    class_pattern: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="For folders without class folders: a regular expression on the paths below the split's "
        "folder; its first group, or the whole match, is the class: '^(cat|dog)'.",
    )
    split_folders: bool = Field(
        True,
        description="Whether folders named train, validation, test (also Training, test_data, val2017, ...) "
        "are splits; false: they are classes like all others.",
    )
    follow_links: bool = Field(
        False,
        description="Follow symbolic links that lead out of the data folder; otherwise they are unusable.",
    )
    test: Share | Path = Field(
        0.2,
        description="Share split off first for testing, or a file or folder; ignored if the data has a test "
        "split.",
    )
    validation: Share | Path = Field(
        0.1, description="Share of the rest split off for validation, or a file or folder; 0 for none."
    )
    seed: int = Field(0, ge=0, description="Seed of the splits only.")
    limit: Annotated[int, Field(gt=0)] | None = Field(
        None, description="Use at most this many examples per split, for quick trials."
    )
    augment: list[Chosen_augmentation] = Field(
        [], description="Random changes to training images, in this order; see docs/config.md."
    )
    skip_unusable: bool = Field(
        False, description="Leave out unusable files and rows (counted and listed) instead of stopping."
    )
    cache_gib: Annotated[float, Field(ge=0)] = Field(
        4.0,
        description="Keep decoded images in memory up to this many GiB; beyond that, files are read again.",
    )
