"""Text files, one example each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bmcli.files import encoding
from bmcli.files.inputs import bytes_of

MAX_BYTES = 64 * 2**20
"""Of one text."""
POOLED = 500_000
"""Bytes of non-UTF-8 files from which their common encoding is detected: a single file may be too short."""
GLANCE_BYTES = 200 * 2**20
"""Files that are opened for a first config have this size in all."""
NOT_TEXT = "not UTF-8, nor a text in another known encoding"


@dataclass
class Read:
    """The files' texts, position -> what is wrong, and codec -> positions of those that are not UTF-8."""

    texts: list[str] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)
    encodings: dict[str, list[int]] = field(default_factory=dict)

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """What is said of files that are not UTF-8."""
        return notes({codec: [names[i] for i in files] for codec, files in self.encodings.items()})


def notes(encodings: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What is said of the files (by codec) that are not UTF-8: how many there are, and one of them."""
    return tuple(
        f"{len(names):,} file{'s are' if len(names) > 1 else ' is'} read as {encoding.said(codec)}, "
        f"not UTF-8: {names[0]}{', ...' if len(names) > 1 else ''}"
        for codec, names in encodings.items()
    )


def read_files(paths: Sequence[str]) -> Read:
    """The files' texts: UTF-8, or what `files.encoding` finds; a byte order mark is taken off."""
    read = Read()
    others: dict[int, bytes] = {}
    for i, path in enumerate(paths):
        text = ""
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - once for every file of a folder
                if os.fstat(file.fileno()).st_size > MAX_BYTES:
                    read.problems[i] = f"larger than {MAX_BYTES // 2**20} MiB"
                else:
                    data = file.read()
                    if (plain := _utf8(data)) is None:
                        others[i] = data
                    else:
                        text = plain
            if i not in read.problems and i not in others and not text.strip():
                read.problems[i] = "the file is empty"
        except OSError as error:
            read.problems[i] = f"cannot be read: {error.strerror or error}"
        read.texts.append(text)
    _decode(others, read)
    return read


def decode(data: bytes, likely: str | None = None) -> tuple[str, str] | None:
    """A text and the codec it was written in; None if it is not text.

    likely: a legacy codec that texts from the same source have, tried before others.
    """
    if (text := _utf8(data)) is not None:
        return text, "utf-8"
    codec = encoding.detect(data, whole=True)
    for one in (likely if codec is not None and not codec.startswith("utf") else None, codec):
        if one is not None:
            try:
                return data.decode(one), one
            except UnicodeDecodeError:
                continue
    return None


def _utf8(data: bytes) -> str | None:
    """The text where it is UTF-8 without zeros, which are a sign of UTF-16."""
    if b"\0" in data and encoding.detect(data, whole=True) not in ("utf-8", "utf-8-sig"):
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _decode(others: dict[int, bytes], read: Read) -> None:
    """What is not UTF-8. Files of one folder mostly have one encoding, and together they show it better."""
    pooled = bytearray()
    for data in others.values():
        alone = encoding.detect(data, whole=True) if len(pooled) < POOLED else None
        if alone is not None and not alone.startswith("utf"):
            pooled += data + b"\n"
    likely = encoding.detect(bytes(pooled), whole=True) if pooled else None
    for i, data in others.items():
        found = decode(data, likely)
        if found is None:
            read.problems[i] = NOT_TEXT
            continue
        read.texts[i], codec = found
        if not read.texts[i].strip():
            read.problems[i] = "the file is empty"
        else:
            read.encodings.setdefault(codec, []).append(i)


def unreadable(paths: Sequence[str]) -> list[str]:
    """The paths of those that are empty or not UTF-8."""
    bad = []
    left = GLANCE_BYTES
    for path in paths:
        left -= bytes_of(path)
        if left < 0:
            break
        try:
            if not Path(path).read_bytes().decode("utf-8-sig").strip():
                bad.append(path)
        except (OSError, UnicodeDecodeError):
            bad.append(path)
    return bad
