"""Features that are computed once and read again: a file for each split, in a folder of the data home.

A file is a .npy with the SHA-256 of its bytes after its last number; its name is the SHA-256 of everything
that decides the features. It is written beside its place and moved there, so that it is whole or not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.spec import INPUT
from bmcli.core.stopwatch import phase
from bmcli.modalities.source import NamedSources
from bmcli.runs import atomic
from bmcli.runs.layout import TEMPORARY
from bmcli.training.events import FeaturesDone
from bmcli.training.feed import shortened

if TYPE_CHECKING:
    from bmcli.core.batch import Batch
    from bmcli.core.spec import DataSpec
    from bmcli.modalities.source import BatchSource
    from bmcli.training.feed import Feed
    from bmcli.training.steps.base import Tensors
    from bmcli.training.validation import Validation

MOST_BYTES = 10 * 2**30
"""Of all files together: the ones not used for the longest time make room for a new one."""
ABANDONED = 24 * 60 * 60
"""Seconds after which a file that is still being written is one of a process that was killed."""
DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Examples:
    """Examples to compute features of. source, lengths: as in `Validation`; size: of a batch."""

    split: str
    source: BatchSource
    lengths: Mapping[str, np.ndarray]
    size: int


@dataclass(frozen=True)
class FeatureCache:
    """Where features are kept.

    key: what decides them, but for the split and the weights, as JSON data; warn: called for a damaged file.
    """

    folder: Path
    key: Mapping[str, object]
    warn: Callable[[str], None]

    def features(
        self, examples: Examples, compute: Callable[[Batch], np.ndarray], weights_sha256: str
    ) -> Generator[FeaturesDone, None, np.ndarray]:
        """The features of these examples, float32 [N, ...], read from disk as they are used: found there, or
        computed. compute: of a batch of compact arrays; weights_sha256: of what it computes with.

        Reports what is done on the way. ResourceError if the folder cannot be written.
        """
        path = self.folder / f"{self._name(examples, weights_sha256)}.npy"
        if path.exists():
            try:
                return _opened(path)
            except (OSError, ValueError) as error:
                self.warn(f"the cached features {path} are damaged, and computed again: {error}")
        with atomic.resources(f"write {path}"):
            self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{TEMPORARY}{secrets.token_hex(8)}.npy"
        try:
            yield from _written(temporary, examples, compute)
            self._make_room(temporary.stat().st_size)
            atomic.write_with(path, temporary.replace)
        finally:
            temporary.unlink(missing_ok=True)
        return _opened(path)

    def _name(self, examples: Examples, weights_sha256: str) -> str:
        about = {
            **self.key,
            "split": examples.split,
            "count": len(examples.source),
            "batch": examples.size,
            "weights": weights_sha256,
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def _make_room(self, more: int) -> None:
        with suppress(OSError):  # another process may be at it
            files = sorted(self.folder.glob("*.npy"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in files:
                about = path.stat()
                if path.name.startswith(TEMPORARY):
                    if time.time() - about.st_mtime > ABANDONED:
                        path.unlink()
                    continue
                more += about.st_size
                if more > MOST_BYTES:
                    path.unlink()


def same(batch: Tensors) -> Tensors:
    """The `Finish` of features, which are what the head takes."""
    return batch


def featurised(
    cache: FeatureCache,
    feed: Feed,
    validation: Validation | None,
    spec: DataSpec,
    compute: Callable[[Batch], np.ndarray],
    weights_sha256: str,
) -> Generator[FeaturesDone, None, tuple[Feed, Validation | None]]:
    """The same examples with their features for inputs; arguments as `FeatureCache.features` takes them."""
    size = feed.batch_size if validation is None else validation.batch_size
    lengths = feed.source.used_lengths(spec.inputs)
    found = yield from cache.features(Examples("train", feed.source, lengths, size), compute, weights_sha256)
    sources = NamedSources({INPUT: found})
    feed = replace(feed, source=sources, augmentations=(), lengths={}, padded=frozenset())
    if validation is not None:
        held_out = Examples("validation", validation.source, validation.lengths, size)
        found = yield from cache.features(held_out, compute, weights_sha256)
        validation = replace(validation, source=NamedSources({INPUT: found}), lengths={})
    return feed, validation


def _opened(path: Path) -> np.ndarray:
    """The numbers of a file, left on disk. ValueError if it is not what was written."""
    size = path.stat().st_size - DIGEST
    with path.open("rb") as file:
        found = _digest(file.fileno(), size)
        if size <= 0 or os.pread(file.fileno(), DIGEST, size) != found:
            raise ValueError("its bytes do not have the SHA-256 that they should have")
    os.utime(path)  # used now
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _digest(descriptor: int, size: int) -> bytes:
    digest, block = hashlib.sha256(), 2**20
    for start in range(0, size, block):
        digest.update(os.pread(descriptor, min(block, size - start), start))
    return digest.digest()


def _written(
    path: Path, examples: Examples, compute: Callable[[Batch], np.ndarray]
) -> Iterator[FeaturesDone]:
    count, array = len(examples.source), None
    done = 0
    for positions, batch in batches(examples):
        with phase("features"):
            features = np.asarray(compute(batch)[: len(positions)], np.float32)
        if array is None:
            with atomic.resources(f"write {path}"):
                shape = (count, *features.shape[1:])
                array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
                _reserve(path, path.stat().st_size + DIGEST)
        array[positions] = features
        done += len(positions)
        yield FeaturesDone(examples.split, done, count)
    assert array is not None
    array.flush()
    with atomic.resources(f"write {path}"), path.open("r+b") as file:
        size = path.stat().st_size - DIGEST
        os.pwrite(file.fileno(), _digest(file.fileno(), size), size)


def _reserve(path: Path, size: int) -> None:
    """Make the file this large: a full disk is an error now, not a signal while its memory map is written."""
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


def batches(examples: Examples) -> Iterator[tuple[np.ndarray, Batch]]:
    """(positions, inputs) of all examples in batches of one size, those of similar length together."""
    count, lengths = len(examples.source), examples.lengths
    order = np.argsort(next(iter(lengths.values())), kind="stable") if lengths else np.arange(count)
    parts = [order[start : start + examples.size] for start in range(0, count, examples.size)]
    # The last batch is filled up, so that one compiled shape serves all.
    full = [np.resize(part, examples.size) if count > examples.size else part for part in parts]
    ahead = getattr(examples.source, "in_batches", None)
    drawn = ahead(full) if ahead is not None else (examples.source[part] for part in full)
    for part, whole, batch in zip(parts, full, drawn, strict=True):
        yield part, shortened(batch, lengths, whole)
