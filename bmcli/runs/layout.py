"""The names of all files in a run directory. No other module contains them."""

from __future__ import annotations

CONFIG = "config.yaml"
CODE = "code"
RECORD = "run.json"
MANIFEST = "manifest.json"
METRICS = "metrics.jsonl"
PREPROCESSING = "preprocessing.json"
TOKENIZER = "tokenizer.json"
INPUT_STATISTICS = "input_statistics.json"
"""Statistics of the training inputs, to detect unfamiliar inputs."""
EXAMPLES = "examples.safetensors"
"""Hashes of the contents and names of the run's examples, to recognise examples it has seen."""
COLUMNS = "columns.json"
"""For a table file: type and use of each column, with the reason."""
COEFFICIENTS = "coefficients.json"
"""Coefficients of a linear model solved in closed form, in the table's own units, float64."""
LAST = "checkpoints/last.safetensors"
PREVIOUS = "checkpoints/previous.safetensors"
BEST = "checkpoints/best.safetensors"
BEST_INDEX = "checkpoints/best.json"
"""In a complete run, instead of BEST: where in model.keras the bytes of each of its weights are."""
FROZEN = "checkpoints/frozen.safetensors"
"""In fine-tuning: the weights that are not trained from the start on, written once."""
MODEL_KERAS = "model.keras"
MODEL_ONNX = "model.onnx"
SAMPLES = "samples.safetensors"
"""Stored inputs with Keras's outputs, which an export or a later check must reproduce."""
CALIBRATION = "calibration.json"
"""Temperature and threshold, fitted on the validation split."""
EVALUATION = "evaluation"
PREDICTIONS = "predictions"
PLOTS = "plots"
EXPLANATIONS = "explanations"
EXPORTS = "exports"
REPORT = "report.html"
PROFILE = "profile.json"
"""Times of the training phases, with --profile."""
TENSORBOARD = "tensorboard"
LOG = "train.log"
LOCK = ".lock"
"""Held by the training process; distinguishes a running run from a killed one."""
MANIFEST_LOCK = ".manifest.lock"
"""Held while files and the manifest change together."""
TEMPORARY = ".tmp-"
"""Prefix of files that are still being written; leftovers of a killed process are ignored."""

NUMBERS = ".numbers.json"
"""In the runs folder: the highest number of each name, so that numbers are never reused."""
NUMBERS_LOCK = ".numbers.lock"
TAG_MOVES = ".tags.json"
"""In the runs folder, while a tag is moved: the target run, so that an interrupted move can be completed."""
TAGS_LOCK = ".tags.lock"
REMOVING = ".removing-"
"""Prefix of run directories that are being removed."""


def evaluation_of(stem: str) -> str:
    """The evaluation of a split, or of a file (`<file stem>-<hash8>`)."""
    return f"{EVALUATION}/{stem}.json"


def predictions_of(stem: str) -> str:
    """The predictions of a split or a file."""
    return f"{PREDICTIONS}/{stem}.csv"


def worst_of(stem: str) -> str:
    """The beginnings of the worst predicted texts or rows, by id."""
    return f"{PREDICTIONS}/{stem}-worst.json"


def explanations_of(split: str) -> str:
    """The explanations of the worst predictions of a split."""
    return f"{EXPLANATIONS}/{split}.json"


def explanation_image(split: str, number: int) -> str:
    """The image of one of these explanations."""
    return f"{EXPLANATIONS}/{split}-{number}.png"


def plot_of(name: str) -> str:
    """A plot."""
    return f"{PLOTS}/{name}.png"
