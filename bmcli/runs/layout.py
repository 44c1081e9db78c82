"""The names of everything in a run directory. No other module writes one down."""

from __future__ import annotations

CONFIG = "config.yaml"
CODE = "code"
RECORD = "run.json"
MANIFEST = "manifest.json"
METRICS = "metrics.jsonl"
PREPROCESSING = "preprocessing.json"
TOKENIZER = "tokenizer.json"
INPUT_STATISTICS = "input_statistics.json"
"""What the training inputs are like: the ranges by which an odd input is told."""
EXAMPLES = "examples.safetensors"
"""Hashes of the contents and names of the run's examples: by which one that was seen is known again."""
COLUMNS = "columns.json"
"""Of a table file: what each column means, why, and what it was used for."""
COEFFICIENTS = "coefficients.json"
"""Of a linear model solved in closed form, in the table's own units, float64."""
LAST = "checkpoints/last.safetensors"
PREVIOUS = "checkpoints/previous.safetensors"
BEST = "checkpoints/best.safetensors"
MODEL_KERAS = "model.keras"
MODEL_ONNX = "model.onnx"
SAMPLES = "samples.safetensors"
"""Stored inputs and the outputs Keras gave for them: what an export or a later check must reproduce."""
CALIBRATION = "calibration.json"
"""Temperature and threshold, fitted on the validation split."""
EVALUATION = "evaluation"
PREDICTIONS = "predictions"
PLOTS = "plots"
EXPLANATIONS = "explanations"
EXPORTS = "exports"
REPORT = "report.html"
PROFILE = "profile.json"
"""Where the time of a training went, where it was asked."""
TENSORBOARD = "tensorboard"
LOG = "train.log"
LOCK = ".lock"
"""Held by the process that trains; tells a running run from one that was killed."""
MANIFEST_LOCK = ".manifest.lock"
"""Held for the moments in which files and the manifest change together."""
TEMPORARY = ".tmp-"
"""Begins the name of a file that is still being written; what a killed process leaves is ignored."""

NUMBERS = ".numbers.json"
"""In the runs folder: the highest number each name has had, so that none is used again."""
NUMBERS_LOCK = ".numbers.lock"
TAG_MOVES = ".tags.json"
"""In the runs folder, for the moments in which a tag moves: to which run, so that a move that was cut off can
be finished."""
TAGS_LOCK = ".tags.lock"
REMOVING = ".removing-"
"""Begins the name of a run directory that is being removed."""


def evaluation_of(stem: str) -> str:
    """The figures of a split, or of a scored file (`<file stem>-<hash8>`)."""
    return f"{EVALUATION}/{stem}.json"


def predictions_of(stem: str) -> str:
    """The predictions of a split or a scored file."""
    return f"{PREDICTIONS}/{stem}.csv"


def worst_of(stem: str) -> str:
    """The beginnings of the texts or rows that were answered worst, by id."""
    return f"{PREDICTIONS}/{stem}-worst.json"


def explanations_of(split: str) -> str:
    """What the run looked at in its worst answers of a split."""
    return f"{EXPLANATIONS}/{split}.json"


def explanation_picture(split: str, number: int) -> str:
    """The picture of one of those."""
    return f"{EXPLANATIONS}/{split}-{number}.png"


def plot_of(name: str) -> str:
    """A picture."""
    return f"{PLOTS}/{name}.png"
