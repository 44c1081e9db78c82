"""The complete state of a training run as one file, and back.

A safetensors file: every array of the state by name, and the rest as JSON in its header. No pickle, bounded
by its own header, and whole or refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from bmcli.core.errors import IntegrityError
from bmcli.core.plain import Document
from bmcli.runs.documents import strict

FORMAT = 1


@dataclass(frozen=True)
class TrainingState:
    """All that training needs to continue as if it had never stopped.

    arrays: weights, random states, optimizer and averages, by name; epoch: the current one, from 1;
    step: steps done in it; progress: everything else, as strict JSON data (sums of the epoch under way, what
    watches the metrics, the records so far).
    """

    arrays: dict[str, np.ndarray]
    epoch: int
    step: int
    progress: Document


def to_bytes(state: TrainingState) -> bytes:
    """The file's content."""
    from safetensors.numpy import save

    about = {"format": FORMAT, "epoch": state.epoch, "step": state.step, "progress": state.progress}
    header = {"bm": json.dumps(about, allow_nan=False)}
    data: bytes = save({name: np.array(a, order="C") for name, a in state.arrays.items()}, metadata=header)
    return data


def from_bytes(data: bytes, *, name: str = "checkpoint") -> TrainingState:
    """The inverse; IntegrityError if the content is not such a file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
        length = int.from_bytes(data[:8], "little")
        about = strict(strict(data[8 : 8 + length])["__metadata__"]["bm"])
        if about["format"] != FORMAT:
            raise IntegrityError(
                f"{name} has format {about['format']}, but this version of bm reads format {FORMAT}"
            )
        return TrainingState(arrays, int(about["epoch"]), int(about["step"]), dict(about["progress"]))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{name} is damaged: {error}") from error
