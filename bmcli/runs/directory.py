"""The files of a run directory: writes are atomic, reads are verified."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bmcli.core.errors import IntegrityError, Problem, ResourceError
from bmcli.runs import atomic, layout, safe_paths
from bmcli.runs import manifest as manifests
from bmcli.runs.lock import TrainingLock, exclusive
from bmcli.runs.manifest import Manifest

_ATTEMPTS = 3

_LARGEST = {".json": 256 << 20, ".jsonl": 256 << 20, ".yaml": 64 << 20, ".csv": 4 << 30, ".png": 256 << 20}
"""Largest sizes, by suffix, of files that are read as a whole: far more than bm writes, and less than a
sparse file can pretend to have."""


@dataclass(frozen=True)
class Verification:
    """The result of checking all files.

    problems: damaged and missing files. unverified: files that the manifest does not list. checked: number of
        intact files.
    """

    problems: tuple[Problem, ...]
    unverified: tuple[str, ...]
    checked: int


class RunDirectory:
    """A run directory, wherever it is: its files, the manifest that lists them, and its locks.

    path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: float | None = None
        """When this process began to train the run, by `time.monotonic()`; None while it does not."""
        self._appended: set[str] = set()
        self._writing = threading.RLock()
        self._depth = 0

    @cached_property
    def _lock(self) -> TrainingLock:
        return TrainingLock(self.path / layout.LOCK)

    def hold(self) -> None:
        """Take its lock before creating anything else, so that a new directory is never mistaken for a
        leftover of a killed process. `start` keeps the lock."""
        self._lock.acquire()

    def let_go(self) -> None:
        """Release the lock that `hold` took."""
        self._lock.release()

    @property
    def held(self) -> bool:
        """Whether a living process, this one or another, has its lock."""
        return self._lock.held()

    # Writing

    def write_text(self, name: str, text: str) -> None:
        """Put a UTF-8 text file in place. name: relative path, with '/'."""
        self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, data: bytes) -> None:
        """Put a file in place."""
        self.write_files({name: data})

    def write_files(self, contents: Mapping[str, bytes]) -> None:
        """Put several files in place, in this order; see `write_together`."""
        self.write_together({name: _writer(data) for name, data in contents.items()})

    def write_with(self, name: str, writer: Callable[[Path], object]) -> None:
        """Let `writer` write a temporary file (same folder, same suffix), then put it in place."""
        self.write_together({name: writer})

    def write_together(self, writers: Mapping[str, Callable[[Path], object]]) -> None:
        """The same for several files, put in place in this order once all are written: faster than one by
        one, with fewer waits for the disk."""
        names = {self._inside(name): name for name in writers}
        with self._changing() as manifest:
            written: dict[str, str] = {}

            def announce(hashes: dict[Path, str]) -> None:
                written.update({names[path]: sha256 for path, sha256 in hashes.items()})
                announced = manifest
                for name, sha256 in written.items():
                    announced = announced.announce(name, sha256)
                manifests.write(self.path, announced)

            atomic.write_together({path: writers[name] for path, name in names.items()}, announce)
            for name, sha256 in written.items():
                manifest = manifest.settle(name, sha256)
            manifests.write(self.path, manifest)

    def write_folder(self, name: str, writer: Callable[[Path], object]) -> None:
        """Let `writer` fill a folder, then put it in place of the old one, if there is one."""
        path = self._inside(name)

        def write(folder: Path) -> None:
            writer(folder)
            with self._changing() as manifest:
                manifests.write(self.path, manifest.without(name))

        with self._changing():
            pass  # check that the run exists and may be changed before filling the folder
        atomic.write_folder(path, write)
        with self._changing() as manifest:
            for file in sorted(file for file, _ in safe_paths.entries(path)):
                manifest = manifest.settle(f"{name}/{file}", atomic.sha256_of(path / file))
            manifests.write(self.path, manifest)

    def append_line(self, name: str, text: str) -> None:
        """Add a line to a growing file. It joins the manifest with `seal`, or stays in it."""
        path = self._inside(name)
        with self._writing:
            if name in self._appended:
                atomic.append_line(path, text)
                return
            with self._changing() as manifest:
                if self._opened is None and manifest.names(name):
                    self.write_bytes(name, self.read_bytes(name) + text.encode() + b"\n")
                    return
                with atomic.resources(f"write {path}"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                if manifest.names(name):
                    manifests.write(self.path, manifest.without(name))
            self._appended.add(name)
            atomic.append_line(path, text)

    def remove_file(self, name: str) -> None:
        """Remove an outdated file, if it exists."""
        self.remove_files([name])

    def remove_files(self, names: Iterable[str]) -> None:
        """The same for several files, with one change of the manifest."""
        paths = {name: self._inside(name) for name in names}
        if not paths:
            return
        with self._changing() as manifest, atomic.resources(f"remove {', '.join(map(str, paths.values()))}"):
            # In this order: an unlisted file does no harm, but a missing one does.
            if any(map(manifest.names, paths)):
                manifests.write(self.path, manifest.without(*paths))
            for path in paths.values():
                path.unlink(missing_ok=True)

    # Reading

    def exists(self, name: str) -> bool:
        """Whether the run has that file."""
        return self._inside(name).is_file()

    def read_text(self, name: str) -> str:
        """A verified UTF-8 text file."""
        try:
            return self.read_bytes(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise IntegrityError(f"{self.path / name} is damaged: {error}") from error

    def read_bytes(self, name: str) -> bytes:
        """A verified file; IntegrityError if it is missing or does not match the manifest."""
        path = self._inside(name)
        data = b""

        limit = _LARGEST.get(path.suffix)

        def load() -> str:
            nonlocal data
            with atomic.read_regular(path) as file:
                data = file.read() if limit is None else file.read(limit + 1)
            if limit is not None and len(data) > limit:
                raise IntegrityError(f"{path} is damaged: it has more than {limit:,} bytes")
            return hashlib.sha256(data).hexdigest()

        self._check(name, load)
        return data

    def verified(self, name: str) -> Path:
        """The path of a file that has just been verified, for libraries that open files themselves."""
        path = self._inside(name)
        self._check(name, lambda: atomic.sha256_of(path))
        return path

    def verified_config(self, *, with_code: bool) -> Path:
        """The path of config.yaml, verified; with_code: also verify the run's Python files."""
        if with_code:
            self.refuse_odd(layout.CODE)
            for name in self.files():
                if name.startswith(f"{layout.CODE}/"):
                    self.verified(name)
        return self.verified(layout.CONFIG)

    def refuse_odd(self, folder: str = "") -> None:
        """IntegrityError if the run, or one of its folders, contains a link, a pipe or similar."""
        for name, kind in safe_paths.odd(self.path).items():
            if not _unfinished(name) and f"{name}/".startswith(f"{folder}/" if folder else ""):
                raise safe_paths.refusal(self.path / name, kind)

    def path_of(self, name: str) -> Path:
        """The path of a file or folder of the run, for code that writes or lists it itself; it need not
        exist. IntegrityError if it, or a folder above it, is a link or a pipe."""
        return self._inside(name)

    def manifest(self) -> dict[str, str]:
        """Relative path -> SHA-256 (hex) of every finished file."""
        return dict(manifests.read(self.path).files)

    def files(self) -> list[str]:
        """Relative paths of all files, sorted, without the manifest, locks and unfinished files."""
        own = {layout.MANIFEST, layout.LOCK, layout.MANIFEST_LOCK}
        return sorted(
            name
            for name, entry in safe_paths.entries(self.path)
            if entry.is_file(follow_symlinks=False) and name not in own and not _unfinished(name)
        )

    def size(self) -> int:
        """Bytes of all files."""
        return sum((self.path / name).lstat().st_size for name in self.files())

    def verify(self) -> Verification:
        """Compare every file with the manifest; IntegrityError if there is none.

        Interrupted updates of the manifest are completed, if the run is writable.
        """
        odd = {name: kind for name, kind in safe_paths.odd(self.path).items() if not _unfinished(name)}
        if not odd:
            with suppress(ResourceError):
                self.settle()
        manifest = manifests.read(self.path)
        files = self.files()
        problems = [Problem(f"{name} is {kind}, which is not allowed in a run") for name, kind in odd.items()]
        behind = tuple(f"{name}/" for name in odd)
        missing = sorted(set(manifest.files) - set(files) - set(odd))
        problems += [Problem(f"{name} is missing") for name in missing if not name.startswith(behind)]
        unverified = []
        checked = 0
        for name in files:
            if not manifest.names(name):
                unverified.append(name)
                continue
            right = manifest.accepts(name, atomic.sha256_of(self.path / name))
            checked += right
            if not right:
                problems.append(Problem(f"{name} is damaged or changed"))
        return Verification(tuple(problems), tuple(unverified), checked)

    def _tidy(self) -> None:
        """Remove unfinished files and complete announced ones; no other process writes now."""
        for folder, folders, names in os.walk(self.path, topdown=False):
            for name in [name for name in (*folders, *names) if name.startswith(layout.TEMPORARY)]:
                left = Path(folder) / name
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left)
                else:
                    left.unlink()
        self.settle()

    def settle(self) -> None:
        """Complete interrupted updates of the manifest."""
        if not manifests.read(self.path).pending:
            return
        with self._changing() as manifest:
            for name in list(manifest.pending):
                path = self._inside(name)
                if path.is_file() and manifest.accepts(name, sha256 := atomic.sha256_of(path)):
                    manifest = manifest.settle(name, sha256)
                elif not path.exists() and name not in manifest.files:
                    manifest = manifest.without(name)
            manifests.write(self.path, manifest)

    def _inside(self, name: str) -> Path:
        return safe_paths.locate(self.path, name)

    def _check(self, name: str, load: Callable[[], str]) -> None:
        """IntegrityError unless the hash returned by `load` is valid. load: reads the file again."""
        for attempt in range(_ATTEMPTS):
            try:
                sha256 = load()
            except (FileNotFoundError, NotADirectoryError):
                lost = manifests.read(self.path).names(name)
                message = f"{self.path} {'has lost its' if lost else 'has no'} {name}"
                raise IntegrityError(message) from None
            except OSError as error:
                raise IntegrityError(f"{self.path / name} cannot be read: {error.strerror}") from error
            manifest = manifests.read(self.path)
            if not manifest.names(name) or manifest.accepts(name, sha256):
                return
            if attempt + 1 < _ATTEMPTS:  # another process may have replaced it between the two readings
                time.sleep(0.02)
        raise IntegrityError(
            f"{self.path / name} is damaged or changed: its SHA-256 does not match the manifest",
            hint="bm runs verify checks every file of a run",
        )

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """Keep its files from being changed meanwhile, if the lock can be taken; a read-only run, or one
        whose lock file is a link, is not changed by anyone."""
        with ExitStack() as held:
            with suppress(IntegrityError, ResourceError):
                held.enter_context(exclusive(self.path / layout.MANIFEST_LOCK))
            yield

    @contextmanager
    def _changing(self) -> Iterator[Manifest]:
        """Keep other threads and processes from changing files meanwhile; returns the current manifest."""
        with self._writing:
            lock = exclusive(self.path / layout.MANIFEST_LOCK) if self._depth == 0 else nullcontext()
            self._depth += 1
            try:
                with lock:
                    if not self.path.is_dir():
                        raise ResourceError(f"{self.path} was removed in the meantime")
                    if self._opened is not None and self._depth == 1 and self._lock.lost():
                        raise ResourceError(
                            f"{self.path.name} was taken over by another process while this one had no "
                            "heartbeat",
                            hint="this process stops writing; the other one continues the run",
                        )
                    yield manifests.read(self.path)
            finally:
                self._depth -= 1


def _writer(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _unfinished(name: str) -> bool:
    """Whether the file, or a folder that contains it, is an unfinished one."""
    return any(part.startswith(layout.TEMPORARY) for part in name.split("/"))
