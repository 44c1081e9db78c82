"""A first config for inspected data: commented, and accepted by `bm check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bmcli.config import dump
from bmcli.config.data_facts import modality_of
from bmcli.config.drafting.inspect import Look
from bmcli.core.registry import known_tasks

_FEW = 1_000


@dataclass(frozen=True)
class Start:
    """Pretrained weights to start from. model: as a config has it; why: for the comment."""

    model: Mapping[str, str]
    why: str


def draft(look: Look, name: str, path: str, start: Start | None = None) -> str:
    """The text of a config.

    path: the data's path as it shall be written. start: the weights that are fine-tuned; None: from scratch.
    """
    lines = [f"# A first config for {_comment(path)}, drafted from its contents:"]
    lines += [f"#   {_comment(sentence)}" for sentence in look.seen]
    lines += ["#", f"#   bm check {name}.yaml --build", f"#   bm train {name}.yaml", ""]
    lines += [f"name: {dump.inline(name)}", "", "data:", *_data(look, path)]
    if start is not None:
        lines += ["", *_pretrained(look, start), "", *_finetuning(look)]
    else:
        lines += ["", *_model(look), "", *_training(look)]
    return "\n".join(lines) + "\n"


def _data(look: Look, path: str) -> list[str]:
    lines = [_entry("path", path, "relative to this file")]
    lines += [_entry(key, value, why) for key, value, why in look.said]
    if look.text is not None:
        lines.append(_entry("text", look.text, "the column that is read"))
    if look.target is not None:
        lines.append(_entry("target", look.target, "the column that is predicted"))
    if look.label_delimiter is not None:
        lines.append(_entry("label_delimiter", look.label_delimiter, "separator of the labels in a cell"))
    if look.features:
        why = f"without {', '.join(map(str, look.left_out))}" if look.left_out else "the columns a model sees"
        lines.append(_entry("features", list(look.features), why))
    if look.delimiter is not None:
        lines.append(_entry("delimiter", look.delimiter, "cell separator"))
    if not look.header:
        lines.append(_entry("header", False, "columns are numbers, from 0"))
    if look.group is not None:
        why = "keeps rows of one group in the same split; delete this line if not intended"
        lines.append(_entry("group", look.group, why))
    if look.target is not None:
        lines.append(_entry("task", look.task, "binary, multiclass, multilabel or regression"))
    if "test" not in look.brings:
        lines.append(_entry("test", 0.2, "share split off first, only for the final evaluation"))
    if "validation" not in look.brings:
        lines.append(_entry("validation", 0.1, "share of the rest: decides which epoch is best"))
    lines += [_entry(key, value, why) for key, value, why in modality_of(look.kind).draft_data(look)]
    return lines


def _model(look: Look) -> list[str]:
    if lines := modality_of(look.kind).draft_model(look):
        return list(lines)
    if _solvable(look):
        why = "few rows: a simple model first; bm models lists others"
        return [f"model: {{name: linear, solver: closed_form}}   # {why}"]
    return ["model: {name: mlp, hidden: [64, 64]}   # bm models lists others"]


def _pretrained(look: Look, start: Start) -> list[str]:
    before = modality_of(look.kind).draft_model(look, pretrained=True)
    options = [f"  {key}: {dump.inline(value)}" for key, value in start.model.items()]
    options[-1] = options[-1].ljust(30) + f"   # {_comment(start.why)}"
    return [*before, "model:", *options]


def _finetuning(look: Look) -> list[str]:
    lines = [
        "training:",
        _entry("finetune", "all", "first the head alone, then all layers; none: the head alone, in seconds"),
        _entry("epochs", "auto", "enough for 600 steps, 3 to 20, after that of the head"),
        _entry("batch_size", 32, "examples per step"),
    ]
    if modality_of(look.kind).has_lengths:
        lines.append(_entry("batch_by_length", True, "texts of similar length together: less padding"))
    return lines


def _solvable(look: Look) -> bool:
    """Whether the weights of a linear model can be computed at once, and are good enough to begin with."""
    about = known_tasks().get(look.task) if look.task else None
    return bool(about and about.squared_error) and look.examples < _FEW


def _training(look: Look) -> list[str]:
    if _solvable(look):
        return ["training:", _entry("epochs", 1, "the weights are computed, not searched for")]
    epochs = modality_of(look.kind).draft_epochs(look.examples)
    batch = 32 if look.examples < 2_000 else 64 if look.examples < 20_000 else 128
    return [
        "training:",
        _entry("epochs", epochs, "passes over the training data; auto: enough for 1,500 steps, 10 to 100"),
        _entry("batch_size", batch, "examples per step"),
        "  optimizer: {name: adam, learning_rate: 1e-3}",
        "  schedule: cosine",
        "  early_stopping: {patience: 5}   # stop when the validation loss no longer falls",
    ]


def _entry(key: str, value: object, why: str) -> str:
    written = dump.inline(value)
    return f"  {key}: {written}".ljust(30) + f"   # {_comment(why)}"


def _comment(text: str) -> str:
    """On one line, without characters YAML does not allow."""
    return "".join(c if c.isprintable() else "?" for c in text)
