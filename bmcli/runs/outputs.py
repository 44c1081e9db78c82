"""Files that the user names on the command line: the one place that writes them.

A regular file, or one yet to be made, is put in place atomically (`atomic`). A link to one is followed: what
it leads to is replaced, the link stays. `-` and /dev/stdout are standard output. A pipe or a character device
is written into, once all that goes there is known. Folders, disks and sockets are refused, and so is any
place inside a run directory: what lies there is bm's own.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from bmcli.core import streams
from bmcli.core.errors import UsageError
from bmcli.runs import atomic, layout
from bmcli.runs.safe_paths import kind_of

_STDOUT = re.compile(r"-|/dev/(stdout|fd/1)|/proc/(self|thread-self)/fd/1")
_DESCRIPTOR = re.compile(r"/dev/(std(in|err)|fd/\d+)|/proc/[^/]+/fd/\d+")
"""Files that are open already: written into, whatever they are."""


def is_stdout(path: Path) -> bool:
    """Whether the path means standard output."""
    return _STDOUT.fullmatch(_descriptor(path) or str(path)) is not None


def is_stream(path: Path) -> bool:
    """Whether the path is written into rather than replaced: standard output, a pipe, a device."""
    if is_stdout(path) or _descriptor(path) is not None:
        return True
    try:
        mode = _mode(path)
    except OSError:  # links that lead to one another, a name too long: `check` says so
        return False
    return mode is not None and (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode))


def check(path: Path, option: str = "--output", *, made_by_bm: bool = False) -> None:
    """UsageError unless a file can be written there; to be asked before anything that takes time.

    option: what named it, for messages. made_by_bm: bm chose the name, in a folder that the user named: there
    no link is followed and nothing but a file is replaced.
    """
    shown = f"{option} {path}"
    if made_by_bm and (path.is_symlink() or (os.path.lexists(path) and not path.is_file())):
        kind = kind_of(path.lstat().st_mode)
        raise UsageError(f"{shown} is {kind} already", hint="remove it, or choose another place")
    if is_stream(path):
        if not is_stdout(path) and not path.exists():  # a number that no open file has
            raise UsageError(f"{shown} is not open", hint="name a file, a pipe, or - for standard output")
        return
    try:
        mode = _mode(path)
        target = Path(os.path.realpath(path))
    except OSError as error:
        raise UsageError(f"{shown}: {error.strerror}") from error
    if mode is not None and stat.S_ISDIR(mode):
        raise UsageError(f"{shown} is a folder", hint="name a file")
    if mode is not None and not stat.S_ISREG(mode):
        raise UsageError(f"{shown} is {kind_of(mode)}", hint="name a file, a pipe, or - for standard output")
    if not target.parent.is_dir():
        raise UsageError(f"{shown}: there is no folder {target.parent}")
    check_outside(path, option)


def check_folder(path: Path, option: str = "--output") -> None:
    """UsageError where a folder of outputs cannot be: on a stream, on what is no folder, inside a run."""
    if is_stream(path):
        raise UsageError(f"{option} {path} is no folder", hint="name the folder to make")
    check_outside(path, option)


def check_outside(path: Path, option: str = "--output") -> None:
    """UsageError for a place inside a run directory, or for the files by which a runs folder counts."""
    target = Path(os.path.realpath(path))
    for folder in (target, *target.parents):
        if os.path.lexists(folder / layout.RECORD) and os.path.lexists(folder / layout.MANIFEST):
            raise UsageError(
                f"{option} {path} lies in the run directory {folder.name}",
                hint="what lies there is written by bm alone: choose a place outside it",
            )
    if target.name in (layout.NUMBERS, layout.NUMBERS_LOCK):
        raise UsageError(f"{option} {path} is a file that bm keeps for itself", hint="choose another name")


def write_with(path: Path, writer: Callable[[Path], object], *, suffix: str | None = None) -> None:
    """Let `writer` write a file, then put it in place of `path`, or into the stream that `path` is.

    writer: gets a temporary path with the suffix of `path` (suffix: another one) and writes it. Where it
    raises, nothing is written. Ask `check` first. ResourceError where the disk does not take it.
    """
    if not is_stream(path):
        atomic.write_with(Path(os.path.realpath(path)) if path.is_symlink() else path, writer)
        return
    with tempfile.TemporaryDirectory(prefix="bm-output-") as folder:
        temporary = Path(folder) / f"output{path.suffix if suffix is None else suffix}"
        with atomic.resources(f"write {path}"):
            writer(temporary)
        with temporary.open("rb") as written:
            if is_stdout(path):
                streams.out().flush()
                shutil.copyfileobj(written, streams.out().buffer)
                streams.out().flush()
                return
            with atomic.resources(f"write {path}"):
                # Not "wb": what is no regular file is neither made nor cut off.
                descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
                with os.fdopen(descriptor, "wb") as stream:
                    shutil.copyfileobj(written, stream)


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` in place of `path`, or into the stream that it is; see `write_with`."""
    write_with(path, lambda temporary: temporary.write_bytes(data))


def _descriptor(path: Path) -> str | None:
    """The name of an open file that a path is, or leads to by links; None for any other path."""
    here = os.path.abspath(path)  # noqa: PTH100 (follows no link)
    for _ in range(40):  # as many as the kernel follows
        if _DESCRIPTOR.fullmatch(here):
            return here
        try:
            to = str(Path(here).readlink())
        except (OSError, ValueError):
            return None
        here = os.path.normpath(f"{os.path.dirname(here)}/{to}" if not to.startswith("/") else to)  # noqa: PTH120
    return None


def _mode(path: Path) -> int | None:
    """The mode of what is there, or of what a link there leads to; None where there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
