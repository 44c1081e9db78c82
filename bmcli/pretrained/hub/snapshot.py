"""Fetch a repository of the hub into the data home: the files that are needed, whole and verified."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from bmcli.core.errors import ConfigError, DataError, IntegrityError, ResourceError
from bmcli.core.number_format import size as shown_size
from bmcli.files.download import File, Progress, data_home, digest_of, fetch, offline
from bmcli.pretrained import tensors, tokenizer
from bmcli.pretrained.documents import MOST
from bmcli.pretrained.hub import places
from bmcli.pretrained.hub.names import MAIN, HubName
from bmcli.pretrained.hub.server import Hub, Listed, Listing

INCOMPLETE = "incomplete"
"""Where a snapshot grows, beside `snapshots`."""
TOKENIZER = tokenizer.TOKENIZER
VOCABULARIES = (tokenizer.WORDS, tokenizer.PIECES, tokenizer.MERGES)
"""Of a repository without a tokenizer.json."""
SMALL: tuple[tuple[str, int], ...] = (
    ("config.json", MOST),
    ("1_Pooling/config.json", MOST),
    ("modules.json", MOST),
    ("README.md", 4 * MOST),
    ("LICENSE*", MOST),
    (tokenizer.OPTIONS, MOST),
    (tokenizer.SPECIAL, MOST),
    (tokenizer.ADDED, MOST),
    *((name, tokenizer.MOST) for name in (TOKENIZER, *VOCABULARIES)),
    (tensors.INDEX, tensors.MOST_INDEX),
)
"""Files that are fetched where a repository has them (patterns), and the largest number of bytes of each."""
MOST_WEIGHTS = 64 * 2**30
"""Bytes of the weights of a repository, in all."""
MOST_SHARDS = 200


def fetch_snapshot(
    name: HubName, progress: Progress | None = None, examine: Callable[[Path], object] | None = None
) -> Path:
    """The folder of a repository's files, downloaded but for those that are here.

    progress: called with the name, and bytes done and in all. examine: called with the folder when all but
    the weights are in it; what it raises ends the download.

    DataError when offline, unreachable or refused, ConfigError for a repository without weights that can be
    read, IntegrityError for files or a listing that are not as they should be, ResourceError if there is no
    room.
    """
    if offline():
        raise DataError(
            f"{name} is not on this machine, and BM_OFFLINE prevents its download", hint=places.by_hand(name)
        )
    from filelock import FileLock

    hub = Hub()
    listing = hub.listing(name)
    repository = places.own_home() / name.folder
    try:
        repository.mkdir(parents=True, exist_ok=True)
        with FileLock(repository / ".lock"):
            folder = places.found(name.at(listing.commit))  # another process may have been quicker
            if folder is None or _lacks(folder, listing):
                folder = _Fetching(hub, listing, progress).into(repository, examine)
            if name.commit is None:
                _write_ref(repository / places.REFS / (name.revision or MAIN), listing.commit)
    except OSError as error:
        raise ResourceError(
            f"cannot write {repository}: {error.strerror or error}",
            hint="free some space, or set BM_DATA_HOME to a writable folder",
        ) from error
    return folder


class _Fetching:
    """One repository at one commit, on its way here."""

    def __init__(self, hub: Hub, listing: Listing, progress: Progress | None) -> None:
        self._hub, self._listing, self._progress = hub, listing, progress
        self._about: dict[str, Listed] = {}
        self._done = 0

    def into(self, repository: Path, examine: Callable[[Path], object] | None) -> Path:
        """Fetch all that is needed; the folder of the snapshot."""
        files = self._listing.files
        index = None if tensors.WEIGHTS in files else tensors.INDEX
        if index is not None and index not in files:
            raise _no_weights(self._listing)
        grown = repository / INCOMPLETE / self._listing.commit
        small = _small(files)
        if index is None:
            self._learn([*small, tensors.WEIGHTS], grown)
            self._fetch(small, grown)
            weights = [tensors.WEIGHTS]
        else:
            self._learn([*small, index], grown)
            self._fetch([*small, index], grown)
            weights = sorted(set(tensors.shard_names(grown / index).values()))
            self._require_shards(weights)
            self._learn(weights, grown)
        if examine is not None:
            examine(grown)
        self._fetch(weights, grown)
        return _settled(grown, repository / places.SNAPSHOTS / self._listing.commit)

    def _require_shards(self, names: list[str]) -> None:
        if missing := [one for one in names if one not in self._listing.files]:
            raise IntegrityError(f"{self._listing.name} has no {missing[0]}, which {tensors.INDEX} names")
        if len(names) > MOST_SHARDS:
            raise IntegrityError(f"{self._listing.name} has its weights in {len(names):,} files")

    def _learn(self, paths: Iterable[str], grown: Path) -> None:
        """Sizes and hashes. IntegrityError for a file larger than such a file can be, ResourceError if they
        do not fit on the disk."""
        for path in paths:
            found = self._listing.files[path]
            if found.size is None or found.digest is None:
                found = self._hub.about(self._listing.name, self._listing.commit, path)
            if found.size is None:
                raise DataError(f"{path} of {self._listing.name}: {self._hub.endpoint} does not say its size")
            most = _most(path) or MOST_WEIGHTS
            if found.size > most:
                raise IntegrityError(
                    f"{path} of {self._listing.name} has {found.size:,} bytes, more than the {most:,} that "
                    "such a file may have"
                )
            self._about[path] = found
        if self._whole > MOST_WEIGHTS:
            raise IntegrityError(f"{self._listing.name} has more than {MOST_WEIGHTS:,} bytes")
        here = sum(one.stat().st_size for one in grown.rglob("*") if one.is_file())
        free = shutil.disk_usage(data_home() if data_home().exists() else Path.home()).free
        if self._whole - here > free:
            raise ResourceError(
                f"{self._listing.name} takes {shown_size(self._whole)}, and {shown_size(free)} are free",
                hint="free some space, or set BM_DATA_HOME to a folder on another disk",
            )

    @property
    def _whole(self) -> int:
        """Bytes of all files that are known so far."""
        return sum(one.size or 0 for one in self._about.values())

    def _fetch(self, paths: Iterable[str], grown: Path) -> None:
        name, commit = self._listing.name, self._listing.commit
        for path in paths:
            about = self._about[path]
            assert about.digest is not None
            file = File(path, self._hub.url_of(name, commit, path), about.digest, about.size)
            if (grown / path).is_file() and digest_of(grown / path, about.digest) != about.digest:
                (grown / path).unlink()
            _copy_from_cache(places.cache() / name.folder / places.SNAPSHOTS / commit / path, file, grown)
            fetch(file, grown, self._advance, self._hub)
            self._done += about.size or 0
            self._advance(path, 0, 0)

    def _advance(self, _: str, done: int, __: int) -> None:
        if self._progress is not None:
            self._progress(str(self._listing.name), self._done + done, self._whole)


def _most(path: str) -> int | None:
    """The largest number of bytes of a file that is fetched beside weights; None for other files."""
    return next((most for pattern, most in SMALL if fnmatchcase(path, pattern)), None)


def _small(files: Collection[str]) -> list[str]:
    """The files beside the weights that are needed, of those that a repository has."""
    beside = (path for path in sorted(files) if _most(path) is not None and path != tensors.INDEX)
    return [path for path in beside if path not in VOCABULARIES or TOKENIZER not in files]


def _lacks(folder: Path, listing: Listing) -> bool:
    """Whether a folder has not all the small files of the repository, as a cache that was filled by another
    program may not."""
    return not all((folder / path).is_file() for path in _small(listing.files))


def _copy_from_cache(source: Path, file: File, grown: Path) -> None:
    """Take a file from the user's cache, where it is the one that is wanted."""
    target = grown / file.path
    if target.exists() or not source.is_file() or source.stat().st_size != file.size:
        return
    if digest_of(source, file.sha256) == file.sha256:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.copy")
        shutil.copyfile(source, part)
        part.replace(target)


