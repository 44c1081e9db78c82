"""Inputs that are broken, or made to do harm, and what `bm` must answer to each: a module for each kind."""

from tests.faults.hostile import arrays, configs, datasets, images, inputs, models, runs, tables
from tests.faults.hostile.case import CASES, Case, Place

__all__ = [
    "CASES",
    "Case",
    "Place",
    "arrays",
    "configs",
    "datasets",
    "images",
    "inputs",
    "models",
    "runs",
    "tables",
]
