"""All that a config, or a command, chooses by name: what there is of each kind, with every option.

Components come from their registries, the user's own and installed plugins included; the other kinds are
fixed lists. Nothing that computes is imported.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bmcli.config.parsing.messages import as_written, expected
from bmcli.config.schema import PreprocessingConfig
from bmcli.core.component import Component
from bmcli.core.errors import BmError, UsageError, did_you_mean
from bmcli.core.plain import Document
from bmcli.core.registry import HOMES, known_tasks, registry_of

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class Kind:
    """Something that is chosen by name.

    name: singular; plural: as it is typed; place: the key of the config, or the option, that takes it.
    """

    name: str
    plural: str
    place: str
    summary: str

    @property
    def is_registry(self) -> bool:
        """Whether `code:` and plugins can add to it, and entries have options."""
        return self.name in HOMES


KINDS = (
    Kind("model", "models", "model", "the networks"),
    Kind("dataset", "datasets", "data.name", "the named datasets"),
    Kind("optimizer", "optimizers", "training.optimizer", "the rules that change the weights"),
    Kind("schedule", "schedules", "training.schedule", "how the learning rate changes over the steps"),
    Kind("augmentation", "augmentations", "data.augment", "random changes to training images"),
    Kind("metric", "metrics", "training.monitor", "what is measured, and can be monitored as val_METRIC"),
    Kind("task", "tasks", "data.task", "what is predicted, with its loss and headline metric"),
    Kind("modality", "modalities", "data.kind", "what an example is, with its options in preprocessing"),
    Kind("tokenizer", "tokenizers", "preprocessing.text.tokenizer", "how texts are split"),
    Kind("tracker", "trackers", "trackers", "where training can be followed"),
    Kind("format", "formats", "bm export --format", "formats of exported models"),
)

_FIXED: dict[str, dict[str, str]] = {
    "tokenizer": {
        "auto": "pieces where a tenth of the texts or more are in a script without spaces, else word.",
        "word": "Whole words, the most frequent ones of the training split.",
        "pieces": "Pieces of at most 6 characters, for scripts without spaces between words.",
        "bpe": "Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909).",
        "wordpiece": "WordPiece (Schuster and Nakajima 2012).",
    },
    "tracker": {
        "tensorboard": "Event files in the run directory.",
        "mlflow": "MLflow; needs the extra 'mlflow'.",
        "wandb": "Weights & Biases; needs the extra 'wandb'.",
    },
    "format": {
        "onnx": "ONNX, for ONNX Runtime and most other engines.",
        "saved_model": "TensorFlow SavedModel, for TensorFlow Serving.",
        "litert": "LiteRT (TensorFlow Lite), for phones and small devices; needs the extra 'litert'.",
        "hf": "Hugging Face folder, for transformers and sentence-transformers; of the model encoder.",
    },
}
"""Name and one line of each; tests hold the names against what takes them."""


def kind_of(word: str) -> Kind:
    """The kind of that name, singular or plural. UsageError for another."""
    found = next((kind for kind in KINDS if word in (kind.name, kind.plural)), None)
    if found is None:
        plurals = [kind.plural for kind in KINDS]
        hint = did_you_mean(word, plurals) or f"known: {', '.join(plurals)}"
        raise UsageError(f"there is no list of '{word}'", hint=hint)
    return found


def entries(kind: Kind) -> list[Document]:
    """Every one of that kind, by name. A plugin that cannot be imported has an `error` and nothing else."""
    if kind.name in _FIXED:
        return [{"name": name, "summary": summary} for name, summary in _FIXED[kind.name].items()]
    found = [] if kind.name != "metric" else _built_in_metrics()
    registry = registry_of(kind.name)
    for name in registry.names():
        try:
            cls = registry.get(name)
        except Exception as error:  # one broken package must not hide all others
            why = error.message if isinstance(error, BmError) else f"{type(error).__name__}: {error}"
            found.append({"name": name, "summary": "", "error": why})
        else:
            found.append(entry(kind, cls))
    return found


def names(kind: Kind) -> list[str]:
    """The names alone, without importing what they name."""
    if kind.name in _FIXED:
        return list(_FIXED[kind.name])
    built_in = _metric_names() if kind.name == "metric" else []
    return [*built_in, *registry_of(kind.name).names()]


def one(kind: Kind, name: str) -> dict[str, object]:
    """The entry of that name. UsageError if there is none, or any error of a plugin."""
    if kind.is_registry and (kind.name != "metric" or name in registry_of("metric")):
        from bmcli.config.parsing import foreign_names

        registry = registry_of(kind.name)
        other = foreign_names.NAMES.get(kind.name, {}).get(name.lower())
        if name not in registry and other is not None:
            raise UsageError(f"unknown {kind.name} '{name}'", hint=f"did you mean {other}?")
        return entry(kind, registry.get(name))
    every = {each["name"]: each for each in entries(kind)}
    if name not in every:
        hint = did_you_mean(name, every) or f"known: {', '.join(every)}"
        raise UsageError(f"unknown {kind.name} '{name}'", hint=hint)
    return every[name]


def entry(kind: Kind, cls: type[Component]) -> dict[str, object]:
    """A component: its summary, what it is for, its options, its source."""
    described: dict[str, object] = {"name": cls.registry_name, "summary": cls.summary()}
    about: Any = cls
    if kind.name == "task":  # a config names it alone
        return described
    if kind.name == "model":
        described |= {"kinds": list(about.kinds), "tasks": tasks_of(about)}
    elif kind.name == "dataset":
        described |= {"kind": about.kind, "task": about.task, "licence": about.licence}
    elif kind.name == "modality":
        described |= {"files": sorted(about.suffixes)}
    elif kind.name == "metric":
        described |= {"tasks": tasks_of(about), "greater_is_better": about.greater_is_better}
    built_in = cls.__module__.startswith("bmcli.")
    return {
        **described,
        "options": options_of(section_of(about) if kind.name == "modality" else cls),
        "source": cls.source,
        "defined_in": None if built_in else _file_of(cls),
    }


def tasks_of(about: Any) -> list[str]:
    """The tasks that a model or metric is for."""
    return known_tasks().local_names() if about.tasks is None else list(about.tasks)


def section_of(modality: Any) -> type[BaseModel] | None:
    """What holds a modality's options: its section of `preprocessing`."""
    own = PreprocessingConfig.model_fields.get(modality.registry_name)
    found: Any = modality.section if own is None else own.annotation
    return None if found is None else cast("type[BaseModel]", found)