def _settled(grown: Path, folder: Path) -> Path:
    """Move what is complete into the folder of the snapshot; the file without which it is not one comes
    last."""
    files = [one for one in grown.rglob("*") if one.is_file() and one.suffix not in (".lock", ".part")]
    for file in sorted(files, key=lambda one: one == grown / places.CONFIG):
        target = folder / file.relative_to(grown)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
    shutil.rmtree(grown)
    return folder


def _write_ref(file: Path, commit: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.write_text(commit, "ascii")
    part.replace(file)


def _no_weights(listing: Listing) -> ConfigError:
    """What is said of a repository without safetensors."""
    name = listing.name
    pickled = [one for one in tensors.PICKLED if one in listing.files]
    if pickled:
        folder = name.repository.rpartition("/")[2]
        return ConfigError(
            f"{name} has only {pickled[0]}, which is pickled: reading it would execute what is in it; "
            f"{tensors.WEIGHTS} is needed",
            hint="if you trust it, convert it where transformers and torch are installed, and write the "
            f"folder's path: {tensors.conversion(name.repository, folder)}",
        )
    others = [one for one in tensors.FOREIGN if one in listing.files]
    have = f"; {', '.join(others)} cannot be read" if others else ""
    return ConfigError(f"{name} has no {tensors.WEIGHTS}{have}")
