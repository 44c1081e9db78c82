"""Writes output files that the user names on the command line.

A regular or new file is written atomically (`atomic`). A link to a file is followed: its target is replaced,
the link stays. `-` and /dev/stdout are standard output. Pipes and character devices are written to once the
whole output is known. Folders, block devices and sockets are refused, and so are paths inside a run
directory, which only bm writes.
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
"""Files that are already open: written to, of any kind."""


def is_stdout(path: Path) -> bool:
    """Whether the path is standard output."""
    return _STDOUT.fullmatch(_descriptor(path) or str(path)) is not None


def is_stream(path: Path) -> bool:
    """Whether the path is written to rather than replaced: standard output, a pipe, a device."""
    if is_stdout(path) or _descriptor(path) is not None:
        return True
    try:
        mode = _mode(path)
    except OSError:  # circular links, or a name that is too long: `check` reports it
        return False
    return mode is not None and (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode))


def check(path: Path, option: str = "--output", *, made_by_bm: bool = False) -> None:
    """UsageError unless a file can be written there; call it before anything that takes time.

    option: the option that named it, for messages. made_by_bm: bm chose the name, in a folder that the user
        named; then no link is followed and only a file is replaced.
    """
    shown = f"{option} {path}"
    if made_by_bm and (path.is_symlink() or (os.path.lexists(path) and not path.is_file())):
        kind = kind_of(path.lstat().st_mode)
        raise UsageError(
            f"{shown} already exists and is {kind}", hint="remove it, or choose another location"
        )
    if is_stream(path):
        if not is_stdout(path) and not path.exists():  # not the number of an open file
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


def check_folder(path: Path) -> None:
    """UsageError if an output folder cannot be created there: a stream, an existing non-folder, or inside a
    run."""
    if is_stream(path):
        raise UsageError(f"--output {path} is not a folder", hint="give the folder to create")
    check_outside(path)


def check_outside(path: Path, option: str = "--output") -> None:
    """UsageError for a path inside a run directory, or for the files in which a runs folder stores numbers
    and tags."""
    target = Path(os.path.realpath(path))
    for folder in (target, *target.parents):
        if os.path.lexists(folder / layout.RECORD) and os.path.lexists(folder / layout.MANIFEST):
            raise UsageError(
                f"{option} {path} is inside the run directory {folder.name}",
                hint="only bm writes there: choose a path outside it",
            )
    if target.name in (layout.NUMBERS, layout.NUMBERS_LOCK):
        raise UsageError(f"{option} {path} is a file that bm uses itself", hint="choose a different name")


def write_with(path: Path, writer: Callable[[Path], object], *, suffix: str | None = None) -> None:
    """Let `writer` write a file, then put it in place of `path`, or into the stream that `path` is.

    writer: gets a temporary path with the suffix of `path` (suffix: another one) and writes it. If it raises,
        nothing is written. Call `check` first. ResourceError if writing fails.
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
                # Not "wb": a non-regular file is neither created nor truncated.
                descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
                with os.fdopen(descriptor, "wb") as stream:
                    shutil.copyfileobj(written, stream)


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` in place of `path`, or into the stream that it is; see `write_with`."""
    write_with(path, lambda temporary: temporary.write_bytes(data))


def _descriptor(path: Path) -> str | None:
    """The name of the open file that a path is or links to; None for any other path."""
    here = os.path.abspath(path)  # noqa: PTH100 (follows no link)
    for _ in range(40):  # as many links as the kernel follows
        if _DESCRIPTOR.fullmatch(here):
            return here
        try:
            to = str(Path(here).readlink())
        except (OSError, ValueError):
            return None
        here = os.path.normpath(f"{os.path.dirname(here)}/{to}" if not to.startswith("/") else to)  # noqa: PTH120
    return None


def _mode(path: Path) -> int | None:
    """The mode of the file there, or of a link's target; None if nothing exists."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
