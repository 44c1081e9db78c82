"""A run's images, embedded in a page that loads nothing."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from bmcli.runs.run import Run


def data_uri(run: Run, path: str) -> Markup | None:
    """A PNG of the run as a data URI, or None if it has none."""
    if not run.exists(path):
        return None
    return Markup("data:image/png;base64," + base64.b64encode(run.read_bytes(path)).decode("ascii"))
