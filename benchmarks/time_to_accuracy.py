"""How long until a test accuracy is reached: `bm train CONFIG`, against the plain Keras script.

    python benchmarks/time_to_accuracy.py [CONFIG ...] [--target 0.66] [--rounds 1]

For bm: wall seconds from the shell until `bm train CONFIG` has ended, as the config stands but for
`validation: 0`, and the accuracy of the run on the test split. For the script (scripts/keras_cnn.py): as
many epochs as it needs, the seconds of its looks at the test set taken off. All configs must be of the
first one's data.
"""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

from _sides import (
    SCRIPTS,
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


class Reached(NamedTuple):
    """One command's seconds, epochs and test accuracy."""

    seconds: float
    epochs: int
    accuracy: float


def main() -> None:
    parser = new_parser(__doc__, quick="target 0.3, 2 epochs of 5,000 images")
    parser.add_argument("configs", nargs="*", metavar="CONFIG", default=["cifar10_cnn"])
    parser.add_argument("--target", type=float, default=0.66, help="test accuracy")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes to every config")
    parser.add_argument("--batch-size", type=int, default=32, help="of the Keras script")
    parser.add_argument("--most-epochs", type=int, default=50, help="where the Keras script gives up")
    parser.add_argument("--rounds", type=int, default=1, help="each with another seed")
    arguments = begin(parser)
    overrides = ["data.validation=0", *arguments.set]
    if arguments.quick:
        arguments.target = 0.3
        overrides += ["data.limit=5000", "training.epochs=2"]
    with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as name:
        folder = Path(name)
        write_arrays(folder / "data.npz", arguments.configs[0], overrides)
        sides = {
            f"bm train {config}": partial(ours, config, overrides, folder) for config in arguments.configs
        }
        options = ["--until", arguments.target, "--batch-size", arguments.batch_size]
        options += ["--epochs", arguments.most_epochs]
        sides["Keras script"] = partial(theirs, folder, [str(word) for word in options])
        measured = alternate(sides, arguments.rounds)
    base = [reached.seconds for reached in measured["Keras script"]]
    rows = []
    for name, results in measured.items():
        seconds = [reached.seconds for reached in results]
        accuracies = [reached.accuracy for reached in results]
        there = sum(accuracy >= arguments.target for accuracy in accuracies)
        rows.append(
            [
                name,
                spread([reached.epochs for reached in results], 0),
                spread(seconds),
                f"{ratio(seconds, base):.2f}",
                mean_and_error(accuracies),
                f"{there} of {len(results)}",
            ]
        )
    title = f"Time to a test accuracy of {arguments.target}"
    show(title, ["", "epochs", "wall seconds", "ratio", "test accuracy", "reached"], rows)


def ours(config: str, overrides: list[str], folder: Path, seed: int) -> Reached:
    """`bm train`, to its end."""
    done = run(bm("train", config, *overrides, f"seed={seed}", "--runs-dir", folder / "runs"))
    path = folder / "runs" / done.stdout.strip()
    accuracy = json.loads((path / "evaluation" / "test.json").read_text())["metrics"]["accuracy"]
    return Reached(done.seconds, json.loads((path / "run.json").read_text())["epochs"], accuracy)


def theirs(folder: Path, options: list[str], seed: int) -> Reached:
    """The script, until its test accuracy is high enough."""
    script = python(SCRIPTS / "keras_cnn.py", folder / "data.npz", "--save", folder / "model.keras")
    done = run([*script, "--seed", str(seed), *options])
    return Reached(
        done.seconds - done.result["seconds_aside"], done.result["epochs"], done.result["accuracy"]
    )


if __name__ == "__main__":
    main()
