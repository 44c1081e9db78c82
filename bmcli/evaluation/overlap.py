"""Which examples a run has seen: in training, or on the validation split, by which its best epoch was chosen.

A run keeps 64 bits of a hash of every example's content and of its name, by split. The content is a file's
bytes, or the pixels of an array; a text but for white space; of a row what the model takes, and the target.
So an image that was encoded again is not known by its content, though in the same place by its name; and rows
of few different values may be equal by nature: the run's own test split says how often.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.core.batch import first
from bmcli.core.errors import IntegrityError
from bmcli.core.spec import SPLITS
from bmcli.data.bundle import Images, Table, Texts
from bmcli.evaluation.training_data import training_data
from bmcli.inference.weights import from_bytes, to_bytes
from bmcli.metrics.results import Seen
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.data.bundle import DataBundle, Split
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.runs.run import Run

FORMAT = "1"
FORMS = ("files", "pixels", "texts", "rows")
NAMED = 10
"""Examples that are named in an evaluation."""
PIECE = 16_384
"""Rows that are encoded at once."""


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
    contents = {name: np.sort(_contents(split, preprocessing)) for name, split in splits.items()}
    names = {name: np.sort(_names(split.ids)) for name, split in splits.items()}
    return Known(_form(bundle.train), contents, names)


def keep(run: Run, known: Known) -> None:
    """Write it into the run."""
    arrays = {f"{name} contents": array for name, array in known.contents.items()}
    arrays |= {f"{name} names": array for name, array in known.names.items()}
    run.write_bytes(layout.EXAMPLES, to_bytes(arrays, metadata={"format": FORMAT, "form": known.form}))


def load(run: Run) -> Known | None:
    """Of a run; None for one that keeps none, IntegrityError where the file is damaged."""
    if not run.exists(layout.EXAMPLES) and layout.EXAMPLES not in run.manifest():
        return None
    data = run.read_bytes(layout.EXAMPLES)
    origin = str(run.path / layout.EXAMPLES)
    arrays = from_bytes(data, origin=origin)
    try:
        metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        if metadata["format"] != FORMAT or metadata["form"] not in FORMS:
            raise ValueError("its format is not known")
        if any(array.dtype != np.uint64 or array.ndim != 1 for array in arrays.values()):
            raise ValueError("a hash is not of 64 bits")
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
            why = f"{run.id} was trained by an older bm, and its training data cannot be used ({bundle})"
            return Seen(None, None, unknown=why), nothing
        known = known_of(bundle, preprocessing)
    form = _form(split)
    if form == "files" and known.form == "pixels":
        contents = _decoded(split)
    elif form != known.form:
        why = f"{run.id} was trained on {known.form}, and these are {form}"
        return Seen(None, None, unknown=why), nothing
    else:
        contents = _contents(split, preprocessing)
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


def _form(split: Split) -> str:
    examples = split.examples
    if isinstance(examples, Images):
        return "files" if examples.arrays is None else "pixels"
    return "rows" if isinstance(examples, Table) else "texts"


def _contents(split: Split, preprocessing: Preprocessing) -> np.ndarray:
    """uint64 [N]."""
    examples = split.examples
    if isinstance(examples, Images):
        if examples.arrays is not None:
            return _hashed(_pixels(array) for array in examples.arrays)
        if examples.digests is not None:
            return _hashed(examples.digests)
        return _hashed(_file_digest(source) for source in examples.sources)
    if isinstance(examples, Texts):
        return _hashed(" ".join(text.split()).encode("utf-8", "surrogatepass") for text in examples.texts)
    return _hashed(_rows(split, examples, preprocessing))


def _names(ids: Sequence[str]) -> np.ndarray:
    return _hashed(name.encode("utf-8", "surrogatepass") for name in ids)


def _hashed(contents: Any) -> np.ndarray:
    made = b"".join(hashlib.blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(made, "<u8")


def _pixels(array: np.ndarray) -> bytes:
    little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return f"{little.dtype.str} {little.shape}\n".encode() + little.tobytes()


def _file_digest(source: str | bytes) -> bytes:
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    with Path(source).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _decoded(split: Split) -> np.ndarray:
    """Of image files as the pixels they hold: what an array of the same image has."""
    from PIL import Image

    assert isinstance(split.examples, Images)

    def pixels() -> Iterator[bytes]:
        assert isinstance(split.examples, Images)
        for path in split.examples.paths or ():
            with Image.open(path) as image:
                kept = image.mode in ("L", "RGB", "I", "I;16", "F")
                array = np.asarray(image if kept else image.convert("L" if image.mode == "1" else "RGB"))
            yield _pixels(array[:, :, None] if array.ndim == 2 else array)

    return _hashed(pixels())


def _rows(split: Split, table: Table, preprocessing: Preprocessing) -> Iterator[bytes]:
    """What the model takes of each row, and its target. A row that cannot be used is like no other."""
    for start in range(0, len(split), PIECE):
        places = np.arange(start, min(start + PIECE, len(split)))
        batch, unusable = preprocessing.usable(table.take(places))
        rows = first(batch)
        targets = np.ascontiguousarray(split.targets[places].astype("<f8"))
        encoded = iter(np.ascontiguousarray(rows.astype("<f4") + np.float32(0)))  # -0 is 0
        for i in range(len(places)):
            if i in unusable:
                yield f"unusable {split.ids[start + i]}".encode("utf-8", "surrogatepass")
            else:
                yield next(encoded).tobytes() + targets[i].tobytes()


def _places(ids: Sequence[str], path: Path, config: ExperimentConfig) -> np.ndarray | None:
    """The names that files of a folder would have in the run's training data; None for other data."""
    if config.data.path is None or not path.is_dir():
        return None
    root, here = Path(config.data.path).resolve(), path.resolve()
    if here != root and root not in here.parents:
        return None
    inside = here.relative_to(root).as_posix()
    return _names([name if inside == "." else f"{inside}/{name}" for name in ids])
