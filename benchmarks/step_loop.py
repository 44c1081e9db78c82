"""bm's step loop against Keras's `fit`: the same network, data and precision, in turn, within one process.

    python benchmarks/step_loop.py [--rounds 3] [--batch-size 128]

Prints images per second (median of the rounds) and the ratio to `fit`. The data is random:
nothing is learnt, only time is measured. Both sides compile before the clock starts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bmcli.quiet import quiet_import

IMAGES = 25_600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=128)
    arguments = parser.parse_args()
    with quiet_import():
        import keras  # noqa: F401

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, IMAGES)
    sides: dict[str, Callable[[], None]] = {}
    for precision in ("float32", "bfloat16"):
        for steps in (1, 16):
            name = f"fit, {precision}, steps_per_execution {steps}"
            sides[name] = keras_fit(pictures, labels, precision, arguments.batch_size, steps)
        sides[f"bm, {precision}"] = step_loop(pictures, labels, precision, arguments.batch_size)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        for name, epoch in sides.items():
            began = time.perf_counter()
            epoch()
            rates[name].append(IMAGES / (time.perf_counter() - began))
    print(f"{'':44}{'img/s':>8}  {'against fit':>11}")
    for name, measured in rates.items():
        precision = name.split(", ")[1]
        base = statistics.median(rates[f"fit, {precision}, steps_per_execution 1"])
        median = statistics.median(measured)
        print(f"{name:44}{median:8.0f}  {median / base:11.2f}")


def network(precision: str) -> Any:
    """The introductory CIFAR-10 network: conv 32, pool, conv 64, pool, conv 64, dense 64."""
    from bmcli.data.bundle import DataSpec
    from bmcli.models import MODELS
    from bmcli.training.precision import policy

    spec = DataSpec("image", "multiclass", (32, 32, 3), tuple("abcdefghij"))
    with policy(precision):
        return spec, MODELS.get("cnn")().build(spec)


def keras_fit(
    pictures: np.ndarray, labels: np.ndarray, precision: str, batch_size: int, steps: int
) -> Callable[[], None]:
    """An epoch by `fit` on float32 arrays, as scripts do it."""
    import keras

    _, model = network(precision)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"], steps_per_execution=steps)
    inputs = pictures.astype(np.float32) / 255

    def epoch() -> None:
        model.fit(inputs, labels, batch_size=batch_size, epochs=1, verbose=0)

    epoch()
    return epoch


def step_loop(
    pictures: np.ndarray, labels: np.ndarray, precision: str, batch_size: int
) -> Callable[[], None]:
    """An epoch by bm's trainer, from uint8 pictures."""
    from bmcli.config.schema import TrainingConfig
    from bmcli.models._head import finished
    from bmcli.training.events import EpochDone
    from bmcli.training.feed import Feed
    from bmcli.training.optimizers import Adam
    from bmcli.training.schedules import Constant
    from bmcli.training.trainer import Trainer
    from bmcli.training.watch import Watch

    spec, model = network(precision)
    config = TrainingConfig(epochs=10_000, optimizer=Adam(), schedule=Constant())
    scale = np.float32(1 / 255)
    targets = np.eye(10, dtype=np.float32)[labels]
    feed = Feed(pictures, targets, None, lambda batch: batch * scale, [], batch_size, seed=0)
    watch = Watch("loss", greater_is_better=False, keep_last=True)
    events = Trainer(model, finished(model, spec), spec, config, feed, None, watch).run()

    def epoch() -> None:
        while not isinstance(next(events), EpochDone):
            pass

    epoch()
    return epoch


if __name__ == "__main__":
    main()
