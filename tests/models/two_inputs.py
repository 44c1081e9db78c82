"""A toy with two inputs, as a user would write it: images with a row each, and a model that takes both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bmcli.data.bundle import Images, Mixed, Parts, Split, Table
from bmcli.data.named import DATASETS, Dataset
from bmcli.models import MODELS, Model

COUNT = 240


def examples(count: int = COUNT, seed: int = 0) -> tuple[Mixed, np.ndarray]:
    """Lamps: a photo whose brightness, and a row whose power, say half of the answer each."""
    random = np.random.default_rng(seed)
    bright, power = random.uniform(0, 1, count), random.uniform(0, 1, count)
    pixels = 255 * bright[:, None, None, None] * random.uniform(0.9, 1, (count, 6, 6, 1))
    colours = np.array(["red", "green", "blue"], object)[random.integers(0, 3, count)]
    parts = {
        "photo": Images(arrays=pixels.astype(np.uint8)),
        "row": Table({"power": 40 * power, "colour": colours}),
    }
    return Mixed(parts), (bright + power > 1).astype(np.int64)


@DATASETS.register("lamps")
class Lamps(Dataset):
    """Lamps that are on or off: a photo, and a row of what was measured."""

    kind = "mixed"
    task = "binary"
    classes = ("off", "on")

    def load(self, home: Path, progress: Any = None) -> Parts:
        """Made up."""
        inputs, targets = examples()
        split = Split(inputs, targets, tuple(f"all/{i}" for i in range(COUNT)))
        return Parts(kind="mixed", task="binary", classes=self.classes, train=split)


@MODELS.register("towers")
class Towers(Model):
    """A layer for each input, and a head on both."""

    kinds = ("mixed",)

    width: int = 8

    def build(self, spec: Any) -> Any:
        """Inputs by name."""
        import keras

        inputs = {one.name: keras.Input(one.shape, dtype=one.dtype, name=one.name) for one in spec.inputs}
        towers = [
            keras.layers.Dense(self.width, activation="relu", name=f"{name}_tower")(
                keras.layers.Flatten(name=f"{name}_flat")(x)
            )
            for name, x in inputs.items()
        ]
        both = keras.layers.Concatenate(name="both")(towers)
        outputs = keras.layers.Dense(spec.units, dtype="float32", name="head")(both)
        return keras.Model(inputs, outputs, name="towers")
