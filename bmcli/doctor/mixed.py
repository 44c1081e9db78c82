"""Examples of several parts: only the checks for examples of any modality."""

from __future__ import annotations

from bmcli.doctor import findings


class Examiner(findings.Examiner):
    """Finds nothing of its own."""
