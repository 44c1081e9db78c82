"""A training of a second, and the repository where processes of their own find the package."""

from __future__ import annotations

from pathlib import Path

import bmcli

PACKAGE_ROOT = Path(bmcli.__file__).parents[1]

TINY = """\
name: tiny
data: {name: digits, limit: 60, augment: []}
model: {name: mlp, hidden: [8]}
training: {epochs: 3, batch_size: 32}
"""
