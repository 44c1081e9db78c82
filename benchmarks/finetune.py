"""A pretrained text encoder: sentences per second in fine-tuning and in bulk prediction; bm against PyTorch.

    python benchmarks/finetune.py sst2.tsv all-MiniLM-L6-v2 --pytorch ~/torch/bin/python [--rounds 3]

The file has a sentence and its class in each line, separated by a tab, without a header line. Of it, some
sentences are drawn, the same for every side. PyTorch is the plain loop of scripts/pytorch_encoder.py, run by
the Python that `--pytorch` names, which needs torch and transformers; without it the table has bm alone. Both
tokenize within the measured time.

Fine-tuning: all layers, AdamW at 5e-5, linear decay, batches of 32. bm's steps are those of `bm train`, by
its trainer, with batches of similar length (`batch_by_length`), as configs/texts_minilm.yaml has it; the
batches of PyTorch are random, each padded to its longest sentence. Every side has a fresh process per round,
which first takes one epoch in which bm compiles; 'first epoch' is what that took. Prediction: bm from the
file to the labels, through ONNX Runtime, and the test split of `bm evaluate`; transformers in batches of 32
in the order of the file. Rates are the best of the timed epochs: others may be at work on the machine, and
what they take shows less in the processor's time.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from _sides import SCRIPTS, alternate, begin, bm, new_parser, python, ratio, run, show, spread

Measured = dict[str, float]
"""rate: sentences per second; processor: its milliseconds per sentence; first: seconds of the first epoch."""

MAX_LENGTH = 128
TRAINING = ("bm, precision auto", "bm, float32")
PREDICTION = ("bm predict", "bm evaluate")
BASE = "PyTorch, float32"


def main() -> None:
    parser = new_parser(__doc__, quick="1 round, 320 sentences")
    parser.add_argument("sentences", type=Path, help="TSV: a sentence, a tab, its class")
    parser.add_argument("weights", type=Path, help="folder of the encoder, as Hugging Face lays it out")
    parser.add_argument("--pytorch", metavar="PYTHON", help="an interpreter with torch and transformers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=1_600, help="sentences drawn")
    parser.add_argument("--epochs", type=int, default=1, help="timed ones per round")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--only", choices=("training", "prediction"), help="one of the two tables")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    if "--side" in sys.argv:  # a side of ours, in its own process
        print(json.dumps(side(parser.parse_args())))
        return
    arguments = begin(parser)
    if arguments.quick:
        arguments.rounds, arguments.count = 1, 320
    with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as name:
        folder = Path(name)
        drawn = folder / "sentences.jsonl"
        draw(arguments.sentences, drawn, arguments.count)
        if arguments.only != "prediction":
            training(arguments, drawn)
        if arguments.only != "training":
            prediction(arguments, drawn, folder)


def draw(source: Path, target: Path, count: int) -> None:
    """Write some of the sentences as JSON lines."""
    with source.open(encoding="utf-8", newline="") as file:
        lines = [
            {"text": row[0], "label": row[1]}
            for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if len(row) == 2
        ]
    if len(lines) < 2:
        raise SystemExit(f"{source}: expected a sentence and a class in each line, separated by a tab")
    drawn = random.Random(0).sample(lines, min(count, len(lines)))
    target.write_text("".join(json.dumps(line) + "\n" for line in drawn), encoding="utf-8")


def training(arguments: argparse.Namespace, sentences: Path) -> None:
    """Print the table of fine-tuning."""
    sides = {name: partial(ours, name, arguments, sentences, None) for name in TRAINING}
    if arguments.pytorch:
        for label, precision in (("float32", "float32"), ("bfloat16 autocast", "bfloat16")):
            sides[f"PyTorch, {label}"] = partial(theirs, "train", precision, arguments, sentences)
    title = f"Fine-tuning, batch {arguments.batch_size}"
    table(title, alternate(sides, arguments.rounds), first=True)


def prediction(arguments: argparse.Namespace, sentences: Path, folder: Path) -> None:
    """Print the table of predictions in bulk, by a run that has trained its head for an epoch."""
    config = folder / "config.json"
    tree = config_of(arguments, sentences, "float32", 1)
    tree["data"]["test"] = 0.9
    tree["training"]["finetune"] = {"layers": "none"}
    config.write_text(json.dumps(tree))
    done = run(bm("train", config, "--runs-dir", folder / "runs"))
    trained = folder / "runs" / done.stdout.strip()
    sides = {name: partial(ours, name, arguments, sentences, trained) for name in PREDICTION}
    if arguments.pytorch:
        sides[BASE] = partial(theirs, "predict", "float32", arguments, sentences)
    table("Prediction in bulk", alternate(sides, arguments.rounds), first=False)


def table(title: str, measured: Mapping[str, list[Measured]], *, first: bool) -> None:
    """Print it; ratios are to the better of PyTorch's sides."""
    rates = {name: [one["rate"] for one in all_of] for name, all_of in measured.items()}
    theirs = [name for name in measured if name.startswith("PyTorch")]
    best = max(theirs, key=lambda name: max(rates[name]), default=None)
    rows = []
    for name, all_of in measured.items():
        row = [name, spread(rates[name]), f"{ratio(rates[name], rates[best]):.2f}" if best else ""]
        row.append(spread([one["processor"] for one in all_of]))
        if first:
            row.append(spread([one["first"] for one in all_of]))
        rows.append(row)
    head = ["", "sentences per second", "ratio", "CPU ms per sentence", *(["first epoch, s"] * first)]
    show(title, head, rows)


