"""Combines several config errors into one."""

from __future__ import annotations

from collections.abc import Iterable

from bmcli.core.errors import ConfigError, Place, Problem

COMMAND_LINE = "command line"


def config_error(problems: Iterable[Problem]) -> ConfigError:
    """One error with all problems, sorted by place: line and column, those of the command line last."""
    unique = list(dict.fromkeys(problems))
    found = sorted(unique, key=lambda problem: _sort_key(problem.place))
    first = found[0]
    if len(found) == 1:
        return ConfigError(first.message, place=first.place, hint=first.hint, problems=found)
    return ConfigError(f"{len(found)} mistakes in the config", problems=found)


def _sort_key(place: Place | None) -> tuple[bool, int, int]:
    if place is None:
        return (True, 0, 0)
    return (place.file.startswith(COMMAND_LINE), place.line or 0, place.column or 0)
