"""What becomes of unusable files and rows: all named in one error, or left out, counted and listed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bmcli.core.errors import DataError, Problem


def settle(
    problems: Sequence[Problem],
    what: str,
    *,
    skip: bool,
    source: str | None = None,
    hint: str,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(notes, skipped) where they may be skipped, nothing if there are none; else DataError with them all.

    what: 'file' or 'row'; source: what they are in, for the message; hint: what to do.
    """
    if not problems:
        return (), ()
    problems = sorted(problems, key=_order)
    count = f"{len(problems):,} {what}{'s' if len(problems) > 1 else ''}"
    if not skip:
        # What many of them have in common is reported once, after all of them.
        hint = "\n".join(dict.fromkeys([hint, *(p.hint for p in problems if p.hint)]))
        problems = [replace(p, hint=None) for p in problems]
        raise DataError(
            f"{count} cannot be used" + (f" in {source}" if source else ""),
            problems=problems,
            hint=hint,
        )
    listed = tuple(f"{p.place}: {p.message}" if p.place else p.message for p in problems)
    return (f"{count} left out as unusable" + (f" in {source}" if source else ""),), listed


def _order(problem: Problem) -> tuple[str, int, str]:
    """By file, then by line, or by the row's number where a file has no lines."""
    place = problem.place
    if place is None:
        return "", 0, problem.message
    row = re.match(r"row (\d+)", problem.message)
    return place.file, place.line or (int(row.group(1)) if row else 0), problem.message
