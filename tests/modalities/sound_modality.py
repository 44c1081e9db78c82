"""A modality of one's own, in one file: short sounds, as arrays of samples, and a model that takes them.

Named under `code`, or imported, it is known to bm like images, texts and tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from bmcli.core.component import Options
from bmcli.core.errors import DataError
from bmcli.explain import base as explanations
from bmcli.modalities import MODALITIES, Modality
from bmcli.modalities.contents import add_array
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.modalities.source import SingleInput
from bmcli.modalities.values import FilesRead, Words
from bmcli.models import MODELS, Model


@dataclass(frozen=True)
class Sounds:
    """N sounds of one length: samples, float32 [N, length]."""

    kind: ClassVar[str] = "sound"

    samples: np.ndarray

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, indices: Sequence[int] | np.ndarray) -> Sounds:
        return Sounds(self.samples[np.asarray(indices, np.int64)])


@dataclass(frozen=True)
class SoundEncoder(SingleInput):
    """Sounds of the training split's length, by its loudest sample."""

    kind: ClassVar[str] = "sound"

    length: int
    loudest: float

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return (self.length,)

    def encode(self, examples: Any) -> np.ndarray:
        found, problems = self.encode_usable(examples)
        if problems:
            raise DataError(f"{len(problems)} sounds cannot be used")
        return found

    def encode_usable(self, examples: Any) -> tuple[np.ndarray, dict[int, str]]:
        samples = examples.samples
        if samples.shape[1] != self.length:
            what = f"has {samples.shape[1]} samples, not {self.length}"
            return np.zeros((0, self.length), np.float32), dict.fromkeys(range(len(samples)), what)
        silent = np.flatnonzero(~np.isfinite(samples).all(axis=1)).tolist()
        return np.delete(samples, silent, axis=0), dict.fromkeys(silent, "holds NaN or infinity")

    def finish(self, batch: np.ndarray) -> np.ndarray:
        return (batch / np.float32(self.loudest)).astype(np.float32)

    def finish_tensor(self, batch: Any) -> Any:
        from keras import ops

        return ops.cast(batch, "float32") / np.float32(self.loudest)

    def remarks(self, bundle: Any, options: Any) -> tuple[Remark, ...]:
        return (Remark(f"sounds of {self.length} samples"),)

    def unfamiliar(self, examples: Any) -> Unfamiliar:
        return Unfamiliar()

    def to_json(self) -> dict[str, Any]:
        return {"length": self.length, "loudest": self.loudest}


class SoundOptions(Options):
    """How sounds become arrays."""

    gain: float = Field(1.0, gt=0, le=100, description="What samples are multiplied by.")
    side: Literal["left", "right"] = Field("left", description="The channel of a stereo sound.")


class FromSilence(explanations.Part):
    """What each sample says for the answer."""

    baseline = "silence"


@MODALITIES.register("sound")
class Sound(Modality):
    """Short sounds: .npy files in class folders, or an .npz of them."""

    words = Words("sound", "sounds", rate="sounds/s", argument="SOUND.npy", model="sound_net")
    suffixes = frozenset({".npy"})
    file_suffixes = frozenset({".npy"})
    section = SoundOptions

    def read_files(self, paths: Sequence[str], names: Sequence[str]) -> FilesRead:
        read, problems = [], {}
        for i, path in enumerate(paths):
            try:
                read.append(np.load(path, allow_pickle=False).astype(np.float32))
            except (OSError, ValueError) as error:
                problems[i] = f"is not a sound: {error}"
                read.append(np.zeros(0, np.float32))
        length = max(map(len, read), default=0)
        problems |= {i: "differs in length" for i, one in enumerate(read) if len(one) not in (0, length)}
        same = [one if len(one) == length else np.zeros(length, np.float32) for one in read]
        return FilesRead(Sounds(np.array(same, np.float32).reshape(len(same), length)), problems)

    def takes_array(self, x: np.ndarray) -> bool:
        return x.ndim == 2 and x.dtype.kind == "f"

    def from_arrays(
        self,
        arrays: Mapping[str, tuple[str, np.ndarray]],
        path: Path,
        *,
        unscaled: bool = False,
        like: Any = None,
    ) -> dict[str, Any]:
        return {split: Sounds(x.astype(np.float32)) for split, (_, x) in arrays.items()}

    def synthesise(self, level: np.ndarray, random: np.random.Generator, shape: Any, columns: Any) -> Sounds:
        return Sounds((level[:, None] + random.normal(0, 1, (len(level), 64))).astype(np.float32))

    def fit(self, data: Any, options: Any, *, cache_bytes: int) -> Any:
        samples = data.train.examples.samples
        return SoundEncoder(samples.shape[1], (float(np.abs(samples).max()) or 1.0) / options.gain)

    def load(self, part: Mapping[str, Any], files: Mapping[str, str]) -> Any:
        return SoundEncoder(int(part["length"]), float(part["loudest"]))

    def add_to_fingerprint(
        self, examples: Any, add: Callable[[Any], None], digests: Mapping[str, bytes]
    ) -> None:
        add_array(add, examples.samples)

    def corruptions(self) -> tuple[str, ...]:
        return ("hiss",)

    def corrupted(
        self, name: str, strength: int, rng: np.random.Generator, examples: Any, encoder: Any
    ) -> Iterator[Any]:
        hiss = 0.1 * strength * rng.standard_normal(examples.samples.shape, np.float32)
        yield Sounds(examples.samples + hiss)

    def explainer(self) -> Any:
        return FromSilence


@MODELS.register("sound_net")
class SoundNet(Model):
    """A single hidden layer on the spectrum that it learns."""

    kinds = ("sound",)
    units: int = 8

    def build(self, spec: Any) -> Any:
        import keras

        inputs = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")
        x = keras.layers.Dense(self.units, activation="relu", name="hidden")(inputs)
        return keras.Model(inputs, keras.layers.Dense(spec.units, dtype="float32", name="head")(x))
