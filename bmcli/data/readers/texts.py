"""Text files, one example each."""

from __future__ import annotations

import os
from collections.abc import Sequence

MAX_BYTES = 64 * 2**20
"""Of one text."""


def read_files(paths: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """The files' texts (UTF-8, a byte order mark is taken off), and position -> what is wrong."""
    texts: list[str] = []
    problems: dict[int, str] = {}
    for i, path in enumerate(paths):
        text = ""
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - once for every file of a folder
                if os.fstat(file.fileno()).st_size > MAX_BYTES:
                    problems[i] = f"larger than {MAX_BYTES // 2**20} MiB"
                else:
                    text = file.read().decode("utf-8-sig")
            if i not in problems and not text.strip():
                problems[i] = "the file is empty"
        except UnicodeDecodeError:
            problems[i] = "not UTF-8"
        except OSError as error:
            problems[i] = f"cannot be read: {error.strerror or error}"
        texts.append(text)
    return texts, problems
