"""The runs folder: creates, finds and removes runs."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal

from bmcli.core.errors import BmError, IntegrityError, ResourceError, UsageError, did_you_mean
from bmcli.core.plain import Document
from bmcli.runs import atomic, environment, layout
from bmcli.runs import manifest as manifests
from bmcli.runs import record as records
from bmcli.runs.documents import strict
from bmcli.runs.lock import exclusive
from bmcli.runs.record import ID, RunRecord
from bmcli.runs.run import Run

__all__ = ["LATEST", "Purpose", "Run", "RunStore", "open_path", "reference_to", "validate_name"]

LATEST = "latest"

Purpose = Literal["use", "resume"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LONGEST_NAME = 100
_SURROGATE = re.compile("[\ud800-\udfff]")
"""How bytes that are not UTF-8 appear on a command line."""


def validate_name(name: str) -> None:
    """UsageError unless this is a valid run name."""
    if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) and name != LATEST and not ID.fullmatch(name):
        return
    raise UsageError(
        f"'{name}' cannot be a run's name",
        hint="lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit, at most "
        f"{_LONGEST_NAME}; not 'latest', and without a version like -v3 at the end",
    )


def validate_tag(tag: str) -> None:
    """UsageError unless `@tag` can refer to a run."""
    odd = not tag or os.sep in tag or tag.startswith(("@", "-")) or any(c.isspace() for c in tag)
    if not odd and tag.isprintable() and len(tag) <= _LONGEST_NAME:
        return
    shown = tag if len(tag) <= _LONGEST_NAME else f"{tag[:_LONGEST_NAME]}…"
    raise UsageError(
        f"'{shown}' cannot be moved as a tag",
        hint=f"a word without spaces and '/', of at most {_LONGEST_NAME} characters, such as production",
    )


def validate_label(tag: str) -> None:
    """UsageError unless a new run may have this tag."""
    odd = bool(_SURROGATE.search(tag))
    if tag.strip() and len(tag) <= _LONGEST_NAME and not odd:
        return
    shown = tag[:_LONGEST_NAME] + ("…" if len(tag) > _LONGEST_NAME and tag.strip() else "")
    hint = "it must be UTF-8" if odd else f"a tag has 1 to {_LONGEST_NAME} characters"
    raise UsageError(f"'{shown}' cannot be a tag", hint=hint)


def _escaped(surrogate: re.Match[str]) -> str:
    return f"\\x{ord(surrogate[0]) & 0xFF:02x}"


def started_by() -> Document:
    """The fields of a record about the current environment: command line, versions, git, machine."""
    return {
        # Bytes of a file name that are not UTF-8 are escaped, because a record is UTF-8.
        "command": tuple(_SURROGATE.sub(_escaped, word) for word in (*environment.program(), *sys.argv[1:])),
        "versions": environment.versions(),
        "git": environment.git(Path.cwd()),
        "hardware": environment.hardware(),
        "environment": environment.variables(),
    }


def open_path(path: Path, *, verified: bool = True) -> Run:
    """The run in this directory, wherever it is; UsageError if there is none.

    verified: IntegrityError if its run.json does not match its manifest.
    """
    if not _is_run(path):
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


def _is_run(path: Path) -> bool:
    """Whether it has a run.json, or once had one, by its manifest."""
    try:
        if path.is_dir() and os.path.lexists(path / layout.RECORD):
            return True
    except OSError:  # for example, a name too long for the system
        return False
    try:
        return layout.RECORD in manifests.read(path).files
    except IntegrityError:
        return True


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
            numbers = self._numbers()
            taken = [int(found["version"]) for found in self._ids() if found["name"] == name]
            version = max([numbers.get(name, 0), *taken]) + 1
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
                self._write_numbers({**numbers, name: version})
            except BaseException:
                run.let_go()
                path.rmdir()  # nobody else has it yet
                raise
        return run, version

    def _numbers(self) -> dict[str, int]:
        """Name -> its highest number so far."""
        path = self.root / layout.NUMBERS
        try:
            with atomic.read_regular(path) as file:
                data = strict(file.read(manifests.LARGEST))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise _damaged_numbers(path) from error
        last = data.get("last") if isinstance(data, dict) else None
        if not isinstance(last, dict) or not all(type(n) is int and n > 0 for n in last.values()):
            raise _damaged_numbers(path)
        return last

    def _write_numbers(self, numbers: dict[str, int]) -> None:
        text = json.dumps({"format": 1, "last": dict(sorted(numbers.items()))}, indent=2)
        atomic.write_bytes(self.root / layout.NUMBERS, text.encode() + b"\n")

    # Finding

    def _ids(self) -> list[re.Match[str]]:
        """The parsed names of directories that look like runs."""
        try:
            with os.scandir(self.root) as entries:
                names = [entry.name for entry in entries]
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            raise UsageError(
                f"{self.root} is not a folder", hint="--runs-dir sets the folder of the runs"
            ) from None
        return [found for name in names if (found := ID.fullmatch(name))]

    def all(self) -> list[Run]:
        """Every run, newest first; damaged ones last, whose `record` raises IntegrityError."""
        # A read must not fail because a tag move cannot be completed: `@tag` and the next move will report
        # it.
        with suppress(ResourceError, IntegrityError):
            self._settle_tags()
        return self._every()

    def _every(self) -> list[Run]:
        return _newest_first(self._runs(found.group() for found in self._ids()))

    def named(self, name: str) -> list[Run]:
        """Every run of that name, newest first, whatever its status; damaged ones last.

        By number, which increases even if the clock was set back.
        """
        runs = self._runs(found.group() for found in self._ids() if found["name"] == name)
        return sorted(runs, key=lambda run: (_created(run) != "", run.version), reverse=True)

    def _runs(self, ids: Iterable[str]) -> list[Run]:
        runs = []
        for run_id in ids:
            run = Run(self.root / run_id)
            try:
                run.record  # noqa: B018 (reads it)
            except IntegrityError:
                if not _is_run(run.path):
                    continue  # being created, or not a run
            runs.append(run)
        return runs

    def find(self, reference: str, purpose: Purpose = "use") -> Run:
        """The run that a RUN argument refers to.

        Text with a path separator is a run directory's path; else `@tag`, an exact id, `latest`, or a name.
        `latest`, a name and a tag mean the newest completed run, or for 'resume' the newest that was
        interrupted or crashed. An exact id or path means that run, whatever its status. UsageError if there
        is none.
        """
        if os.sep in reference:
            return open_path(Path(reference))
        if reference.startswith("@"):
            return self._tagged(reference, purpose)
        found = ID.fullmatch(reference)
        if found and _is_run(self.root / reference):
            return _checked(Run(self.root / reference))
        candidates = self.all() if reference == LATEST else self.named(reference) if not found else []
        for run in candidates:
            if _fits(run, purpose):
                return _checked(run)
        raise self._not_found(reference, candidates, purpose)

    def _tagged(self, reference: str, purpose: Purpose) -> Run:
        tag = reference.removeprefix("@")
        with suppress(ResourceError):
            self._settle_tags()
        with ExitStack() as still:
            # Records are read one after the other: a tag that moved meanwhile would be found on none.
            with suppress(ResourceError):
                if os.path.lexists(self.root / layout.TAGS_LOCK):
                    still.enter_context(exclusive(self.root / layout.TAGS_LOCK))
            readable = [run for run in self._every() if status_of(run) != "damaged"]
            # An interrupted move that cannot be completed (in a read-only folder) still counts.
            moved = self._tag_moves().get(tag)
        holders = [run for run in readable if run.path.name == moved]
        holders = holders or [run for run in readable if tag in run.record.tags]
        for run in holders:
            if _fits(run, purpose):
                return _checked(run)
        known = sorted({f"@{tag}" for run in readable for tag in run.record.tags})
        hint = did_you_mean(reference, known) or (
            f"tags: {', '.join(known[:10])}"
            if known
            else "bm gate RUN --tag TAG and bm train --tag TAG set one"
        )
        raise UsageError(f"no completed run in {self.root} has the tag '{tag}'", hint=hint)

    def check_taggable(self, run: Run) -> None:
        """UsageError unless `@tag` would find the run: a completed one of this folder."""
        if run.path.resolve().parent != self.root.resolve() or not ID.fullmatch(run.path.name):
            raise UsageError(
                f"{run.path} is not in {self.root}, where @TAG looks for runs",
                hint="give its folder with --runs-dir",
            )
        if status_of(run) != "completed":
            raise UsageError(f"{run.id} is {status_of(run)}: only a completed run can have a moving tag")

    def move_tag(self, tag: str, run: Run) -> None:
        """Take the tag from all other runs and give it to this one. UsageError as `check_taggable`.

        The tag is on exactly one run at any moment, even if others move it or a process is killed: the move
        takes effect when it is written down, and the next reader completes it.
        """
        self.check_taggable(run)
        with exclusive(self.root / layout.TAGS_LOCK):
            moves = {**self._tag_moves(), tag: run.path.name}
            self._write_tag_moves(moves)
            self._carry_out(moves, insist=tag)
        run.reload()

    def label(self, run: Run, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> tuple[str, ...]:
        """Add and remove tags of a run; returns its tags. Other runs keep theirs.

        UsageError for an invalid tag, or for one to remove that the run does not have.
        """
        for tag in add:
            validate_label(tag)
        root = run.path.resolve().parent
        with exclusive(root / layout.TAGS_LOCK):
            tags = run.reload().record.tags
            if absent := [tag for tag in remove if tag not in tags]:
                raise UsageError(
                    f"{run.id} has no tag '{absent[0]}'", hint=f"tags: {', '.join(tags)}" if tags else None
                )
            kept = [tag for tag in dict.fromkeys((*tags, *add)) if tag not in remove]
            run.update(tags=kept)
        return tuple(kept)

    def _settle_tags(self) -> None:
        """Complete interrupted tag moves."""
        if not os.path.lexists(self.root / layout.TAG_MOVES):
            return
        # If a move is in progress, this waits until it is done.
        with exclusive(self.root / layout.TAGS_LOCK):
            self._carry_out(self._tag_moves())

    def _carry_out(self, moves: Mapping[str, str], insist: str | None = None) -> None:
        """Add each tag to its run, then remove it from the others; failed moves stay recorded.

        insist: the tag for which that is an error.
        """
        left = dict(moves)
        every = [run for run in self._every() if status_of(run) != "damaged"]
        for tag, holder in moves.items():
            try:
                # A run that was removed meanwhile gets no tag, and no other run loses it.
                for run in [run for run in every if run.path.name == holder]:
                    if tag not in run.record.tags:
                        run.update(tags=[*run.record.tags, tag])
                    for other in every:
                        if tag in other.record.tags and other.path.resolve() != run.path.resolve():
                            other.update(tags=[kept for kept in other.record.tags if kept != tag])
                del left[tag]
            except (ResourceError, IntegrityError):
                if tag == insist:
                    raise
        if left:
            self._write_tag_moves(left)
        else:
            with atomic.resources(f"remove {self.root / layout.TAG_MOVES}"):
                (self.root / layout.TAG_MOVES).unlink(missing_ok=True)

    def _tag_moves(self) -> dict[str, str]:
        """Tag -> directory of its target run; empty if no move is in progress."""
        path = self.root / layout.TAG_MOVES
        try:
            with atomic.read_regular(path) as file:
                data = json.loads(file.read())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            raise _damaged_moves(path) from error
        moves = data.get("moves") if isinstance(data, dict) else None
        if not isinstance(moves, dict) or not all(isinstance(run, str) for run in moves.values()):
            raise _damaged_moves(path)
        return moves

    def _write_tag_moves(self, moves: Mapping[str, str]) -> None:
        text = json.dumps({"format": 1, "moves": dict(moves)}, indent=2)
        atomic.write_bytes(self.root / layout.TAG_MOVES, text.encode() + b"\n")

    def exact(self, run_id: str) -> Run:
        """The run with exactly this id, not verified, so that damaged runs can be removed and checked."""
        path = self.root / run_id
        if ID.fullmatch(run_id) and not _is_run(path) and any(r.path == path for r in self.leftovers()):
            return Run(path)
        if not ID.fullmatch(run_id) or not _is_run(path):
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
        runs = [found for found in self._ids() if _is_run(self.root / found.group())]
        ids = [found.group() for found in runs]
        if not ids:
            return UsageError(
                f"there are no runs in {self.root}",
                hint="bm train CONFIG creates one; --runs-dir chooses another folder",
            )
        names = sorted({found["name"] for found in runs})
        close = did_you_mean(reference, [*ids, *names, LATEST])
        return UsageError(
            f"there is no run '{reference}' in {self.root}", hint=close or "bm runs lists all runs"
        )

    # Removing

    def leftovers(self) -> list[Run]:
        """Directories whose process was killed before run.json was written. They are not runs, and contain at
        most a config. Sorted by id."""
        if not self.root.is_dir():
            return []
        suspects = [Run(self.root / found.group()) for found in self._ids()]
        suspects = [run for run in suspects if _is_leftover(run)]
        if suspects:
            # While no process holds this lock, no run is between creating its directory and taking its own
            # lock.
            try:
                with exclusive(self.root / layout.NUMBERS_LOCK):
                    suspects = [run for run in suspects if _is_leftover(run)]
            except ResourceError:  # a read-only folder
                return []
        return sorted(suspects, key=lambda run: (run.name, run.version))

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
            numbers = self._numbers()
            if numbers.get(run.name, 0) < run.version:
                self._write_numbers({**numbers, run.name: run.version})
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


def _is_leftover(run: Run) -> bool:
    """Whether the directory contains only files written before run.json, and no process holds it."""
    before = {layout.CONFIG, layout.CODE, layout.MANIFEST, layout.LOCK, layout.MANIFEST_LOCK}
    try:
        if run.path.is_symlink() or not run.path.is_dir() or _is_run(run.path):
            return False
        names = os.listdir(run.path)  # noqa: PTH208 (a set of names)
        return all(n in before or n.startswith(layout.TEMPORARY) for n in names) and not run.held
    except (OSError, IntegrityError):  # not created by bm
        return False


def status_of(run: Run) -> str:
    """The run's status, or 'damaged' if run.json cannot be read."""
    try:
        return run.status
    except IntegrityError:
        return "damaged"


def _fits(run: Run, purpose: Purpose) -> bool:
    wanted = ("completed",) if purpose == "use" else ("interrupted", "failed")
    return status_of(run) in wanted


def _newest_first(runs: list[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: (_created(run), run.version), reverse=True)


def _created(run: Run) -> str:
    """When it was created; empty for a damaged run."""
    try:
        return run.record.created
    except IntegrityError:
        return ""


def _damaged_numbers(path: Path) -> IntegrityError:
    return IntegrityError(
        f"{path} is damaged", hint="delete it: numbers then continue from the existing runs"
    )


def _damaged_moves(path: Path) -> IntegrityError:
    return IntegrityError(f"{path} is damaged", hint="delete it, and set the tags again with bm gate --tag")
