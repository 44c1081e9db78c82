"""The config as typed, frozen values: every key with its type, default, range and one line of documentation.

`resolve.py` makes an `ExperimentConfig` from text; nothing later parses, defaults or guesses. Fields marked
with `Chosen(kind)` hold a component picked by name from that registry: in YAML either the bare name or a map
`{name: ..., option: ...}`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

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

from bmcli.core.component import Component
from bmcli.core.plain import Document
from bmcli.core.registry import registry_of

if TYPE_CHECKING:
    from bmcli.core.components import Augments, Builds, Measures, Optimizes, Provides, Schedules
else:  # what pydantic checks: a component of whatever kind
    Augments = Builds = Measures = Optimizes = Provides = Schedules = Component


@dataclass(frozen=True)
class Chosen:
    """Marks a field whose value is a component of the registry of that kind.

    default: the name used if the config gives none.
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

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Document:
        return {**handler(schema), "enum": self.names()}

    def _known(self, name: str) -> str:
        names = self.names()
        if name not in names:  # the type that pydantic gives to what is not one of a fixed list
            expected = " or ".join(filter(None, (", ".join(f"'{n}'" for n in names[:-1]), f"'{names[-1]}'")))
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
        return name


@dataclass(frozen=True)
class FilePath:
    """Marks text that is a path; `resolve` makes it absolute, relative to the file that contains it."""


@dataclass(frozen=True)
class RunReference:
    """Marks text that names a run; it is a path only if it contains a path separator."""


