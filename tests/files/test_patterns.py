"""Patterns of users that would take for ever, or all memory, are errors in the config."""

from __future__ import annotations

import pytest

from bmcli.core.errors import ConfigError
from bmcli.files.patterns import NamePattern


def test_a_pattern_that_calls_itself_for_ever_is_an_error() -> None:
    with pytest.raises(ConfigError, match="takes too much memory"):
        NamePattern("(?R)", "data.group").find("a-1.png")


def test_a_pattern_finds_its_group_or_the_whole_match() -> None:
    assert NamePattern(r"(\d+)-", "data.group").find("a12-1.png") == "12"
    assert NamePattern(r"\d+", "data.group").find("a12-1.png") == "12"
    assert NamePattern("x", "data.group").find("a12-1.png") is None
