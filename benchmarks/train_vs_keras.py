"""`bm train` against the plain Keras script of the same network, from the shell to the result.

    python benchmarks/train_vs_keras.py [--seeds 0 1 2]

The seconds are the whole wall time of each command: imports, reading, training, and what follows. For bm
that is model.keras, model.onnx and its proof, evaluation, predictions and plots; for the script
(scripts/keras_cnn.py) `evaluate` and `save`. Both see the same images the same number of times in batches
of the same size, without validation, and tell the accuracy on the whole test split. Each seed is one round.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from _sides import (
    SCRIPTS,
    Finished,
    alternate,
    begin,
    bm,
    mean_and_error,
    new_parser,
    python,
    ratio,
    run,
    show,
    spread,
    write_arrays,
)

CONFIGS = {"cifar10_cnn": (32, 10), "mnist_cnn": (64, 5)}
"""Batch size and epochs, on both sides."""


def main() -> None:
    parser = new_parser(__doc__, quick="1 epoch of 5,000 images, cifar10_cnn alone")
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, metavar="CONFIG", default=list(CONFIGS))
    parser.add_argument(
        "--epochs", type=int, help="of both sides; default: 10 of cifar10_cnn, 5 of mnist_cnn"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one round each")
    arguments = begin(parser)
    configs, limit = arguments.configs, []
    if arguments.quick:
        configs, limit, arguments.epochs = ["cifar10_cnn"], ["data.limit=5000"], arguments.epochs or 1
    for config in configs:
        batch_size, epochs = CONFIGS[config]
        with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as folder:
            compare(config, batch_size, arguments.epochs or epochs, arguments.seeds, limit, Path(folder))


def compare(
    config: str, batch_size: int, epochs: int, seeds: list[int], limit: list[str], folder: Path
) -> None:
    """Print the table of one config."""
    overrides = [
        "data.validation=0",
        f"training.epochs={epochs}",
        f"training.batch_size={batch_size}",
        *limit,
    ]
    arrays = folder / "data.npz"
    write_arrays(arrays, config, overrides)

    def ours(seed: int) -> tuple[Finished, float]:
        done = run(bm("train", config, *overrides, f"seed={seed}", "--runs-dir", folder / "runs"))
        evaluation = folder / "runs" / done.stdout.strip() / "evaluation" / "test.json"
        return done, json.loads(evaluation.read_text())["metrics"]["accuracy"]

    def theirs(seed: int) -> tuple[Finished, float]:
        options = ["--epochs", epochs, "--batch-size", batch_size, "--seed", seed]
        script = python(SCRIPTS / "keras_cnn.py", arrays, "--save", folder / "model.keras")
        done = run([*script, *map(str, options)])
        return done, done.result["accuracy"]

    measured = alternate({"bm train": ours, "Keras script": theirs}, seeds)
    seconds = {name: [done.seconds for done, _ in results] for name, results in measured.items()}
    rows = [
        [
            name,
            spread(seconds[name]),
            f"{ratio(seconds[name], seconds['Keras script']):.2f}",
            spread([done.processor for done, _ in results]),
            f"{max(done.peak for done, _ in results):,.0f}",
            mean_and_error([accuracy for _, accuracy in results]),
        ]
        for name, results in measured.items()
    ]
    title = f"{config}, batch {batch_size}, epochs: {epochs}, seeds: {' '.join(map(str, seeds))}"
    show(title, ["", "wall seconds", "ratio", "CPU seconds", "peak MiB", "test accuracy"], rows)


if __name__ == "__main__":
    main()