class Section(BaseModel):
    """Base of every map in a config: unknown keys are errors, values are frozen, NaN is not a number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, defer_build=True
    )

    bare: ClassVar[str | None] = None
    """The key that a bare string in place of the map stands for: `data: digits` means `{name: digits}`."""
    usual: ClassVar[Document] = {}
    """For hints: the key that a bare value in place of the map most likely stands for, with an example."""


def _not_reserved(name: str) -> str:
    if name == "latest" or re.search(r"-v[0-9]+$", name):
        raise ValueError(
            f"'{name}' cannot be the name of a run: 'latest' and endings like '-v2' are reserved"
        )
    return name


def _written(mark: object) -> object:
    """A number as text: YAML reads -99 as a number."""
    return str(mark) if isinstance(mark, int | float) and not isinstance(mark, bool) else mark


AUTO_STEPS, AUTO_EPOCHS = 1_500, (10, 100)
"""`epochs: auto` means the number of epochs that gives this many steps, within these bounds."""

Share = Annotated[float, Field(ge=0, lt=1)]
Path = Annotated[str, Field(min_length=1), FilePath()]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100), AfterValidator(_not_reserved)]
Column = str | int
ColumnType = Literal["number", "category", "boolean", "date", "text", "ignore"]
Mark = Annotated[str, BeforeValidator(_written, json_schema_input_type=str | int | float)]
Side = Annotated[int, Field(ge=1, le=4096)]
Chosen_model = Annotated[SerializeAsAny[InstanceOf[Builds]], Chosen("model")]
Chosen_dataset = Annotated[SerializeAsAny[InstanceOf[Provides]], Chosen("dataset")]
Chosen_augmentation = Annotated[SerializeAsAny[InstanceOf[Augments]], Chosen("augmentation")]
Chosen_optimizer = Annotated[SerializeAsAny[InstanceOf[Optimizes]], Chosen("optimizer", default="adam")]
Chosen_schedule = Annotated[SerializeAsAny[InstanceOf[Schedules]], Chosen("schedule", default="constant")]
Chosen_metric = Annotated[SerializeAsAny[InstanceOf[Measures]], Chosen("metric")]


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


def _is_range(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise ValueError(f"the lower value must come first: {window[0]:g} is not below {window[1]:g}")
    return window


class ImageConfig(Section):
    """How images become arrays."""

    usual = {"size": 64}

    size: Side | tuple[Side, Side] | None = Field(
        None,
        description="Height and width, or one number for both; default: the images' own size if all are "
        "equal, else 64.",
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1 for grey, 3 for colour; default: 1 if all sampled images are grey, else 3."
    )
    fit: Literal["squash", "crop", "pad"] = Field(
        "squash",
        description="For images whose proportions differ from `size`: squash distorts them, crop keeps the "
        "centre, pad adds black borders.",
    )
    window: Annotated[tuple[float, float], AfterValidator(_is_range)] | None = Field(
        None,
        description="For images with more than 8 bits (16-bit, float): the values that become black and "
        "white; default: the lowest and highest of the training split.",
    )
    normalization: Literal["standard", "unit", "symmetric"] = Field(
        "standard",
        description="standard: mean 0 and variance 1 per channel on the training split; unit: 0 to 1; "
        "symmetric: -1 to 1.",
    )


class TextConfig(Section):
    """How texts become token ids."""

    usual = {"max_length": 200}

    tokenizer: Literal["auto", "word", "pieces", "bpe", "wordpiece"] = Field(
        "auto",
        description="Fitted on the training split: whole words, pieces of at most 6 characters (for scripts "
        "without spaces between words), byte-pair encoding, or WordPiece; auto: pieces if at "
        "least a tenth of the texts are in such a script (Japanese, Thai, Lao, Khmer, Burmese, "
        "...), else word.",
    )
    vocabulary: Annotated[int, Field(ge=3, le=1_000_000)] = Field(
        20_000, description="Largest number of token ids, including padding and unknown."
    )
    max_length: Annotated[int, Field(ge=1, le=65_536)] = Field(
        200, description="Largest number of tokens per text; longer texts are truncated."
    )
    truncate: Literal["end", "start"] = Field("end", description="Which end of a longer text is cut off.")
    lowercase: bool = Field(True, description="Lower-case texts and strip accents before splitting.")


class TableConfig(Section):
    """How rows become numbers. Categories are one-hot, with one position for unseen or missing values."""

    usual = {"scaling": "standard"}

    scaling: Literal["standard", "minmax", "none"] = Field(
        "standard", description="Numeric columns: mean 0 and variance 1, or 0 to 1, on the training split."
    )
    missing: Literal["mean", "median", "error"] = Field(
        "mean",
        description="Replacement for a missing number (a feature 'is missing' is added), or error to refuse "
        "it.",
    )
    max_categories: Annotated[int, Field(ge=1, le=100_000)] = Field(
        100, description="Number of a column's most frequent categories that get their own feature."
    )


class PreprocessingConfig(Section):
    """From raw examples to model inputs; only the map for the data's kind is used."""

    usual = {"image": {"size": 64}}

    image: ImageConfig = Field(default_factory=ImageConfig, description="For images.")
    text: TextConfig = Field(default_factory=TextConfig, description="For texts.")
    table: TableConfig = Field(default_factory=TableConfig, description="For tables.")


class EarlyStopping(Section):
    """Stop when the monitored metric no longer improves."""

    usual = {"patience": 3}

    patience: Annotated[int, Field(ge=1)] = Field(
        3, description="Number of epochs without improvement before stopping."
    )
    min_delta: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Smallest change that counts as an improvement."
    )


class CheckpointConfig(Section):
    """When the complete training state is saved, besides at the end of every epoch, and how long it is
    kept."""

    usual = {"every_minutes": 10}

    every_minutes: Annotated[float, Field(ge=0)] = Field(
        10.0, description="Also save within long epochs, at this interval; 0: only at the end of epochs."
    )
    keep: bool = Field(
        False,
        description="Keep the training state after the run is complete; the best weights are always kept.",
    )


