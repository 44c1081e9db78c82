"""Listings of the folders below a root, and which links may be followed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from bmcli.core.errors import DataError, Place, Problem

LITTER = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "__pycache__", "lost+found"}
)
"""What operating systems and tools leave behind, compared in lower case."""
LEAVES = "a link that leaves the folder"
FOLLOW = "data.follow_links: true follows links that leave the folder"


LISTED = 20_000
"""Entries of one folder that `layout` looks at; any others do not matter."""
_LEVELS = 50
"""Largest depth of nested folders; nobody keeps data deeper than that."""
_VISITS = 200
"""Of one folder, by way of links: a few that name each other twice make more paths than can be walked."""


@dataclass(frozen=True)
class Listing:
    folders: list[os.DirEntry[str]]
    files: list[os.DirEntry[str]]
    complete: bool = True


class Looker:
    """Lists folders below a root, and decides which links may be followed."""

    def __init__(self, root: Path, follow_links: bool) -> None:
        self.root = root
        self.real = os.path.realpath(root)
        self.complete = True  # whether every folder that was walked was listed to its end
        self._follow = follow_links
        self._prefix = len(os.path.join(root, ""))  # noqa: PTH118
        self._inside = self.real.rstrip(os.sep) + os.sep
        # Real path -> how often it was listed, once a link has been followed.
        self._visits: Counter[str] | None = None

    def listing(self, folder: Path, most: int | None = LISTED) -> Listing:
        """What is data in a folder, by name. DataError if it cannot be read, or is too deep or too much
        linked."""
        self._bound(folder)
        folders: list[os.DirEntry[str]] = []
        files: list[os.DirEntry[str]] = []
        complete = True
        try:
            with os.scandir(folder) as entries:
                for count, entry in enumerate(entries):
                    if most is not None and count >= most:
                        complete = False
                        break
                    if entry.name.startswith(".") or entry.name.lower() in LITTER:
                        continue
                    (folders if _is_folder(entry) else files).append(entry)
        except OSError as error:
            raise DataError(
                f"{folder} cannot be read: {error.strerror or error}", place=Place(str(folder))
            ) from error
        return Listing(sorted(folders, key=_by_name), sorted(files, key=_by_name), complete)

    def _bound(self, folder: Path) -> None:
        name = str(folder)
        if name.count(os.sep, self._prefix) >= _LEVELS:
            top = self.name(name).split("/")[0]
            raise DataError(
                f"{self.root}: folders lie in folders more than {_LEVELS} deep ({top}/...)",
                hint="move them up, or leave them out of the data",
            )
        if self._visits is None:
            return
        real = os.path.realpath(name)
        self._visits[real] += 1
        if self._visits[real] > _VISITS:
            raise DataError(
                f"{self.root}: links lead to {shown(os.path.relpath(real, self.real))} in more than "
                f"{_VISITS} ways",
                hint="leave one link to each folder",
            )

    def refuses(self, entry: os.DirEntry[str], above: Collection[str] = ()) -> str | None:
        """Why a link is not followed; None if it is followed, or is not a link."""
        if not entry.is_symlink():
            return None
        why = self._refuses(entry.path, above)
        if why is None and self._visits is None:
            self._visits = Counter()
        return why

    def refuses_path(self, path: Path) -> str | None:
        """The same for a path."""
        return self._refuses(str(path), ()) if path.is_symlink() else None

    def _refuses(self, path: str, above: Collection[str]) -> str | None:
        target = os.path.realpath(path)
        if target in above or target == self.real:
            return "a link back to a folder above it"
        if target.startswith(self._inside):
            return None
        if self._inside.startswith(target.rstrip(os.sep) + os.sep) and self._follow:
            return "a link back to a folder above it"
        return None if self._follow else LEAVES

    def name(self, path: Path | str) -> str:
        """The path in the root, with slashes, readable."""
        return shown(self.raw_name(str(path)))

    def raw_name(self, path: str) -> str:
        """The same as the file system has it."""
        return path[self._prefix :].replace(os.sep, "/")

    def walk(
        self,
        folder: Path,
        problems: list[Problem],
        above: frozenset[str] = frozenset(),
        most: int | None = None,
    ) -> Iterator[os.DirEntry[str]]:
        """Every file below, sorted; links that are not followed become problems.

        most: entries of one folder that are listed.
        """
        above = above | {os.path.realpath(folder)}
        listing = self.listing(folder, most)
        self.complete &= listing.complete
        for entry in sorted([*listing.folders, *listing.files], key=_by_name):
            if (why := self.refuses(entry, above)) is not None:
                hint = FOLLOW if why == LEAVES else None
                problems.append(Problem(why, Place(self.name(entry.path)), hint))
            elif _is_folder(entry):
                yield from self.walk(Path(entry.path), problems, above, most)
            else:
                yield entry


def _by_name(entry: os.DirEntry[str]) -> str:
    return entry.name


def suffix_of(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path per file takes most of the time


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Also where it is a link; one that leads to itself, on which `entry.is_dir` fails, is none."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def shown(name: str) -> str:
    """The name with bytes that are not UTF-8 written as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
