"""Classes that are rare, or much rarer than others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.doctor.findings import Finding

if TYPE_CHECKING:
    from bmcli.data.bundle import DataBundle

UNBALANCED = 10
"""Ratio of the largest to the smallest class from which the imbalance is reported."""
FEW = 10
"""Number of training examples below which a class is reported as rare."""


def of_balance(bundle: DataBundle) -> list[Finding]:
    """Of the training split; nothing if there are no classes."""
    counts = tasks.of(bundle.task).counts(bundle.train.targets, len(bundle.classes))
    if counts is None:
        return []
    most, least = int(counts.argmax()), int(counts.argmin())
    found = []
    if counts[most] >= UNBALANCED * max(int(counts[least]), 1):
        message = (
            f"'{bundle.classes[most]}' has {counts[most]:,} training examples, '{bundle.classes[least]}' "
            f"{counts[least]:,}: use recall per class rather than accuracy"
        )
        found.append(Finding("balance", "warning", message, int(counts[least])))
    rare = [f"'{bundle.classes[i]}' ({counts[i]})" for i in np.flatnonzero(counts < FEW)]
    if rare:
        shown = ", ".join(rare[:10]) + (", …" if len(rare) > 10 else "")
        message = f"fewer than {FEW} training examples: {shown}"
        found.append(Finding("few", "warning", message, len(rare)))
    return found
