"""Checks every path inside a run directory: nothing in it may lead elsewhere.

A run may come from a stranger. Its files are regular files and its folders are folders; a symbolic link, a
pipe, a socket or a device in their place is refused before anything is opened, created, replaced or removed
through it. The run directory itself may be reached through links, as the folders above it may.

`RunDirectory` passes every name to `locate` before touching the file; libraries that open files themselves
(Keras, TensorBoard's readers, experiment trackers) get a path only after that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bmcli.core.errors import IntegrityError

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}

_HINT = "bm follows no links inside a run and opens only regular files; bm runs verify lists all others"


def kind_of(mode: int) -> str:
    """The type of a file in words, from its mode: 'a symbolic link'."""
    return _KINDS.get(stat.S_IFMT(mode), "something unknown")


def refusal(path: Path, kind: str) -> IntegrityError:
    """The error for a file type that is not allowed inside a run."""
    return IntegrityError(f"{path} is {kind}, which is not allowed in a run", hint=_HINT)


def locate(root: Path, name: str) -> Path:
    """The path of a file or folder of a run, whether it exists yet or not.

    root: the run directory; name: relative, with '/'. ValueError for a name that leaves the run,
    IntegrityError if it, or a folder above it, is neither a file nor a folder.
    """
    parts = PurePosixPath(name)
    if not name or parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"not a path within a run: {name!r}")
    path = str(root)
    last = len(parts.parts) - 1
    for place, part in enumerate(parts.parts):
        path = f"{path}/{part}"
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            break
        if not stat.S_ISDIR(mode) and (place < last or not stat.S_ISREG(mode)):
            raise refusal(Path(path), kind_of(mode))
    return root / parts


def entries(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything in a run directory except folders: relative path with '/', and the entry. Follows no
    links."""
    pending = [("", str(root))]
    while pending:
        inside, folder = pending.pop()
        with os.scandir(folder) as found:
            for entry in found:
                name = f"{inside}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{name}/", entry.path))
                else:
                    yield name, entry


def odd(root: Path) -> dict[str, str]:
    """Relative path -> kind of everything in a run directory that is neither a file nor a folder, sorted."""
    found = {
        name: kind_of(entry.stat(follow_symlinks=False).st_mode)
        for name, entry in entries(root)
        if not entry.is_file(follow_symlinks=False)
    }
    return dict(sorted(found.items()))
