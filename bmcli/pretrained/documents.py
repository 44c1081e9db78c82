"""The small files of a folder of weights, each bounded in size."""

from __future__ import annotations

import json
from pathlib import Path

from bmcli.core.errors import ConfigError, IntegrityError
from bmcli.core.plain import Document

MOST = 2**20
"""Bytes of the largest JSON file of options."""


def read_text(path: Path, most: int = MOST) -> str:
    """The text of a file of at most `most` bytes. ConfigError if it is missing, IntegrityError if it is
    larger, or not UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > most:
        raise IntegrityError(f"{path} has more than {most:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{path} is not UTF-8: {error}") from error


def read_map(path: Path, most: int = MOST) -> Document:
    """A JSON map. Raises as `read_text`, and IntegrityError if it is not one."""
    try:
        found = json.loads(read_text(path, most))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise IntegrityError(f"{path} is not a map")
    return found


def read_map_if_there(path: Path, most: int = MOST) -> Document:
    """The same; {} if there is no such file."""
    return read_map(path, most) if path.is_file() else {}
