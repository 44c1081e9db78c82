"""Made-up examples of a declared shape, so that a config can be tried where its data is missing.

They are random and depend a little on the class, in a way their modality knows: enough for every stage to
run, with nothing worth learning.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bmcli import tasks
from bmcli.config.schema import DataConfig
from bmcli.core.spec import Kind, Task
from bmcli.data.bundle import Parts, Split
from bmcli.data.named import Dataset
from bmcli.modalities.base import modality_of

EXAMPLES = 200
"""Training examples, unless fewer are requested."""
EACH = 6
"""Fewest examples per class, so that every split gets some."""


def like_named(dataset: Dataset, config: DataConfig, examples: int | None) -> Parts:
    """Examples in the form of a named dataset, with the splits it brings."""
    names = [name for name in ("train", "validation", "test") if name in dataset.sizes] or ["train"]
    classes = dataset.class_names()
    splits = {
        name: _split(dataset.kind, dataset.task, classes, name, examples, dataset.shape) for name in names
    }
    return Parts(
        kind=dataset.kind,
        task=dataset.task,
        classes=classes,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        groups=_groups(splits["train"], config),
        splits_from=dict.fromkeys(names, "synthesised"),
        notes=(f"{dataset.registry_name} is not on this machine: synthesised examples of its shape",),
    )


def like_own(config: DataConfig, examples: int | None) -> Parts:
    """Examples for a `data.path` that is not there; the suffix says what the config does not."""
    path = Path(config.path or "")
    suffix = path.suffix.lower()
    is_table = suffix in (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
    kind: Kind = config.kind or ("text" if config.text is not None else "table" if is_table else "image")
    several = isinstance(config.target, list) and len(config.target) > 1
    task: Task = config.task or ("multilabel" if several or config.label_delimiter else "multiclass")
    about = config.columns.get(str(config.target))
    if config.task is None and (about if isinstance(about, str) or about is None else about.type) == "number":
        task = "regression"
    classes = tasks.of(task).synthetic_classes(config.target)
    named = config.features if config.text is None else config.text if config.pair else None
    columns = [str(name) for name in named] if isinstance(named, list) else None
    split = _split(kind, task, classes, "train", examples, None, columns)
    return Parts(
        kind=kind,
        task=task,
        classes=classes,
        train=split,
        groups=_groups(split, config),
        target_name=str(config.target) if isinstance(config.target, str | int) else "target",
        splits_from={"train": "synthesised"},
        notes=(f"{path.name} does not exist: synthesised {kind} examples, task {task}",),
    )


def _split(
    kind: Kind,
    task: Task,
    classes: tuple[str, ...],
    name: str,
    examples: int | None,
    shape: tuple[int, ...] | None,
    columns: list[str] | None = None,
) -> Split:
    # Three times as many: test and validation may have to be split off.
    size = max(3 * examples if examples is not None else EXAMPLES, EACH * max(1, len(classes)))
    random = np.random.Generator(np.random.PCG64([len(name), size]))
    level = np.arange(size) % max(2, len(classes))
    share = level / (max(2, len(classes)) - 1)
    targets = tasks.of(task).synthesise(level, len(classes), random)
    ids = tuple(f"synthesised/{name}/{i}" for i in range(size))
    return Split(modality_of(kind).synthesise(share, random, shape, columns), targets, ids)


def _groups(split: Split, config: DataConfig) -> tuple[str, ...] | None:
    """Pairs of neighbours, where the config wants groups."""
    return None if config.group is None else tuple(str(i // 2) for i in range(len(split)))
