"""Reading a folder of images: from files to batches, against Keras's `image_dataset_from_directory`.

    python benchmarks/image_folder.py [--images 60000]

Small JPEGs of 10 classes are written to a temporary folder and read for two epochs without a model:
decoded, resized, shuffled, batched. Then as many are added as make four times the images. bm reads as
training does, once with decoded images kept in memory (the default, up to `data.cache_gib: 4`) and once
without (`cache_gib: 0`).

Images per second are over both epochs and all that comes before the first batch: for bm that is a look at
every file (is it whole? its SHA-256) and the mean and deviation of the pixels; for Keras the list of files.
Both import TensorFlow before the clock starts, as training would, so that it is in both peaks.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from _sides import Finished, alternate, begin, new_parser, python, ratio, run, show, spread

CLASSES, SIDE, READ_AS, BATCH, EPOCHS = 10, 64, 48, 64, 2
SIDES = ("bm, cache_gib 4", "bm, cache_gib 0", "Keras")


def main() -> None:
    if "--read" in sys.argv or "--write" in sys.argv:  # a part of ours, in its own process
        _, part, folder, *rest = sys.argv
        if part == "--write":
            write(Path(folder), *map(int, rest))
        else:
            print(json.dumps(keras_reads(folder) if rest == ["Keras"] else bm_reads(folder, float(rest[0]))))
        return
    parser = new_parser(__doc__, quick="2,000 and 8,000 images")
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = begin(parser)
    images = 2_000 if arguments.quick else arguments.images
    with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as folder:
        written = 0
        for times in (1, 4):
            print(f"writing up to {times * images:,} images ...", file=sys.stderr, flush=True)
            run(python(__file__, "--write", folder, str(written), str(times * images)))
            written = times * images
            compare(folder, written, arguments.rounds)


def compare(folder: str, images: int, rounds: int) -> None:
    """Print the table of this many images."""

    def read(side: str, _round: int) -> Finished:
        return run(python(__file__, "--read", folder, side.split()[-1]))

    measured = alternate({side: partial(read, side) for side in SIDES}, rounds)
    rates = {side: [done.result["rate"] for done in results] for side, results in measured.items()}
    rows = []
    for side, results in measured.items():
        found = [done.result for done in results]
        cells = [spread([result["before"] for result in found])]
        cells += [spread([result["epochs"][epoch] for result in found]) for epoch in range(EPOCHS)]
        cells += [spread(rates[side], 0), f"{ratio(rates[side], rates['Keras']):.2f}"]
        rows.append([side, *cells, f"{max(done.peak for done in results):,.0f}"])
    head = ["", "s to 1st batch", "s epoch 1", "s epoch 2", "images/s", "ratio", "peak MiB"]
    show(f"{images:,} images, {SIDE}×{SIDE} read as {READ_AS}×{READ_AS}", head, rows)


def write(folder: Path, start: int, end: int) -> None:
    """JPEGs number `start` to `end`: smooth random colours, each class in its folder."""
    import numpy as np
    from PIL import Image

    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(exist_ok=True)

    def one(number: int) -> None:
        coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(folder / f"class{number % CLASSES}" / f"{number:07}.jpg", quality=90)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(one, range(start, end)):
            pass


def bm_reads(folder: str, cache_gib: float) -> dict[str, Any]:
    """Seconds of bm's way: load, fit, and groups of batches as the trainer draws them."""
    from bmcli.core.quiet import quiet_import

    with quiet_import():
        import keras  # noqa: F401
    import numpy as np

    from bmcli import data
    from bmcli.config import resolve
    from bmcli.core.spec import INPUT
    from bmcli.modalities import preprocessing
    from bmcli.training.feed import Feed

    overrides = [
        f"data={{path: {json.dumps(folder)}, test: 0, validation: 0, cache_gib: {cache_gib}}}",
        f"preprocessing.image.size={READ_AS}",
    ]
    config = resolve.load("images_folder", overrides)
    began = time.perf_counter()
    bundle = data.load(config.data, preprocessing=config.preprocessing)
    fitted, _ = preprocessing.fit(bundle, config.preprocessing, cache_gib=config.data.cache_gib)
    targets = np.eye(CLASSES, dtype=np.float32)[bundle.train.targets]
    feed = Feed(fitted.source(bundle.train.examples), targets, None, [], BATCH, seed=0)

    def epoch(number: int) -> Any:
        return (
            batch for group in feed.groups(number, start=0, size=lambda: 16) for batch in group.inputs[INPUT]
        )

    return _timed(epoch, began)


def keras_reads(folder: str) -> dict[str, Any]:
    """Seconds of Keras's way, as its tutorials write it."""
    import keras

    began = time.perf_counter()
    dataset = keras.utils.image_dataset_from_directory(
        folder, image_size=(READ_AS, READ_AS), batch_size=BATCH, seed=0, verbose=False
    )
    return _timed(lambda _number: (batch for batch, _ in dataset), began)


def _timed(epoch: Any, began: float) -> dict[str, Any]:
    images, seconds, first = 0, [], 0.0
    start = began
    for number in range(1, EPOCHS + 1):
        for batch in epoch(number):
            first = first or time.perf_counter() - began
            images += len(batch)
        now = time.perf_counter()
        seconds.append(now - max(start, began + first) if number == 1 else now - start)
        start = now
    return {"before": first, "epochs": seconds, "rate": images / (start - began)}


if __name__ == "__main__":
    main()
