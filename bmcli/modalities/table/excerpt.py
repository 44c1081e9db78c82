"""A row as one line for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bmcli.core.number_format import cell
from bmcli.files.dates import DateFormat, written

if TYPE_CHECKING:
    from bmcli.files.facts import ColumnFacts
    from bmcli.modalities.table.examples import Table


def excerpt(table: Table, position: int) -> str:
    """'age 41, colour red, height missing'."""
    return ", ".join(
        f"{name} {_cell(column[position], table.facts.get(name))}" for name, column in table.columns.items()
    )


def _cell(value: object, facts: ColumnFacts | None) -> str:
    """A cell for display: dates as dates, numbers as in a table."""
    if not isinstance(value, float):
        return "missing" if value is None else str(value)
    if math.isnan(value):
        return "missing"
    if facts is not None and isinstance(facts.format, DateFormat):
        return written(value, facts.format)
    return cell(value)
