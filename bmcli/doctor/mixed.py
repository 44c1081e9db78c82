"""Examples of several parts: what is looked for in examples of any modality, and no more."""

from __future__ import annotations

from bmcli.doctor import findings


class Examiner(findings.Examiner):
    """Finds nothing of its own."""
