"""The config as typed, frozen values: every key with its type, default, range and one line of documentation.

`resolve.py` makes an `ExperimentConfig` from text; nothing later parses, defaults or guesses. Fields marked
with `Chosen(kind)` hold a component picked by name from that registry: in YAML either the bare name or a map
`{name: ..., option: ...}`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bmcli.config.schema.data import Column, ColumnConfig, DataConfig
from bmcli.config.schema.fields import (
    Chosen,
    Chosen_metric,
    Chosen_model,
    FilePath,
    Named,
    Path,
    RunReference,
    Section,
)
from bmcli.config.schema.preprocessing import ImageConfig, PreprocessingConfig, TableConfig, TextConfig
from bmcli.config.schema.training import (
    Adapters,
    CheckpointConfig,
    EarlyStopping,
    FineTuning,
    TrainingConfig,
)
from bmcli.core.component import Component, Options
from bmcli.core.plain import Document

__all__ = [
    "Adapters",
    "CheckpointConfig",
    "Chosen",
    "Column",
    "ColumnConfig",
    "DataConfig",
    "EarlyStopping",
    "EvaluationConfig",
    "ExperimentConfig",
    "FilePath",
    "FineTuning",
    "ImageConfig",
    "InitFrom",
    "Named",
    "PreprocessingConfig",
    "RunReference",
    "Section",
    "TableConfig",
    "TextConfig",
    "TrainingConfig",
]


def _not_reserved(name: str) -> str:
    if name == "latest" or re.search(r"-v[0-9]+$", name):
        raise ValueError(
            f"'{name}' cannot be the name of a run: 'latest' and endings like '-v2' are reserved"
        )
    return name


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100), AfterValidator(_not_reserved)]


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
        elif isinstance(value, Options):  # of a modality of the user's own
            plain[key] = value.model_dump(mode="json")
        elif isinstance(value, list) and value and isinstance(value[0], Component):
            plain[key] = [component.to_config() for component in value]
    if isinstance(section, DataConfig) and section.name is not None:
        # A named dataset's options are next to the common keys, as users write them.
        plain = {**plain.pop("name"), **plain}
    return plain
