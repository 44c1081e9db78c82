"""The names of everything in a run directory. No other module writes one down."""

from __future__ import annotations

CONFIG = "config.yaml"
CODE = "code"
RECORD = "run.json"
MANIFEST = "manifest.json"
METRICS = "metrics.jsonl"
PREPROCESSING = "preprocessing.json"
TOKENIZER = "tokenizer.json"
LAST = "checkpoints/last.safetensors"
PREVIOUS = "checkpoints/previous.safetensors"
BEST = "checkpoints/best.safetensors"
MODEL_KERAS = "model.keras"
MODEL_ONNX = "model.onnx"
SAMPLES = "samples.safetensors"
"""Stored inputs and the outputs Keras gave for them: what an export or a later check must reproduce."""
EVALUATION = "evaluation"
PREDICTIONS = "predictions"
PLOTS = "plots"
EXPORTS = "exports"
REPORT = "report.html"
TENSORBOARD = "tensorboard"
LOG = "train.log"
LOCK = ".lock"


def evaluation_of(stem: str) -> str:
    """The figures of a split, or of a scored file (`<file stem>-<hash8>`)."""
    return f"{EVALUATION}/{stem}.json"


def predictions_of(stem: str) -> str:
    """The predictions of a split or a scored file."""
    return f"{PREDICTIONS}/{stem}.csv"


def plot_of(name: str) -> str:
    """A picture."""
    return f"{PLOTS}/{name}.png"
