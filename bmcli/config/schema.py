"""The config as typed, frozen values: every key with its type, default, range and one line of documentation.

`resolve.py` makes an `ExperimentConfig` from text; nothing later parses, defaults or guesses. Fields marked
with `Chosen(kind)` hold a component picked by name from that registry: in YAML either the bare name or a map
`{name: ..., option: ...}`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    InstanceOf,
    SerializeAsAny,
)
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from bmcli.core.registry import Component, registry_of


@dataclass(frozen=True)
class Chosen:
    """Marks a field whose value is a component of the registry of that kind.

    default: the name that holds where the config names none.
    """

    kind: str
    default: str | None = None


@dataclass(frozen=True)
class Named:
    """Marks text that names a component of the registry of that kind, which has no options of its own."""

    kind: str
    first: tuple[str, ...] = ()
    """Names that are listed before the others."""

    def names(self) -> list[str]:
        """What may be named: bm's own, the user's and installed plugins'."""
        known = registry_of(self.kind).names()
        return [*self.first, *(name for name in known if name not in self.first)]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "enum": self.names()}

    def _known(self, name: str) -> str:
        names = self.names()
        if name not in names:  # the type that pydantic gives to what is not one of a fixed list
            expected = " or ".join(filter(None, (", ".join(f"'{n}'" for n in names[:-1]), f"'{names[-1]}'")))
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
        return name


@dataclass(frozen=True)
class FilePath:
    """Marks text that is a path; `resolve` makes it absolute, counted from the file that names it."""


@dataclass(frozen=True)
class RunReference:
    """Marks text that names a run: a path only where it holds a path separator."""


class Section(BaseModel):
    """Base of every map in a config: unknown keys are errors, values are frozen, NaN is no number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, defer_build=True
    )

    bare: ClassVar[str | None] = None
    """The key that a bare text in the map's place stands for: `data: digits` means `{name: digits}`."""
    usual: ClassVar[dict[str, Any]] = {}
    """For hints: the key that a bare value in the map's place most likely means, with an example."""


def _not_reserved(name: str) -> str:
    if name == "latest" or re.search(r"-v[0-9]+$", name):
        raise ValueError(
            f"a run cannot be called '{name}': 'latest' and endings like '-v2' have a meaning of their own"
        )
    return name


def _written(mark: object) -> object:
    """A number as its text: YAML reads -99 as a number."""
    return str(mark) if isinstance(mark, int | float) and not isinstance(mark, bool) else mark


AUTO_STEPS, AUTO_EPOCHS = 1_500, (10, 100)
"""What `epochs: auto` means: as many epochs as make so many steps, within these bounds."""

Share = Annotated[float, Field(ge=0, lt=1)]
Path = Annotated[str, Field(min_length=1), FilePath()]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100), AfterValidator(_not_reserved)]
Column = str | int
ColumnType = Literal["number", "category", "boolean", "date", "text", "ignore"]
Mark = Annotated[str, BeforeValidator(_written, json_schema_input_type=str | int | float)]
Side = Annotated[int, Field(ge=1, le=4096)]
Chosen_model = Annotated[SerializeAsAny[InstanceOf[Component]], Chosen("model")]
Chosen_dataset = Annotated[SerializeAsAny[InstanceOf[Component]], Chosen("dataset")]
Chosen_augmentation = Annotated[SerializeAsAny[InstanceOf[Component]], Chosen("augmentation")]
Chosen_optimizer = Annotated[SerializeAsAny[InstanceOf[Component]], Chosen("optimizer", default="adam")]
Chosen_schedule = Annotated[SerializeAsAny[InstanceOf[Component]], Chosen("schedule", default="constant")]
Chosen_metric = Annotated[SerializeAsAny[InstanceOf[Component]], Chosen("metric")]


class ColumnConfig(Section):
    """What a column means, where that is not to be told from its cells."""

    type: ColumnType = Field(
        description="number, category, boolean, date, text; ignore leaves the column out."
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="Of numbers: the decimal mark; the other one groups thousands."
    )
    unit: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Of numbers: what stands before or behind them, such as kg."
    )
    day_first: bool | None = Field(
        None, description="Of dates such as 3/4/2024: whether the day comes before the month."
    )
    parts: list[Literal["weekday", "month", "day", "hour"]] = Field(
        [], description="Of dates: what becomes a feature besides the number of days."
    )
    cyclic: bool = Field(
        False, description="Parts as points on a circle (sine and cosine) instead of one-hot."
    )


