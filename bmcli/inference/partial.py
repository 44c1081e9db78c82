"""Stores predictions while their file is being written, so that an interruption loses none of them.

The file itself is put in place when it is complete. Until then its answers stand, one JSON object a line,
in a file beside it, which is removed when the work is done and stays if it is interrupted: by a signal, a
crash, a power cut.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.runs import atomic

if TYPE_CHECKING:
    from bmcli.inference.predictor import Prediction

SUFFIX = ".partial.jsonl"
_LONGEST_NAME = 200
"""Bytes of a name that another suffix may be put behind."""


class Partial:
    """The answers so far of the file `output`; count: how many of them are in it."""

    def __init__(self, output: Path) -> None:
        name = os.fsdecode(os.fsencode(output.name)[:_LONGEST_NAME])
        self.path = output.with_name(name + SUFFIX)
        self.count = 0

    def keep(self, pieces: Iterable[list[Prediction]]) -> Iterator[Prediction]:
        """Pass the predictions on; each piece is in the file before it is passed on.

        ResourceError if the disk does not take it.
        """
        with atomic.resources(f"write {self.path}"):
            self.remove()  # of an earlier work that was cut off; and what lies there is never written through
            file = self.path.open("x", encoding="utf-8")
        with file:
            for piece in pieces:
                lines = [json.dumps({"format": 1, **one.to_json()}, allow_nan=False) + "\n" for one in piece]
                with atomic.resources(f"write {self.path}"):
                    file.write("".join(lines))
                    file.flush()
                self.count += len(piece)
                yield from piece

    def remove(self) -> None:
        """Take the file away: the whole one is in place, or nothing is worth keeping."""
        self.path.unlink(missing_ok=True)
