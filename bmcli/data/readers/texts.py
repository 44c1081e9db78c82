"""Text files, one example each."""

from __future__ import annotations

from collections.abc import Sequence


def read_files(paths: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """The files' texts (UTF-8, a byte order mark is taken off), and position -> what is wrong."""
    texts: list[str] = []
    problems: dict[int, str] = {}
    for i, path in enumerate(paths):
        text = ""
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - once for every file of a folder
                text = file.read().decode("utf-8-sig")
            if not text.strip():
                problems[i] = "the file is empty"
        except UnicodeDecodeError:
            problems[i] = "not UTF-8"
        except OSError as error:
            problems[i] = f"cannot be read: {error.strerror or error}"
        texts.append(text)
    return texts, problems
