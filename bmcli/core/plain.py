"""Types of plain data: what JSON and YAML hold."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
"""A JSON object, as `json.loads` returns it and `json.dumps` takes it; the reader of a value checks it."""
