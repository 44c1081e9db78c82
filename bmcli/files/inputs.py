"""The files that inputs on the command line refer to: a file, a folder, or a pattern (`'photos/*.jpg'`,
expanded here where the shell did not)."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bmcli.core.errors import Place, Problem

STDIN = "-"


def bytes_of(path: str) -> int:
    """Size of a file; 0 if it does not exist, which its reader will report."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - for every file
    except OSError:
        return 0


def expanded(
    inputs: Sequence[str],
    suffixes: frozenset[str],
    problems: list[Problem],
    expect: Callable[[int], object] | None,
    or_text: bool = False,
) -> Iterator[tuple[str, Iterable[str]]]:
    """Each input with its files. expect: all are listed before the first is handed on, to say how many they
    are."""
    if expect is None:
        yield from ((name, files_of(name, suffixes, problems, or_text=or_text)) for name in inputs)
        return
    listed = [(name, list(files_of(name, suffixes, problems, or_text=or_text))) for name in inputs]
    expect(sum(1 if name == STDIN else len(files) for name, files in listed))
    yield from listed


def files_of(
    name: str, suffixes: frozenset[str], problems: list[Problem], *, or_text: bool = False
) -> Iterator[str]:
    """The files that an input refers to: itself, those of a folder (by suffix), or those of a pattern.

    problems: gets what cannot be read, as a place that holds none of them.

    or_text: the user may have meant the text itself; the error's hint says how to give it.
    """
    if os.path.isdir(name):  # noqa: PTH112 (Path's raises where a text is too long to be a name)
        yield from _below(name, suffixes, problems)
    elif os.path.lexists(name):
        yield name
    elif glob.has_magic(name):
        matches = _matching(name)
        if not matches:
            problems.append(Problem("nothing matches", Place(name)))
        for match in matches:
            if Path(match).is_dir():
                yield from _below(match, suffixes, problems)
            else:
                yield match
    elif name != STDIN:
        hint = "use --text if it is the text itself" if or_text else None
        problems.append(Problem("there is no such file", Place(name), hint))


def _matching(pattern: str) -> list[str]:
    """The paths that a pattern matches, sorted, each beginning as the pattern does.

    As `glob.glob(pattern, recursive=True)`, but that `**` follows no links, and every folder is looked into
    once for each part of the pattern: glob takes exponential time where `**` is repeated or links lead back.
    """
    parts = pattern.split(os.sep)  # noqa: PTH206 (as it is written)
    found = {os.sep} if parts[0] == "" else {""}
    for number, part in enumerate(parts):
        if part == "" or (number and part == parts[number - 1] == "**"):
            continue
        if part == "**":
            found = {f for folder in found for f in _folders_below(folder, found)}
        elif glob.has_magic(part):
            hidden = part.startswith(".")
            last = number == len(parts) - 1
            found = {
                os.path.join(folder, entry.name)  # noqa: PTH118 (keeps the name as it was written)
                for folder in found
                for entry in _entries(folder)
                if fnmatch.fnmatchcase(entry.name, part)
                and (hidden or not entry.name.startswith("."))
                and (last or entry.is_dir())
            }
        else:
            joined = (os.path.join(folder, part) for folder in found)  # noqa: PTH118
            found = {path for path in joined if os.path.lexists(path)}
    return sorted(found - {""})


def _folders_below(folder: str, known: set[str]) -> Iterator[str]:
    """The folder and those below that no other of `known` leads to; links are not followed."""
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        yield at
        for entry in _entries(at):
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                path = os.path.join(at, entry.name)  # noqa: PTH118
                if path not in known:
                    waiting.append(path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or os.curdir) as entries:
            return list(entries)
    except OSError:  # no folder, or not to be read: as `glob` has it, nothing matches there
        return []


def _walk(folder: str, onerror: Callable[[OSError], None]) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, sorted and without hidden folders; but not by recursion, which Python bounds: folders may
    lie a thousand deep."""
    waiting = [folder]
    while waiting:
        parent = waiting.pop()
        folders: list[os.DirEntry[str]] = []
        names: list[os.DirEntry[str]] = []
        try:
            with os.scandir(parent) as entries:
                for entry in entries:
                    (folders if entry.is_dir() else names).append(entry)
        except OSError as error:
            onerror(error)
            continue
        inside = sorted(entry.name for entry in folders if not entry.name.startswith("."))
        links = {entry.name for entry in folders if entry.is_symlink()}
        yield parent, inside, [entry.name for entry in names]
        prefix = parent if parent.endswith(os.sep) else parent + os.sep
        waiting += [prefix + name for name in reversed(inside) if name not in links]


def _below(folder: str, suffixes: frozenset[str], problems: list[Problem]) -> Iterator[str]:
    """Files of a folder and its subfolders, in order; hidden ones are not data."""
    found = False

    def unreadable(error: OSError) -> None:
        problems.append(Problem(f"cannot be read: {error.strerror or error}", Place(str(error.filename))))

    for parent, folders, names in _walk(folder, unreadable):
        for each in folders:
            if os.path.islink(link := os.path.join(parent, each)):  # noqa: PTH114, PTH118
                problems.append(
                    Problem("a link to a folder, which is not followed: give the folder itself", Place(link))
                )
        for each in sorted(names):
            if each.startswith(".") or Path(each).suffix.lower() not in suffixes:
                continue
            found = True
            path = f"{parent.rstrip(os.sep)}{os.sep}{each}" if parent != os.sep else f"{os.sep}{each}"
            if os.path.isfile(path):  # noqa: PTH113 - once for every file of a folder
                yield path
            else:  # to open a pipe that lies there would wait for ever
                what = "not a regular file" if os.path.exists(path) else "a link to nothing"  # noqa: PTH110
                problems.append(Problem(what, Place(path)))
    if not found:
        problems.append(Problem(f"holds no {', '.join(sorted(suffixes))} file", Place(folder)))
