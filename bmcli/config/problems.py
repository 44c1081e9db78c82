"""Combines several config errors into one."""

from __future__ import annotations

from collections.abc import Iterable

from bmcli.core.errors import ConfigError, Place, Problem

COMMAND_LINE = "command line"


def config_error(problems: Iterable[Problem], *, order: tuple[str, ...] = ()) -> ConfigError:
    """One error with all problems, sorted by place: files as in `order`, then line and column."""
    unique = list(dict.fromkeys(problems))
    found = sorted(unique, key=lambda problem: _sort_key(problem.place, order))
    first = found[0]
    if len(found) == 1:
        return ConfigError(first.message, place=first.place, hint=first.hint, problems=found)
    return ConfigError(f"{len(found)} mistakes in the config", problems=found)


def _sort_key(place: Place | None, order: tuple[str, ...]) -> tuple[bool, int, int, int]:
    if place is None:
        return (True, 0, 0, 0)
    rank = order.index(place.file) if place.file in order else len(order)
    return (place.file.startswith(COMMAND_LINE), rank, place.line or 0, place.column or 0)
