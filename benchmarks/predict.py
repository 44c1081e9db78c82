"""Predictions: one image from the shell, and 10,000 in bulk; bm against Keras.

    python benchmarks/predict.py [--rounds 5]

A small run is trained first, in a temporary folder; both sides use its weights. One image: whole wall
time of `bm predict image.png` against a script that loads model.keras (scripts/keras_predict.py). In
bulk: the test split, already as arrays, through bm's ONNX Runtime session at its default batch size,
against `model.predict` at each of several batch sizes; every process predicts once untimed, then once by
the clock.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from _sides import (
    SCRIPTS,
    Finished,
    alternate,
    begin,
    bm,
    new_parser,
    python,
    ratio,
    run,
    show,
    spread,
    write_arrays,
)

KERAS_BATCHES = (32, 64, 128, 256, 512, 1024)


def main() -> None:
    if "--bulk" in sys.argv:  # a side of ours, in its own process
        _, _, engine, arrays, model = sys.argv
        print(json.dumps(bulk(engine, Path(arrays), Path(model))))
        return
    parser = new_parser(__doc__, quick="1 round, 2,000 images in bulk")
    parser.add_argument("--config", default="cifar10_cnn", help="a named image dataset with a test split")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = begin(parser)
    rounds = 1 if arguments.quick else arguments.rounds
    limit = 2_000 if arguments.quick else 10_000
    overrides = [
        "data.validation=0",
        f"data.limit={limit}",
        "training.epochs=1",
        "preprocessing.image.normalization=unit",  # pixels from 0 to 1, as the script gives them
    ]
    with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as name:
        folder = Path(name)
        done = run(bm("train", arguments.config, *overrides, "--runs-dir", folder / "runs"))
        trained = folder / "runs" / done.stdout.strip()
        write_arrays(folder / "data.npz", arguments.config, overrides)
        run([sys.executable, "-c", _IMAGE, folder / "data.npz", folder / "image.png"])
        one_image(trained, folder / "image.png", rounds)
        in_bulk(trained, folder / "data.npz", rounds)


_IMAGE = """
import sys, numpy, PIL.Image
image = numpy.load(sys.argv[1])["x_test"][0]
PIL.Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(sys.argv[2])
"""


def one_image(trained: Path, image: Path, rounds: int) -> None:
    """Print the table of one prediction from the shell."""
    commands = {
        "bm predict": bm("predict", image, "--run", trained, "--json"),
        "Keras script": python(SCRIPTS / "keras_predict.py", trained / "model.keras", image),
    }
    for command in commands.values():  # what the disk has not read yet
        run(command)
    measured = alternate({n: partial(_again, command) for n, command in commands.items()}, rounds)
    seconds = {name: [done.seconds for done in results] for name, results in measured.items()}
    base = seconds["Keras script"]
    answers = {
        "bm predict": measured["bm predict"][0].result["index"],
        "Keras script": int(measured["Keras script"][0].stdout.split()[-2]),
    }
    rows = [
        [
            name,
            spread(seconds[name], 2),
            f"{ratio(seconds[name], base):.3f}",
            f"{max(done.peak for done in results):,.0f}",
            str(answers[name]),
        ]
        for name, results in measured.items()
    ]
    show("One image, from the shell", ["", "wall seconds", "ratio", "peak MiB", "class"], rows)


def _again(command: list[str | Path], _round: int) -> Finished:
    return run(command)


def in_bulk(trained: Path, arrays: Path, rounds: int) -> None:
    """Print the table of many predictions; ratios are to Keras's best batch size."""
    models = {"onnx": trained / "model.onnx", "keras": trained / "model.keras"}

    def rates(engine: str, _round: int) -> dict[str, float]:
        return run(python(__file__, "--bulk", engine, arrays, models[engine])).result

    measured = alternate({engine: partial(rates, engine) for engine in models}, rounds)
    by_name: dict[str, list[float]] = {}
    for results in measured.values():
        for result in results:
            for name, rate in result.items():
                by_name.setdefault(name, []).append(rate)
    theirs = [rates for name, rates in by_name.items() if name.startswith("Keras")]
    best = max(theirs, key=statistics.median)
    rows = [[name, spread(rates, 0), f"{ratio(rates, best):.2f}"] for name, rates in by_name.items()]
    show("In bulk", ["", "images per second", "ratio"], rows)


def bulk(engine: str, arrays: Path, model: Path) -> dict[str, float]:
    """Images per second in this process, by name."""
    import numpy as np

    inputs = np.load(arrays)["x_test"].astype(np.float32) / 255
    if engine == "onnx":
        from bmcli.inference.session import OnnxSession

        session = OnnxSession(model.read_bytes())
        return {"bm, ONNX Runtime": _rate(lambda: session.predict({"input": inputs}), len(inputs))}
    import keras

    loaded = keras.models.load_model(model)
    return {
        f"Keras predict, batch {size}": _rate(
            partial(loaded.predict, inputs, batch_size=size, verbose=0), len(inputs)
        )
        for size in KERAS_BATCHES
    }


def _rate(predict, images):
    predict()
    began = time.perf_counter()
    predict()
    return images / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
