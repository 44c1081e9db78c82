"""Tags of runs: words that a user adds, and moving tags, which are on one run of a folder at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from bmcli.core.errors import IntegrityError, ResourceError, UsageError
from bmcli.runs import atomic, layout
from bmcli.runs.environment import SURROGATE
from bmcli.runs.listing import all_runs, status_of
from bmcli.runs.lock import exclusive
from bmcli.runs.record import ID
from bmcli.runs.run import Run

_LONGEST = 100


def validate_tag(tag: str) -> None:
    """UsageError unless `@tag` can refer to a run."""
    odd = not tag or os.sep in tag or tag.startswith(("@", "-")) or any(c.isspace() for c in tag)
    if not odd and tag.isprintable() and len(tag) <= _LONGEST:
        return
    shown = tag if len(tag) <= _LONGEST else f"{tag[:_LONGEST]}…"
    raise UsageError(
        f"'{shown}' cannot be moved as a tag",
        hint=f"a word without spaces and '/', of at most {_LONGEST} characters, such as production",
    )


def validate_label(tag: str) -> None:
    """UsageError unless a new run may have this tag."""
    odd = bool(SURROGATE.search(tag))
    if tag.strip() and len(tag) <= _LONGEST and not odd:
        return
    shown = tag[:_LONGEST] + ("…" if len(tag) > _LONGEST and tag.strip() else "")
    hint = "it must be UTF-8" if odd else f"a tag has 1 to {_LONGEST} characters"
    raise UsageError(f"'{shown}' cannot be a tag", hint=hint)


def label(run: Run, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> tuple[str, ...]:
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


class Tags:
    """The tags of the runs in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def holders(self) -> dict[str, list[Run]]:
        """Tag -> the readable runs that have it, newest first."""
        with suppress(ResourceError):
            self.settle()
        with ExitStack() as still:
            # Records are read one after the other: a tag that moved meanwhile would be found on none.
            with suppress(ResourceError):
                if os.path.lexists(self.root / layout.TAGS_LOCK):
                    still.enter_context(exclusive(self.root / layout.TAGS_LOCK))
            readable = [run for run in all_runs(self.root) if status_of(run) != "damaged"]
            moves = self._moves()
        found: dict[str, list[Run]] = {}
        for run in readable:
            for tag in run.record.tags:
                found.setdefault(tag, []).append(run)
        # An interrupted move that cannot be completed (in a read-only folder) still counts.
        for tag, holder in moves.items():
            if moved := [run for run in readable if run.path.name == holder]:
                found[tag] = moved
        return found

    def check_movable(self, run: Run) -> None:
        """UsageError unless `@tag` would find the run: a completed one of this folder."""
        if run.path.resolve().parent != self.root.resolve() or not ID.fullmatch(run.path.name):
            raise UsageError(
                f"{run.path} is not in {self.root}, where @TAG looks for runs",
                hint="give its folder with --runs-dir",
            )
        if status_of(run) != "completed":
            raise UsageError(f"{run.id} is {status_of(run)}: only a completed run can have a moving tag")

    def move(self, tag: str, run: Run) -> None:
        """Take the tag from all other runs and give it to this one. UsageError as `check_movable`.

        The tag is on exactly one run at any moment, even if others move it or a process is killed: the move
        takes effect when it is written down, and the next reader completes it.
        """
        self.check_movable(run)
        with exclusive(self.root / layout.TAGS_LOCK):
            moves = {**self._moves(), tag: run.path.name}
            self._write_moves(moves)
            self._carry_out(moves, insist=tag)
        run.reload()

    def settle(self) -> None:
        """Complete interrupted tag moves."""
        if not os.path.lexists(self.root / layout.TAG_MOVES):
            return
        # If a move is in progress, this waits until it is done.
        with exclusive(self.root / layout.TAGS_LOCK):
            self._carry_out(self._moves())

    def _carry_out(self, moves: Mapping[str, str], insist: str | None = None) -> None:
        """Add each tag to its run, then remove it from the others; failed moves stay recorded.

        insist: the tag for which that is an error.
        """
        left = dict(moves)
        every = [run for run in all_runs(self.root) if status_of(run) != "damaged"]
        for tag, holder in moves.items():
            try:
                # A run that was removed in the meantime gets no tag, and no other run loses it.
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
            self._write_moves(left)
        else:
            with atomic.resources(f"remove {self.root / layout.TAG_MOVES}"):
                (self.root / layout.TAG_MOVES).unlink(missing_ok=True)

    def _moves(self) -> dict[str, str]:
        """Tag -> directory of its target run; empty if no move is in progress."""
        path = self.root / layout.TAG_MOVES
        try:
            with atomic.read_regular(path) as file:
                data = json.loads(file.read())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            raise _damaged(path) from error
        moves = data.get("moves") if isinstance(data, dict) else None
        if not isinstance(moves, dict) or not all(isinstance(run, str) for run in moves.values()):
            raise _damaged(path)
        return moves

    def _write_moves(self, moves: Mapping[str, str]) -> None:
        text = json.dumps({"format": 1, "moves": dict(moves)}, indent=2)
        atomic.write_bytes(self.root / layout.TAG_MOVES, text.encode() + b"\n")


def _damaged(path: Path) -> IntegrityError:
    return IntegrityError(f"{path} is damaged", hint="delete it, and set the tags again with bm gate --tag")