def ours(
    name: str, arguments: argparse.Namespace, sentences: Path, trained: Path | None, _round: int
) -> Measured:
    """A side of bm, in a process of its own."""
    options: list[str | Path] = ["--side", name, *_options(arguments)]
    if trained is not None:
        options += ["--run", trained]
    result: Measured = run(python(__file__, sentences, arguments.weights, *options)).result
    return result


def theirs(
    task: str, precision: str, arguments: argparse.Namespace, sentences: Path, _round: int
) -> Measured:
    """A side of PyTorch, by the interpreter that has it."""
    script = [arguments.pytorch, SCRIPTS / "pytorch_encoder.py", task, sentences, arguments.weights]
    options = ["--precision", precision, "--max-length", str(MAX_LENGTH), *_options(arguments)]
    result: Measured = run([*script, *options]).result
    return result


def _options(arguments: argparse.Namespace) -> list[str]:
    return ["--batch-size", str(arguments.batch_size), "--epochs", str(arguments.epochs)]


def config_of(arguments: argparse.Namespace, sentences: Path, precision: str, epochs: int) -> dict[str, Any]:
    """As configs/texts_minilm.yaml has it."""
    return {
        "name": "benchmark",
        "data": {
            "path": str(sentences),
            "kind": "text",
            "text": "text",
            "target": "label",
            "validation": 0,
            "test": 0,
        },
        "preprocessing": {"text": {"max_length": MAX_LENGTH}},
        "model": {"name": "encoder", "weights": str(arguments.weights.absolute())},
        "training": {
            "epochs": epochs,
            "batch_size": arguments.batch_size,
            "batch_by_length": True,
            "precision": precision,
            "optimizer": {"name": "adamw", "learning_rate": 5e-5},
            "schedule": {"name": "linear", "warmup_epochs": 0.3},
        },
    }


# === bm's sides, in a process of their own =================================================================


def side(arguments: argparse.Namespace) -> Measured:
    """The measurement of one side."""
    name = arguments.side
    if name in TRAINING:
        epoch, count = trainer_of(arguments, name.partition(", ")[2].removeprefix("precision "))
    else:
        epoch, count = {"bm predict": predictor_of, "bm evaluate": evaluation_of}[name](arguments)
    return measured(epoch, count, arguments.epochs)


def trainer_of(arguments: argparse.Namespace, precision: str) -> tuple[Callable[[], object], int]:
    """An epoch by bm's trainer, and how many sentences it has."""
    from bmcli.config import resolve
    from bmcli.experiments.start import start
    from bmcli.runs.store import RunStore
    from bmcli.training.events import EpochDone

    tree = config_of(arguments, arguments.sentences, precision, arguments.epochs + 1)
    started = start(resolve.load(tree), RunStore(Path("nowhere")), alone=True)
    events = started.trainer.run()

    def epoch() -> None:
        while not isinstance(next(events), EpochDone):
            pass

    return epoch, len(started.trainer.feed.source)


def predictor_of(arguments: argparse.Namespace) -> tuple[Callable[[], object], int]:
    """What predicts the file as `bm predict` does, and how many sentences that are."""
    from bmcli.inference import inputs
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.predictor import open_predictor
    from bmcli.runs.store import RunStore

    opened = OpenedRun(RunStore(arguments.run.parent).find(arguments.run.name))
    predictor = open_predictor(opened)
    reading = opened.reading(texts=False, lines=False)
    count = len(arguments.sentences.read_text(encoding="utf-8").splitlines())

    def epoch() -> None:
        pieces = predictor.stream(inputs.read([str(arguments.sentences)], reading))
        found = sum(len(predictions) for predictions, _ in pieces)
        assert found == count

    return epoch, count


def evaluation_of(arguments: argparse.Namespace) -> tuple[Callable[[], object], int]:
    """What predicts the run's test split as `bm evaluate` does, and how many sentences it has."""
    from bmcli.evaluation.measure import prepare
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.store import RunStore

    ready = prepare(OpenedRun(RunStore(arguments.run.parent).find(arguments.run.name)))
    return lambda: ready.predict(ready.split.examples), len(ready.split)


def measured(epoch: Callable[[], object], count: int, epochs: int) -> Measured:
    """The fastest of the timed epochs, after one that is not."""
    began = time.perf_counter()
    epoch()
    first = time.perf_counter() - began
    seconds, processor = [], []
    for _ in range(epochs):
        began, used = time.perf_counter(), time.process_time()
        epoch()
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return {"rate": count / min(seconds), "processor": 1000 * min(processor) / count, "first": first}


if __name__ == "__main__":
    main()
