"""Which examples a run has seen: in training, or on the validation split, by which its best epoch was chosen.

A run keeps 64 bits of a hash of every example's content and of its name, by split. The content is a file's
bytes, or the pixels of an array; a text but for white space; of a row what the model takes, and the target.
So an image that was encoded again is not known by its content, though in the same place by its name; and rows
of few different values may be equal by nature: the run's own test split says how often.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import IntegrityError
from bmcli.core.spec import SPLITS
from bmcli.evaluation.training_data import training_data
from bmcli.inference.weights import from_bytes, to_bytes
from bmcli.metrics.results import Seen
from bmcli.modalities.base import modality_of
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.data.bundle import DataBundle, Split
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.runs.run import Run

FORMAT = "1"
NAMED = 10
"""Examples that are named in an evaluation."""


@dataclass(frozen=True)
class Known:
    """Of a run's examples, by split: hashes of their contents and names, uint64, sorted. form: 'files',
    'pixels', 'texts' or 'rows'."""

    form: str
    contents: dict[str, np.ndarray]
    names: dict[str, np.ndarray]


def known_of(bundle: DataBundle, preprocessing: Preprocessing) -> Known:
    """Of a run's data."""
    splits: dict[str, Split] = {name: split for name in SPLITS if (split := bundle.split(name)) is not None}
    form, contents = _form(bundle.train), {}
    for name, split in splits.items():
        found = _contents(split, preprocessing, _form(split))
        assert found is not None
        contents[name] = np.sort(found)
    names = {name: np.sort(_names(split.ids)) for name, split in splits.items()}
    return Known(form, contents, names)


def to_file(known: Known) -> bytes:
    """As the run keeps it, in `layout.EXAMPLES`."""
    arrays = {f"{name} contents": array for name, array in known.contents.items()}
    arrays |= {f"{name} names": array for name, array in known.names.items()}
    return to_bytes(arrays, metadata={"format": FORMAT, "form": known.form})


def load(run: Run) -> Known | None:
    """Of a run; None for one that keeps none, IntegrityError if the file is damaged."""
    if not run.exists(layout.EXAMPLES) and layout.EXAMPLES not in run.manifest():
        return None
    data = run.read_bytes(layout.EXAMPLES)
    origin = str(run.path / layout.EXAMPLES)
    arrays = from_bytes(data, origin=origin)
    try:
        metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        if metadata["format"] != FORMAT:
            raise ValueError("its format is unknown")
        if any(array.dtype != np.uint64 or array.ndim != 1 for array in arrays.values()):
            raise ValueError("a hash does not have 64 bits")
        there = [name for name in SPLITS if f"{name} contents" in arrays]
        return Known(
            str(metadata["form"]),
            {name: np.sort(arrays[f"{name} contents"]) for name in ("train", *there)},
            {name: np.sort(arrays[f"{name} names"]) for name in ("train", *there)},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{origin} is damaged: {error}") from error


def look(
    run: Run,
    config: ExperimentConfig,
    preprocessing: Preprocessing,
    split: Split,
    path: Path,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Seen, np.ndarray]:
    """What of labelled data the run has seen, and bool [N], which examples.

    split, path: the data, and where it was read. Of a run that keeps no hashes the training data itself is
    read, where it is still there and unchanged.
    """
    nothing = np.zeros(len(split), bool)
    known = load(run)
    if known is None:
        bundle = training_data(run, config, progress)
        if isinstance(bundle, str):
            why = (
                f"{run.id} was trained by an older version of bm, and its training data cannot be used "
                f"({bundle})"
            )
            return Seen(None, None, unknown=why), nothing
        known = known_of(bundle, preprocessing)
    contents = _contents(split, preprocessing, known.form)
    if contents is None:
        why = f"{run.id} was trained on {known.form}, but these are {_form(split)}"
        return Seen(None, None, unknown=why), nothing
    places = _places(split.ids, path, config)
    found = {}
    for name in known.contents:
        found[name] = _within(contents, known.contents[name])
        # Names of a split from elsewhere count from there.
        if places is not None and not isinstance(getattr(config.data, name, None), str):
            found[name] |= _within(places, known.names[name])
    training = found["train"]
    validation = found.get("validation", nothing) & ~training
    either = training | validation
    first = tuple(split.ids[i] for i in np.flatnonzero(either)[:NAMED])
    return Seen(int(training.sum()), int(validation.sum()), first, usual=_usual(known)), either


def _usual(known: Known) -> float | None:
    test = known.contents.get("test")
    if known.form != "rows" or test is None or not len(test):
        return None
    seen = _within(test, known.contents["train"])
    if "validation" in known.contents:
        seen |= _within(test, known.contents["validation"])
    return float(seen.mean())


def _within(some: np.ndarray, known: np.ndarray) -> np.ndarray:
    """bool [n]: whether each is among the known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(some), bool)
    at = np.minimum(np.searchsorted(known, some), len(known) - 1)
    return np.asarray(known[at] == some)


def _contents(split: Split, preprocessing: Preprocessing, form: str) -> np.ndarray | None:
    """uint64 [N]; None if the examples have no such form."""
    modality = modality_of(split.examples.kind)
    found = modality.contents(split.examples, split.targets, split.ids, preprocessing, form)
    return None if found is None else _hashed(found)


def _form(split: Split) -> str:
    return modality_of(split.examples.kind).form(split.examples)


def _names(ids: Sequence[str]) -> np.ndarray:
    return _hashed(name.encode("utf-8", "surrogatepass") for name in ids)


def _hashed(contents: Iterable[bytes]) -> np.ndarray:
    made = b"".join(hashlib.blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(made, "<u8")


def _places(ids: Sequence[str], path: Path, config: ExperimentConfig) -> np.ndarray | None:
    """The names that files of a folder would have in the run's training data; None for other data."""
    if config.data.path is None or not path.is_dir():
        return None
    root, here = Path(config.data.path).resolve(), path.resolve()
    if here != root and root not in here.parents:
        return None
    inside = here.relative_to(root).as_posix()
    return _names([name if inside == "." else f"{inside}/{name}" for name in ids])