class DataConfig(Section):
    """Which examples, and how they are split. Give either `name` (with that dataset's options) or `path`."""

    bare = "name"
    usual = {"path": "photos/"}

    name: Chosen_dataset | None = Field(None, description="A named dataset; `bm datasets` lists them.")
    path: Path | None = Field(
        None, description="Your own data: an image folder, text folder, .csv, .tsv, .jsonl, .parquet or .npz."
    )
    kind: Annotated[str, Named("modality", ("image", "text", "table"))] | None = Field(
        None, description="What the examples are; inferred from the files and the keys below."
    )
    task: Annotated[str, Named("task")] | None = Field(
        None, description="What is predicted; inferred from the target."
    )
    text: Column | Annotated[list[Column], Field(min_length=1)] | None = Field(
        None,
        description="The column that holds the text (name, or index from 0); of a list of columns the cells "
        "are joined, a line each.",
    )
    target: Column | list[Column] | None = Field(
        None, description="The column to predict; a list of 0/1 columns for multilabel."
    )
    features: list[Column] | None = Field(
        None, description="The columns a table model sees; default: all but target and group."
    )
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        None,
        description="What separates cells; inferred: comma for .csv and tab for .tsv, unless others fit.",
    )
    label_delimiter: str | None = Field(
        None, description="For multilabel in one column: what separates the labels in a cell."
    )
    header: bool | None = Field(
        None, description="Whether the first row of a CSV or TSV names the columns; inferred from the rows."
    )
    quoting: bool | None = Field(
        None,
        description="Whether quotation marks enclose cells of a CSV or TSV; false: they are text. Inferred "
        "for TSV.",
    )
    columns: dict[str, ColumnType | ColumnConfig] = Field(
        {},
        description="What columns mean, by name, where that is not as inferred: {zip: category, when: date, "
        "note: ignore}, or a map of options.",
    )
    missing: list[Mark] = Field(
        [], description="Further texts and numbers that say that a value is missing, such as [n.b., -99]."
    )
    split: Column | None = Field(
        None, description="The column that says of each row whether it is train, validation or test."
    )
    id: Column | None = Field(
        None, description="The column that names the examples, in predictions and everywhere; all different."
    )
    group: str | int | None = Field(
        None,
        description="A column, or for folders a regular expression on paths inside the class folders (its "
        "first group counts): examples of one group stay on one side of every split.",
    )
    class_pattern: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="For folders without class folders: a regular expression on the paths below the split's "
        "folder; its first group, or the whole match, is the class: '^(cat|dog)'.",
    )
    split_folders: bool = Field(
        True,
        description="Whether folders called train, validation, test (also Training, test_data, val2017, ...) "
        "are the splits; false: they are classes like all others.",
    )
    follow_links: bool = Field(
        False, description="Follow symbolic links that lead out of the data's folder; else they are unusable."
    )
    test: Share | Path = Field(
        0.2, description="Share cut off first for testing, or a file or folder; ignored where data has one."
    )
    validation: Share | Path = Field(
        0.1, description="Share of the rest cut off for validation, or a file or folder; 0 for none."
    )
    seed: int = Field(0, ge=0, description="Seed of the splits alone.")
    limit: Annotated[int, Field(gt=0)] | None = Field(
        None, description="Use at most this many examples per split: for quick trials."
    )
    augment: list[Chosen_augmentation] = Field(
        [], description="Random changes to training images, in this order; see docs/config.md."
    )
    skip_unusable: bool = Field(
        False, description="Leave unusable files and rows out (counted and listed) instead of stopping."
    )
    cache_gib: Annotated[float, Field(ge=0)] = Field(
        4.0, description="Decoded images are kept in memory up to this many GiB; beyond, files are re-read."
    )


