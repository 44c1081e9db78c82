"""Images per second of the training steps alone: bm's loop, Keras's `fit`, PyTorch.

    python benchmarks/throughput.py [--batch-size 128] [--rounds 3]

The introductory CIFAR-10 network: conv 32, pool, conv 64, pool, conv 64, flatten, dense 64, dense 10; 3x3,
valid, ReLU; Adam 0.001. The images are random: nothing is learnt, only time is measured. Every side has a
fresh process per round, which first takes one untimed epoch, in which it compiles.

bm starts from uint8 images and normalises them on the way, as in training; the others have float32
arrays. PyTorch is an extra (`pip install 'bmcli[bench]'`); it takes its batches from a tensor in memory,
without a DataLoader, which its tutorials have; in its own memory layout, as they do, and in the one its
performance guide recommends for images, channels last.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from _sides import alternate, begin, new_parser, python, ratio, run, show, spread

Epoch = Callable[[], Any]


def main() -> None:
    parser = new_parser(__doc__, quick="1 round of 1 epoch of 6,400 images")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=25_600, help="per epoch")
    parser.add_argument("--epochs", type=int, default=2, help="timed ones per round")
    parser.add_argument("--side", choices=SIDES, metavar="SIDE", help="measure only this one, right here")
    if "--side" in sys.argv:
        arguments = parser.parse_args()
        print(json.dumps(rate(arguments.side, arguments.images, arguments.batch_size, arguments.epochs)))
        return
    arguments = begin(parser)
    if arguments.quick:
        arguments.rounds, arguments.images, arguments.epochs = 1, 6_400, 1
    present = [name for name in SIDES if "PyTorch" not in name or find_spec("torch")]

    def measure(name: str, _round: int) -> float:
        sizes = (arguments.batch_size, arguments.images, arguments.epochs)
        options = zip(("--batch-size", "--images", "--epochs"), map(str, sizes), strict=True)
        return run(python(__file__, "--side", name, *(word for pair in options for word in pair))).result

    rates = alternate({name: partial(measure, name) for name in present}, arguments.rounds)
    base = rates["Keras fit, float32"]
    rows = [
        [name, spread(rates[name], 0), f"{ratio(rates[name], base):.2f}"]
        if name in rates
        else [name, "not installed: pip install 'bmcli[bench]'", ""]
        for name in SIDES
    ]
    show(f"Training steps, batch {arguments.batch_size}", ["", "images per second", "ratio"], rows)


def rate(side: str, images: int, batch_size: int, epochs: int) -> float:
    """Images per second of one side, in this process: the median over the epochs."""
    import numpy as np

    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
    epoch = SIDES[side](inputs, rng.integers(0, 10, images), batch_size)
    epoch()
    rates = []
    for _ in range(epochs):
        began = time.perf_counter()
        epoch()
        rates.append(images / (time.perf_counter() - began))
    return statistics.median(rates)


def scaled(batch: dict[str, Any]) -> dict[str, Any]:
    """Pixels from 0 to 1, within the compiled step."""
    from keras import ops

    return {name: ops.cast(pixels, "float32") / 255 for name, pixels in batch.items()}


def bm_loop(precision: str, inputs: Any, labels: Any, batch_size: int) -> Epoch:
    """An epoch by bm's trainer, fed as in training."""
    import numpy as np

    from bmcli.config.schema import TrainingConfig
    from bmcli.core.spec import INPUT, DataSpec
    from bmcli.modalities.source import NamedSources
    from bmcli.models import MODELS
    from bmcli.models._head import finished
    from bmcli.training import device
    from bmcli.training import precision as precisions
    from bmcli.training.events import EpochDone
    from bmcli.training.feed import Feed
    from bmcli.training.optimizers.adam import Adam
    from bmcli.training.schedules.constant import Constant
    from bmcli.training.steps import select, threads
    from bmcli.training.trainer import Trainer
    from bmcli.training.watch import Watch

    cnn = MODELS.get("cnn")()
    config = TrainingConfig(epochs=10_000, batch_size=batch_size, optimizer=Adam(), schedule=Constant())
    gpu = device.select("auto", threads.suiting(cnn, config))
    spec = DataSpec.single("image", "multiclass", (32, 32, 3), tuple("abcdefghij"))
    with precisions.policy(precisions.resolve(precision, gpu=gpu)):
        model = cnn.build(spec)
    targets = np.eye(10, dtype=np.float32)[labels]
    feed = Feed(NamedSources({INPUT: inputs}), targets, None, [], batch_size, seed=0)
    watch = Watch("loss", greater_is_better=False, keep_last=True)
    parts = select.parts(cnn, config, gpu=gpu)
    events = Trainer(model, finished(model, spec), spec, config, feed, scaled, None, watch, parts).run()

    def epoch() -> None:
        while not isinstance(next(events), EpochDone):
            pass

    return epoch


def keras_fit(policy: str, steps: int, inputs: Any, labels: Any, batch_size: int) -> Epoch:
    """An epoch by `fit` on float32 arrays; steps: how many one call of the compiled function takes."""
    import keras
    from keras import layers

    keras.config.set_dtype_policy(policy)
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax", dtype="float32"),
        ]
    )
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps,
    )
    scaled = inputs.astype("float32") / 255
    return lambda: model.fit(scaled, labels, batch_size=batch_size, epochs=1, verbose=0)


def pytorch(autocast: bool, channels_last: bool, inputs: Any, labels: Any, batch_size: int) -> Epoch:
    """An epoch of the usual loop, loss and accuracy summed; on the GPU where there is one."""
    import torch
    from torch import nn

    place = "cuda" if torch.cuda.is_available() else "cpu"
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = nn.Sequential(
        *(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10)),
    ).to(place, memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()
    scaled = torch.from_numpy(inputs).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=layout)
    scaled, targets = scaled.to(place), torch.from_numpy(labels).to(place)

    def epoch() -> None:
        total, right = torch.zeros((), device=place), torch.zeros((), device=place)
        order = torch.randperm(len(scaled), device=place)
        for chosen in order.split(batch_size):
            batch, wanted = scaled[chosen].contiguous(memory_format=layout), targets[chosen]
            optimizer.zero_grad()
            with torch.autocast(place, dtype=torch.bfloat16, enabled=autocast):
                outputs = model(batch)
                loss = loss_of(outputs, wanted)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            right += (outputs.argmax(1) == wanted).sum()
        total.item(), right.item()

    return epoch


SIDES: dict[str, Callable[[Any, Any, int], Epoch]] = {
    "bm, precision auto": partial(bm_loop, "auto"),
    "bm, float32": partial(bm_loop, "float32"),
    "Keras fit, float32": partial(keras_fit, "float32", 1),
    "Keras fit, mixed_bfloat16": partial(keras_fit, "mixed_bfloat16", 1),
    "Keras fit, mixed_bfloat16, 16 steps per execution": partial(keras_fit, "mixed_bfloat16", 16),
    "PyTorch, float32": partial(pytorch, False, False),
    "PyTorch, bfloat16 autocast": partial(pytorch, True, False),
    "PyTorch, bfloat16 autocast, channels last": partial(pytorch, True, True),
}
"""Name to what makes its epoch, given uint8 images [N, 32, 32, 3], labels [N] and the batch size."""


if __name__ == "__main__":
    main()