class TrainingConfig(Section):
    """How the weights are trained."""

    usual = {"epochs": 10}

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description="Passes over the training split; auto: as many as give 1,500 steps, but at least 10 and "
        "at most 100.",
    )
    batch_size: Annotated[int, Field(ge=1)] = Field(64, description="Examples per step.")
    batch_by_length: bool = Field(
        False,
        description="Batch texts of similar length, to pad no more than necessary: fewer tokens to compute, "
        "but slightly less random batches.",
    )
    optimizer: Chosen_optimizer = Field(description="How the weights are updated; default adam.")
    schedule: Chosen_schedule = Field(
        description="How the learning rate changes over the steps; default constant."
    )
    gradient_clipping: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Largest global norm of the gradient."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the target probability spread over all classes."
    )
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None,
        description="Weight of each class in the loss: `balanced`, or a map from class to weight; other "
        "classes have weight 1.",
    )
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Momentum of an exponential moving average of the weights; if set, the average is used "
        "for evaluation and saved.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Precision of the arithmetic in training; auto: bfloat16 if the hardware supports it.",
    )
    xla: bool = Field(
        False,
        description="Compile the steps with XLA. On CPUs it was slower for every built-in model "
        "(docs/performance.md); JAX always uses XLA.",
    )
    monitor: str = Field(
        "val_loss",
        description="Determines the best epoch, early stopping and the order of runs: val_<metric> or loss.",
    )
    early_stopping: EarlyStopping | None = Field(None, description="Off by default.")
    checkpoint: CheckpointConfig = Field(
        default_factory=CheckpointConfig,
        description="When the training state is saved, and how long it is kept.",
    )

    def epochs_of(self, steps_per_epoch: int) -> int:
        """`epochs` as a number: small data sets need more passes for the same number of steps."""
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
    """What is evaluated with the best weights after training."""

    usual = {"splits": ["test"]}

    splits: list[Literal["train", "validation", "test"]] = Field(
        ["validation", "test"], description="The splits to evaluate."
    )
    metrics: list[Chosen_metric] = Field(
        [], description="Metrics in addition to those of the task (your own, through `code`)."
    )
    top_k: Annotated[int, Field(ge=2)] = Field(5, description="The k of top-k accuracy.")
    batch_size: Annotated[int, Field(ge=1)] = Field(256, description="Examples per evaluation step.")
    views: Literal["none", "flip", "move", "shift"] = Field(
        "none",
        description="Test-time augmentation of images, as part of the finished model: the mean over the "
        "image and its mirror image (flip; not for digits or letters), over the image shifted by "
        "a pixel (move), or over all of these (shift); 2, 3 or 6 times the computation.",
    )


class ExperimentConfig(Section):
    """One experiment, fully resolved."""

    name: Name = Field(description="The run's name; default: the file's.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of weights, order, augmentation and dropout.")
    code: list[Path] = Field(
        [], description="Python files that register your own models, datasets, metrics, ..."
    )
    data: DataConfig = Field(description="The examples, and how they are split.")
    preprocessing: PreprocessingConfig = Field(
        PreprocessingConfig(), description="From raw examples to model inputs."
    )
    model: Chosen_model = Field(description="The network; `bm models` lists them.")
    init_from: InitFrom | None = Field(
        None, description="Start from another run's weights: the run, or a map."
    )
    training: TrainingConfig = Field(description="How the weights are trained.")
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="What is evaluated after training."
    )
    trackers: list[Literal["tensorboard", "mlflow", "wandb"]] = Field(
        ["tensorboard"],
        description="Where to log training besides the run directory: tensorboard (event files in the run), "
        "mlflow, wandb (Weights & Biases); the last two are extras.",
    )

    def to_dict(self) -> Document:
        """Plain YAML data with every default filled in; resolving it again gives an equal config."""
        return _plain(self)


def _plain(section: Section) -> Document:
    plain = section.model_dump(mode="json")
    for key, value in section:
        if isinstance(value, Section):
            plain[key] = _plain(value)
        elif isinstance(value, Component):
            plain[key] = value.to_config()
        elif isinstance(value, list) and value and isinstance(value[0], Component):
            plain[key] = [component.to_config() for component in value]
    if isinstance(section, DataConfig) and section.name is not None:
        # A named dataset's options are next to the common keys, as users write them.
        plain = {**plain.pop("name"), **plain}
    return plain