def options_of(cls: type[BaseModel] | None) -> list[dict[str, object]]:
    """Name, type in words, default and description of every option; none of what has no options."""
    from bmcli.config.reference.field_schema import properties

    if cls is None:
        return []
    return [
        {
            "name": option,
            "type": expected(schema),
            "required": "default" not in schema,
            "default": schema.get("default"),
            "description": schema.get("description", ""),
        }
        for option, schema in properties(cls)[0].items()
    ]


def default_of(option: Document) -> str:
    """An option's default as YAML spells it; of one that has none, 'required'."""
    return "required" if option["required"] else as_written(option["default"])


def _file_of(cls: type[Component]) -> str:
    """Where a user's or a plugin's component is written."""
    import inspect

    try:
        return inspect.getfile(cls)
    except (TypeError, OSError):  # made in an interactive session
        return cls.__module__


def _descriptions() -> dict[str, str]:
    """A line about each of bm's metrics."""
    module: Any = importlib.import_module(HOMES["metric"].partition(":")[0])
    return dict(module.DESCRIPTIONS)


def _metric_names() -> list[str]:
    return [each["name"] for each in _built_in_metrics()]


def _built_in_metrics() -> list[Document]:
    """The metrics that are always computed, by task."""
    descriptions = _descriptions()
    tasks = known_tasks()
    found: dict[str, Document] = {}
    for task in tasks.local_names():
        about = tasks.get(task)
        for name, greater in about.metrics.items():
            known = found.setdefault(
                name,
                {
                    "name": name,
                    "summary": (descriptions | about.descriptions)[name],
                    "tasks": [],
                    "greater_is_better": greater,
                },
            )
            known["tasks"].append(task)
    return list(found.values())
