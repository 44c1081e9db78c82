"""Large embedding tables, which bypass the converter to ONNX.

It copies every constant of a graph some forty times: a table of 64 MiB takes it 20 seconds and 5 GiB. So a
model is exported with a few marked rows in each table's place, and the tables are put in where the marks are
found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    from onnx import ModelProto

LARGE = 2**18
"""Bytes of a table from which it pays."""
MARKS = 3
"""Rows in its place."""


@dataclass(frozen=True)
class Table:
    """rows: float32 [n, width], as trained; marks: float32 [MARKS, width], found nowhere else."""

    rows: np.ndarray
    marks: np.ndarray


def without_tables(model: keras.Model) -> tuple[keras.Model, list[Table]]:
    """The model with placeholders for its large tables, everything else shared; itself if it has none."""
    import keras

    def is_large(layer: Any) -> bool:
        return type(layer) is keras.layers.Embedding and 4 * math.prod(layer.embeddings.shape) >= LARGE

    if not any(map(is_large, model.layers)):
        return model, []
    tables: list[Table] = []
    rng = np.random.default_rng(0)

    def replaced(layer: Any) -> object:
        if not is_large(layer):
            return layer
        rows = np.asarray(layer.embeddings, np.float32)
        marks = rng.normal(size=(MARKS, rows.shape[1])).astype(np.float32)
        small = keras.layers.Embedding(MARKS, rows.shape[1], dtype=layer.dtype_policy, name=layer.name)
        small.build(None)
        small.set_weights([marks])
        tables.append(Table(rows, marks))
        return small

    return keras.models.clone_model(model, clone_function=replaced), tables


def put_back(exported: ModelProto, tables: list[Table]) -> bool:
    """Put the tables where their marks are; False if not every one of them was found exactly once."""
    from onnx import numpy_helper

    places = []
    for table in tables:
        found = [
            tensor
            for tensor in exported.graph.initializer
            if list(tensor.dims) == list(table.marks.shape)
            and np.array_equal(numpy_helper.to_array(tensor), table.marks)
        ]
        if len(found) != 1:
            return False
        places.append(found[0])
    for tensor, table in zip(places, tables, strict=True):
        tensor.CopyFrom(numpy_helper.from_array(table.rows, tensor.name))
    return True
