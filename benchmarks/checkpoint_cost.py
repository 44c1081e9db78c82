"""What saving costs: the same training with checkpoints and without, in turn, within one process.

    python benchmarks/checkpoint_cost.py [--config cifar10_cnn] [--rounds 4] [--epochs 4]

Prints seconds per epoch (median of the rounds), validation included, and the ratio. The clock starts with
the end of the first epoch, in which TensorFlow compiles.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

from bmcli.config import resolve
from bmcli.core.quiet import prepare as silence
from bmcli.experiments import checkpointing
from bmcli.experiments.display import Event, Silent
from bmcli.experiments.fit import fit
from bmcli.experiments.prepare import Experiment, build, make_trainer, prepare
from bmcli.experiments.signals import stop_requests
from bmcli.experiments.trackers import Trackers
from bmcli.runs.store import RunStore
from bmcli.training.events import EpochDone


class Clock:
    """When each epoch ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def handle(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self.ends.append(time.perf_counter())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", default="cifar10_cnn")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="only to try it out: 1 round of 2 epochs")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.epochs = 1, 2
    silence()
    config = resolve.load(arguments.config, [f"training.epochs={arguments.epochs}"])
    experiment = prepare(config, display=Silent())
    seconds: dict[str, list[float]] = {"with checkpoints": [], "without": []}
    for number in range(2 * arguments.rounds):
        # a b b a a b b a: neither side is always the first after a pause.
        kept = number % 4 in (0, 3)
        seconds["with checkpoints" if kept else "without"].append(epoch_seconds(experiment, checkpoints=kept))
    base = statistics.median(seconds["without"])
    print(f"{arguments.config:20}{'s per epoch':>12}{'ratio':>8}")
    for name, measured in seconds.items():
        print(f"{name:20}{statistics.median(measured):12.3f}{statistics.median(measured) / base:8.3f}")


def epoch_seconds(experiment: Experiment, *, checkpoints: bool) -> float:
    """Of a whole training but its first epoch."""
    network, complete = build(experiment)
    trainer = make_trainer(experiment, network, complete)
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, stop_requests() as stop:
        run = RunStore(Path(folder)).create("cost")
        trackers = Trackers(run, {}, [], epoch=trainer.epoch, warn=print)
        with mock.patch.object(checkpointing, "save", checkpointing.save if checkpoints else _nothing):
            fit(run, experiment, trainer, clock, trackers, stop)
        ended = time.perf_counter()
        run.seal("completed")
    return (ended - clock.ends[0]) / (len(clock.ends) - 1)


def _nothing(*_: object, **__: object) -> None:
    pass


if __name__ == "__main__":
    main()
