"""Types of plain data: what JSON and YAML hold."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
"""A JSON object, as `json.loads` gives it and `json.dumps` takes it; whoever reads a value checks it."""