def _is_range(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise ValueError(f"the lower value comes first: {window[0]:g} is not below {window[1]:g}")
    return window


class ImageConfig(Section):
    """How images become arrays."""

    usual = {"size": 64}

    size: Side | tuple[Side, Side] | None = Field(
        None,
        description="Height and width, or one number for both; default: the data's own size where all are "
        "alike, else 64.",
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1 grey, 3 colour; default: 1 where all images looked at are grey, else 3."
    )
    fit: Literal["squash", "crop", "pad"] = Field(
        "squash",
        description="Images of other proportions than `size`: squash distorts them, crop keeps the middle, "
        "pad puts black beside them.",
    )
    window: Annotated[tuple[float, float], AfterValidator(_is_range)] | None = Field(
        None,
        description="Of images with more than 8 bits (16-bit, float): the values that become black and "
        "white; default: the lowest and highest in the training split.",
    )
    normalization: Literal["standard", "unit", "symmetric"] = Field(
        "standard",
        description="standard: per channel, mean 0 and variance 1 on the training split; unit: 0 to 1; "
        "symmetric: -1 to 1.",
    )


class TextConfig(Section):
    """How texts become token ids."""

    usual = {"max_length": 200}

    tokenizer: Literal["auto", "word", "pieces", "bpe", "wordpiece"] = Field(
        "auto",
        description="Trained on the training split: whole words, short pieces of at most 6 characters (for "
        "scripts without spaces between words), byte-pair encoding, or WordPiece; auto: pieces where a tenth "
        "of the texts or more are in such a script (Japanese, Thai, Lao, Khmer, Burmese, ...), else word.",
    )
    vocabulary: Annotated[int, Field(ge=3, le=1_000_000)] = Field(
        20_000, description="At most this many token ids, padding and unknown included."
    )
    max_length: Annotated[int, Field(ge=1, le=65_536)] = Field(200, description="Tokens a text is cut to.")
    truncate: Literal["end", "start"] = Field("end", description="Which side of a longer text is cut off.")
    lowercase: bool = Field(True, description="Lower-case texts and strip accents before splitting.")


class TableConfig(Section):
    """How rows become numbers. Categories are one-hot, with one place for the unseen or missing."""

    usual = {"scaling": "standard"}

    scaling: Literal["standard", "minmax", "none"] = Field(
        "standard", description="Numeric columns: mean 0 and variance 1, or 0 to 1, on the training split."
    )
    missing: Literal["mean", "median", "error"] = Field(
        "mean",
        description="What fills a missing number (a column 'is missing' is added), or error to refuse it.",
    )
    max_categories: Annotated[int, Field(ge=1, le=100_000)] = Field(
        100, description="The most frequent categories of a column that get a place of their own."
    )


class PreprocessingConfig(Section):
    """From raw examples to model inputs; only the map of the data's kind is used."""

    usual = {"image": {"size": 64}}

    image: ImageConfig = Field(default_factory=ImageConfig, description="For images.")
    text: TextConfig = Field(default_factory=TextConfig, description="For texts.")
    table: TableConfig = Field(default_factory=TableConfig, description="For tables.")


class EarlyStopping(Section):
    """Stop when the monitored figure no longer improves."""

    usual = {"patience": 3}

    patience: Annotated[int, Field(ge=1)] = Field(3, description="Epochs without improvement to wait.")
    min_delta: Annotated[float, Field(ge=0)] = Field(0.0, description="What counts as improvement.")


class CheckpointConfig(Section):
    """When the complete state is written, besides at the end of every epoch, and how long it is kept."""

    usual = {"every_minutes": 10}

    every_minutes: Annotated[float, Field(ge=0)] = Field(
        10.0, description="Also within long epochs, this often; 0 for the ends of epochs only."
    )
    keep: bool = Field(
        False,
        description="Keep the states for resuming when the run is complete; the best weights always stay.",
    )


class TrainingConfig(Section):
    """How the weights are found."""

    usual = {"epochs": 10}

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description="Passes over the training split; auto: as many as make 1,500 steps, but 10 to 100.",
    )
    batch_size: Annotated[int, Field(ge=1)] = Field(64, description="Examples per step.")
    batch_by_length: bool = Field(
        False,
        description="Texts of about the same length in a batch, padded no longer than needed: fewer tokens "
        "to compute, and batches a little less random.",
    )
    optimizer: Chosen_optimizer = Field(description="The rule that changes the weights; default adam.")
    schedule: Chosen_schedule = Field(
        description="How the learning rate changes over the steps; default constant."
    )
    gradient_clipping: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Largest global norm of the gradient."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the target's mass spread over all classes."
    )
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None,
        description="Weight of each class in the loss: `balanced`, or a map from class to weight; classes "
        "that are not named weigh 1.",
    )
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Momentum of an exponential moving average of the weights, which is then used."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the arithmetic in training; auto: bfloat16 where the hardware has it."
    )
    xla: bool = Field(
        False,
        description="Compile the steps with XLA. On processors it was slower for every model here "
        "(docs/performance.md); JAX always does.",
    )
    monitor: str = Field(
        "val_loss", description="Decides best, early stopping and the order of runs: val_<metric> or loss."
    )
    early_stopping: EarlyStopping | None = Field(None, description="Off unless given.")
    checkpoint: CheckpointConfig = Field(
        default_factory=CheckpointConfig, description="When the state is saved, and how long it is kept."
    )

    def epochs_of(self, steps_per_epoch: int) -> int:
        """`epochs` as a number: small data need more passes for the same number of steps."""
        if self.epochs != "auto":
            return self.epochs
        return min(max(math.ceil(AUTO_STEPS / steps_per_epoch), AUTO_EPOCHS[0]), AUTO_EPOCHS[1])


