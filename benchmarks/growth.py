"""What more data costs: wall time and peak memory of `bm train` at 1, 4 and 16 times the images.

    python benchmarks/growth.py [--rounds 1]

One epoch of cifar10_cnn without validation, from the shell to the result. `data.limit` holds for each
split, so that the test split grows with the training split, up to its own 10,000 images.
"""

from __future__ import annotations

import tempfile
from functools import partial

from _sides import Finished, alternate, begin, bm, new_parser, ratio, run, show, spread

TIMES = (1, 4, 16)


def main() -> None:
    parser = new_parser(__doc__, quick="from 500 images")
    parser.add_argument("--config", default="cifar10_cnn")
    parser.add_argument("--images", type=int, default=3_125, help="the smallest training split")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = begin(parser)
    images = 500 if arguments.quick else arguments.images
    with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as folder:

        def train(limit: int, seed: int) -> Finished:
            overrides = ["data.validation=0", f"data.limit={limit}", f"training.epochs={arguments.epochs}"]
            return run(bm("train", arguments.config, *overrides, f"seed={seed}", "--runs-dir", folder))

        sides = {f"{times * images:,} images": partial(train, times * images) for times in TIMES}
        measured = alternate(sides, arguments.rounds)
    smallest = next(iter(measured.values()))
    rows = []
    for name, results in measured.items():
        seconds, peaks = [done.seconds for done in results], [done.peak for done in results]
        rows.append(
            [
                name,
                spread(seconds),
                f"{ratio(seconds, [done.seconds for done in smallest]):.2f}",
                spread([done.processor for done in results]),
                spread(peaks, 0),
                f"{ratio(peaks, [done.peak for done in smallest]):.2f}",
            ]
        )
    title = f"bm train {arguments.config}, {arguments.epochs} epoch{'s'[: arguments.epochs > 1]}"
    show(title, ["", "wall seconds", "ratio", "CPU seconds", "peak MiB", "ratio"], rows)


if __name__ == "__main__":
    main()
