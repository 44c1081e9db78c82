"""A run: its record, and its life from the start of training to the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bmcli.runs import atomic, layout
from bmcli.runs import manifest as manifests
from bmcli.runs import record as records
from bmcli.runs.directory import RunDirectory
from bmcli.runs.record import ID, RunRecord, Status

_GROWING = (layout.METRICS, layout.LOG, layout.TENSORBOARD)
"""Files that grow during training; they join the manifest when the run ends."""

_OF_TRAINING = (
    layout.METRICS,
    layout.PREPROCESSING,
    layout.TOKENIZER,
    layout.INPUT_STATISTICS,
    layout.EXAMPLES,
    layout.COLUMNS,
    layout.COEFFICIENTS,
    layout.LAST,
    layout.PREVIOUS,
    layout.BEST,
    layout.BEST_INDEX,
    layout.FROZEN,
    layout.MODEL_KERAS,
    layout.MODEL_ONNX,
    layout.SAMPLES,
    layout.CALIBRATION,
    layout.EVALUATION,
    layout.PREDICTIONS,
    layout.PLOTS,
    layout.REPORT,
    layout.PROFILE,
    layout.TENSORBOARD,
)
"""Files and folders that training writes from its data and config."""


class Run(RunDirectory):
    """A run directory, wherever it is.

    path: the directory. Its name is the run's id if it looks like one; a copy under any other name keeps the
        id it was created with.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._record: RunRecord | None = None

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def id(self) -> str:
        """`<name>-v<N>`."""
        return self.path.name if ID.fullmatch(self.path.name) else self.record.id

    @property
    def name(self) -> str:
        """The id without its number."""
        found = ID.fullmatch(self.id)
        return found["name"] if found else self.record.name

    @property
    def version(self) -> int:
        """The id's number."""
        found = ID.fullmatch(self.id)
        return int(found["version"]) if found else self.record.version

    @property
    def record(self) -> RunRecord:
        """run.json, read once; IntegrityError if it is missing or damaged."""
        record = self._record  # another thread may call `reload` meanwhile
        if record is None:
            text = self.read_bytes(layout.RECORD)
            record = self._record = records.from_text(text, str(self.path / layout.RECORD))
        return record

    @property
    def killed(self) -> bool:
        """Whether its status is running but no process trains it."""
        return self.record.status == "running" and not self._lock.held()

    @property
    def status(self) -> Status:
        """The record's status, or 'failed' for a run whose process was killed."""
        return "failed" if self.killed else self.record.status

    def reload(self) -> Run:
        """Read run.json again when needed, as another process may have changed it."""
        self._record = None
        return self

    # Its life

    def start(self, record: RunRecord, files: Mapping[str, bytes] | None = None) -> None:
        """Begin a new run with this record: its directory exists and is empty.

        files: relative path -> content of the run's inputs. They are written before run.json, so that every
            run has them, whenever a process is killed.
        """
        contents = {**(files or {}), layout.RECORD: record.to_text().encode("utf-8")}
        self._lock.acquire()
        try:
            self.write_files(contents)
        except BaseException:
            self._lock.release()
            raise
        self._opened = time.monotonic()
        self._record = record

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other processes from training it meanwhile. UsageError if one does."""
        self._lock.acquire()
        try:
            self.reload()
            yield
        finally:
            self._lock.release()

    def open(self) -> None:
        """Resume training: the status becomes 'running' again. UsageError if another process trains it.

        A run this process has just created, or opened before, is open already. Files left half-written by a
        killed process are removed.
        """
        if self._opened is not None:
            return
        self._lock.acquire()
        self._opened = time.monotonic()
        self._tidy()
        with self._changing() as manifest:
            manifests.write(self.path, manifest.without(*_GROWING))
        self.reload()
        again = [*self.record.resumed, records.now()]
        self.update(status="running", finished=None, error=None, resumed=again)

    def count_from(self, moment: float) -> None:
        """Count its time from this `time.monotonic()`, when the training command started."""
        if self._opened is not None:
            self._opened = min(self._opened, moment)

    def begin_again(self, **known: object) -> None:
        """Restart training from the first step, in the same directory; otherwise as `open`.

        Files written by training are removed; the config, the user's code, the log, exports and any other
        files stay. known: fields of the record, as for a new run; other fields filled by training are
        emptied.
        """
        self._lock.acquire()
        self._opened = time.monotonic()
        self._tidy()
        left = [name for name in self.files() if name.startswith(tuple(f"{one}/" for one in _OF_TRAINING))]
        left += [name for name in _OF_TRAINING if self.exists(name)]
        with self._changing() as manifest:
            manifests.write(self.path, manifest.without(*_OF_TRAINING, *_GROWING))
            with atomic.resources(f"restart {self.path}"):
                for name in left:
                    self._inside(name).unlink(missing_ok=True)
        self.reload()
        again = [*self.record.resumed, records.now()]
        emptied = {name: getattr(records.EMPTY, name) for name in records.OF_TRAINING}
        self.update(status="running", finished=None, error=None, resumed=again, **{**emptied, **known})

    def seal(self, status: Status, **changes: object) -> None:
        """End the run: add all remaining files to the manifest, set the status, release the lock.

        In this order, so that the manifest of a complete run covers all files. The lock is released even if
        this fails.
        """
        try:
            with self._changing() as manifest:
                for name in self.files():
                    if name not in manifest.files or name in manifest.pending:
                        sha256 = atomic.sha256_of(self._inside(name))
                        if not manifest.names(name) or manifest.accepts(name, sha256):
                            manifest = manifest.settle(name, sha256)
                manifests.write(self.path, manifest)
            self._appended.clear()
            if self._opened is not None:
                changes["seconds"] = round((self.record.seconds or 0.0) + time.monotonic() - self._opened, 3)
            self.update(status=status, finished=records.now(), **changes)
        finally:
            self._opened = None
            self._lock.release()

    def update(self, **changes: object) -> RunRecord:
        """Change fields of run.json, atomically; concurrent changes by other processes are kept."""
        with self._changing():
            self._record = None
            changed = self.record.changed(**changes)
            self.write_text(layout.RECORD, changed.to_text())
            self._record = changed
        return changed