class InitFrom(Section):
    """Start from another run's weights."""

    bare = "run"
    usual = {"run": "latest"}

    run: Annotated[str, Field(min_length=1), RunReference()] = Field(
        description="A run: id, name, latest, or the path of a run directory."
    )
    freeze: list[str] = Field(
        [], description="Patterns (`conv*`) of layer names whose weights are not trained."
    )


class EvaluationConfig(Section):
    """What is measured with the best weights, after training."""

    usual = {"splits": ["test"]}

    splits: list[Literal["train", "validation", "test"]] = Field(
        ["validation", "test"], description="The splits to evaluate."
    )
    metrics: list[Chosen_metric] = Field(
        [], description="Metrics beyond those every task has (your own, by `code`)."
    )
    top_k: Annotated[int, Field(ge=2)] = Field(5, description="The k of top-k accuracy.")
    batch_size: Annotated[int, Field(ge=1)] = Field(256, description="Examples per evaluation step.")
    views: Literal["none", "flip", "move", "shift"] = Field(
        "none",
        description="Test-time augmentation of images, part of the finished model: the mean over a image "
        "and its mirror image (flip; not for digits or letters), over it moved by a pixel (move), or over "
        "all of these (shift); 2, 3 and 6 times the work.",
    )


class ExperimentConfig(Section):
    """One experiment, fully resolved."""

    name: Name = Field(description="The run's name; default: the file's.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of weights, order, augmentation and dropout.")
    code: list[Path] = Field(
        [], description="Python files that register your own models, datasets, metrics, ..."
    )
    data: DataConfig = Field(description="Which examples, and how they are split.")
    preprocessing: PreprocessingConfig = Field(
        PreprocessingConfig(), description="From raw examples to model inputs."
    )
    model: Chosen_model = Field(description="The network; `bm models` lists them.")
    init_from: InitFrom | None = Field(
        None, description="Start from another run's weights: the run, or a map."
    )
    training: TrainingConfig = Field(description="How the weights are found.")
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="What is measured afterwards."
    )
    trackers: list[Literal["tensorboard", "mlflow", "wandb"]] = Field(
        ["tensorboard"],
        description="Where training can be followed besides the run directory: tensorboard (event files in "
        "the run), mlflow, wandb (Weights & Biases); the last two are extras.",
    )

    def to_dict(self) -> dict[str, Any]:
        """Plain YAML data with every default filled in; resolving it again gives an equal config."""
        return _plain(self)


def _plain(section: Section) -> dict[str, Any]:
    plain = section.model_dump(mode="json")
    for key, value in section:
        if isinstance(value, Section):
            plain[key] = _plain(value)
        elif isinstance(value, Component):
            plain[key] = value.to_config()
        elif isinstance(value, list) and value and isinstance(value[0], Component):
            plain[key] = [component.to_config() for component in value]
    if isinstance(section, DataConfig) and section.name is not None:
        # A named dataset's options stand beside the keys every dataset has, as its user writes them.
        plain = {**plain.pop("name"), **plain}
    return plain
