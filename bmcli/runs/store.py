"""The runs folder: creates, finds and removes runs."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from bmcli.core.errors import BmError, IntegrityError, ResourceError, UsageError, did_you_mean
from bmcli.runs import atomic, layout, numbers
from bmcli.runs import record as records
from bmcli.runs.environment import started_by
from bmcli.runs.listing import all_runs, created, ids, is_run, leftovers, runs_of, status_of
from bmcli.runs.lock import exclusive
from bmcli.runs.record import ID, RunRecord
from bmcli.runs.run import Run
from bmcli.runs.tags import Tags, validate_label

__all__ = ["LATEST", "Purpose", "Run", "RunStore", "open_path", "reference_to", "validate_name"]

LATEST = "latest"

Purpose = Literal["use", "resume"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LONGEST_NAME = 100


def validate_name(name: str) -> None:
    """UsageError unless this is a valid run name."""
    if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) and name != LATEST and not ID.fullmatch(name):
        return
    raise UsageError(
        f"'{name}' cannot be a run's name",
        hint="lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit, at most "
        f"{_LONGEST_NAME}; not 'latest', and without a version like -v3 at the end",
    )


def open_path(path: Path, *, verified: bool = True) -> Run:
    """The run in this directory, wherever it is; UsageError if there is none.

    verified: IntegrityError if its run.json does not match its manifest.
    """
    if not is_run(path):
        what = "this is not a run directory" if _exists(path) else "there is no run directory"
        raise UsageError(f"{path}: {what}", hint=f"a run directory contains a {layout.RECORD}")
    return _checked(Run(path)) if verified else Run(path)


def reference_to(run: Run) -> str:
    """How to refer to this run here: its id, or its path if bm would not find the id."""
    default = Path(os.environ.get("BM_RUNS_DIR") or "runs")
    if run.path.name == run.id and run.path.parent.resolve() == default.resolve():
        return run.id
    path = str(run.path)
    return shlex.quote(path if os.sep in path else f".{os.sep}{path}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _checked(run: Run) -> Run:
    """The run, its run.json verified and read."""
    run.reload().record  # noqa: B018 (reads it)
    return run


class RunStore:
    """The runs in one folder. The folder need not exist: it is created with the first run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # Making

    def create(
        self, name: str, tags: Iterable[str] = (), files: Mapping[str, bytes] | None = None, **known: object
    ) -> Run:
        """A new, running, locked run with the next number of that name.

        files: its inputs, as for `Run.start`. known: fields of the record that are known
        already (seed=..., model=...).
        """
        validate_name(name)
        tags = tuple(tags)
        for tag in tags:
            validate_label(tag)
        with atomic.resources(f"make the runs folder {self.root}"):
            self.root.mkdir(parents=True, exist_ok=True)
        run, version = self._claim(name)
        try:
            moment = records.now()
            record = RunRecord(
                id=run.path.name,
                uuid=str(uuid.uuid4()),
                name=name,
                version=version,
                status="running",
                created=moment,
                started=moment,
                tags=tuple(tags),
                **started_by(),
            ).changed(**known)
            run.start(record, files)
        except BaseException:
            # The error is raised anyway; an empty run would be useless.
            shutil.rmtree(run.path, ignore_errors=True)
            run.let_go()
            raise
        return run

    def _claim(self, name: str) -> tuple[Run, int]:
        """A new locked directory and its number. mkdir succeeds for only one process."""
        with exclusive(self.root / layout.NUMBERS_LOCK):
            known = numbers.read(self.root)
            taken = [int(found["version"]) for found in ids(self.root) if found["name"] == name]
            version = max([known.get(name, 0), *taken]) + 1
            while True:
                path = self.root / f"{name}-v{version}"
                try:
                    with atomic.resources(f"make {path}"):
                        path.mkdir()
                    break
                except BmError as error:
                    if not isinstance(error.__cause__, FileExistsError):
                        raise
                    version += 1
            run = Run(path)
            try:
                run.hold()
                numbers.write(self.root, {**known, name: version})
            except BaseException:
                run.let_go()
                path.rmdir()  # nobody else has it yet
                raise
        return run, version

    # Finding

    @property
    def tags(self) -> Tags:
        """The tags of its runs."""
        return Tags(self.root)

    def all(self) -> list[Run]:
        """Every run, newest first; damaged ones last, whose `record` raises IntegrityError."""
        # A read must not fail because a tag move cannot be completed: `@tag` and the next move will report
        # it.
        with suppress(ResourceError, IntegrityError):
            self.tags.settle()
        return all_runs(self.root)

    def named(self, name: str) -> list[Run]:
        """Every run of that name, of any status, newest first; damaged ones last.

        By number, which increases even if the clock was set back.
        """
        runs = runs_of(self.root, (found.group() for found in ids(self.root) if found["name"] == name))
        return sorted(runs, key=lambda run: (created(run) != "", run.version), reverse=True)

    def find(self, reference: str, purpose: Purpose = "use") -> Run:
        """The run that a RUN argument refers to.

        Text with a path separator is a run directory's path; else `@tag`, an exact id, `latest`, or a name.
        `latest`, a name and a tag mean the newest completed run, or for 'resume' the newest that was
        interrupted or crashed. An exact id or path means that run, of any status. UsageError if there
        is none.
        """
        if os.sep in reference:
            return open_path(Path(reference))
        if reference.startswith("@"):
            return self._tagged(reference, purpose)
        found = ID.fullmatch(reference)
        if found and is_run(self.root / reference):
            return _checked(Run(self.root / reference))
        candidates = self.all() if reference == LATEST else self.named(reference) if not found else []
        for run in candidates:
            if _fits(run, purpose):
                return _checked(run)
        raise self._not_found(reference, candidates, purpose)

    def _tagged(self, reference: str, purpose: Purpose) -> Run:
        tag = reference.removeprefix("@")
        holders = self.tags.holders()
        for run in holders.get(tag, ()):
            if _fits(run, purpose):
                return _checked(run)
        known = sorted(f"@{tag}" for tag in holders)
        hint = did_you_mean(reference, known) or (
            f"tags: {', '.join(known[:10])}"
            if known
            else "bm gate RUN --tag TAG and bm train --tag TAG set one"
        )
        raise UsageError(f"no completed run in {self.root}/ has the tag '{tag}'", hint=hint)

    def exact(self, run_id: str) -> Run:
        """The run with exactly this id, not verified, so that damaged runs can be removed and checked."""
        path = self.root / run_id
        if ID.fullmatch(run_id) and not is_run(path) and any(r.path == path for r in self.leftovers()):
            return Run(path)
        if not ID.fullmatch(run_id) or not is_run(path):
            if run_id == LATEST or run_id.startswith("@"):
                raise UsageError(
                    f"'{run_id}' may refer to another run later: give a run id",
                    hint=f"now it refers to {self.find(run_id).path.name}",
                )
            runs = [run.path.name for run in self.named(run_id)]
            if runs:
                hint = f"give a run id: {', '.join(runs[:5])}"
                raise UsageError(f"'{run_id}' is a name, not a run id", hint=hint)
            raise self._not_found(run_id, [], "use")
        return Run(self.root / run_id)

    def completed(self, reference: str) -> list[Run]:
        """The runs that a RUN of `bm compare` refers to: for a name, all completed runs, oldest first;
        otherwise the one found."""
        runs = [run for run in self.named(reference) if _fits(run, "use")] if os.sep not in reference else []
        return [_checked(run) for run in reversed(runs)] or [self.find(reference)]

    def _not_found(self, reference: str, candidates: list[Run], purpose: Purpose) -> UsageError:
        wanted = "completed" if purpose == "use" else "interrupted or failed"
        if candidates:
            newest = candidates[0]
            state = status_of(newest)
            hint = f"{newest.id} is {state}"
            if purpose == "use" and state in ("interrupted", "failed"):
                hint += (
                    f": bm train --resume {reference_to(newest)} continues it; use its id to refer to "
                    "it anyway"
                )
            whose = self.root if reference == LATEST else f"'{reference}'"
            return UsageError(f"{whose} has no {wanted} run", hint=hint)
        runs = [found for found in ids(self.root) if is_run(self.root / found.group())]
        run_ids = [found.group() for found in runs]
        if not run_ids:
            return UsageError(
                f"there are no runs in {self.root}/",
                hint="bm train CONFIG creates one; --runs-dir chooses another folder",
            )
        names = sorted({found["name"] for found in runs})
        close = did_you_mean(reference, [*run_ids, *names, LATEST])
        return UsageError(
            f"there is no run '{reference}' in {self.root}/", hint=close or "bm runs lists all runs"
        )

    # Removing

    def leftovers(self) -> list[Run]:
        """Directories of processes killed before run.json was written, as in `listing`."""
        return leftovers(self.root)

    def is_running(self, run: Run) -> bool:
        """Whether a process is training it."""
        return status_of(run.reload()) == "running"

    def check_removable(self, run: Run) -> None:
        """UsageError while it is being trained."""
        if self.is_running(run):
            raise UsageError(f"{run.path.name} is being trained", hint="stop it first")

    def remove(self, run: Run) -> None:
        """Delete a run; its number is never used again. UsageError while it is being trained."""
        self.check_removable(run)
        with exclusive(self.root / layout.NUMBERS_LOCK), atomic.resources(f"remove {run.path}"):
            known = numbers.read(self.root)
            if known.get(run.name, 0) < run.version:
                numbers.write(self.root, {**known, run.name: run.version})
            # Rename it first, so that no one finds a partial run; then delete it.
            hidden = self.root / f"{layout.REMOVING}{run.path.name}-{secrets.token_hex(4)}"
            with run.unchanging():
                run.path.rename(hidden)
            self._sweep()

    def sweep(self) -> None:
        """Complete removals and writes in the runs folder that killed processes left unfinished."""
        if self.root.is_dir():
            with exclusive(self.root / layout.NUMBERS_LOCK), atomic.resources(f"clean up {self.root}"):
                self._sweep()

    def _sweep(self) -> None:
        left = [*self.root.glob(f"{layout.REMOVING}*")]
        left += self.root.glob(f"{layout.TEMPORARY}*{layout.NUMBERS}")
        for path in left:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:  # the run was a link: do not remove its target
                path.unlink()


def _fits(run: Run, purpose: Purpose) -> bool:
    wanted = ("completed",) if purpose == "use" else ("interrupted", "failed")
    return status_of(run) in wanted
