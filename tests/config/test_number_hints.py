"""Hints for numbers are followed: what they say to write has the value that was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bmcli.config.parsing import corrections as meant
from bmcli.config.parsing.yaml import Node, plain_scalar
from bmcli.core.errors import Place
from tests.config.test_hints import RATE, follow, problem, proposals

NUMBERS: list[tuple[str, str, list[object]]] = [
    (RATE, "0,1", [0.1]),
    (RATE, "0,125", [0.125]),
    (RATE, "1,5", [1.5]),
    (RATE, "1,50", [1.5]),
    (RATE, "',5'", [0.5]),
    (RATE, "1,5e-3", [1.5e-3]),
    (RATE, "1,000", [1000, 1.0]),
    (RATE, "12,345", [12345, 12.345]),
    (RATE, "1,000,000", [1_000_000]),
    (RATE, "1,000.5", [1000.5]),
    (RATE, "1.234,5", [1234.5]),
    (RATE, "1.234.567", [1_234_567]),
    (RATE, "1.234.567,5", [1_234_567.5]),
    (RATE, "1_000", [1000]),
    (RATE, "1_000.5", [1000.5]),
    (RATE, "1 000", [1000]),
    (RATE, "1 000,5", [1000.5]),
    (RATE, "1\u00a0000", [1000]),
    (RATE, "1\u202f000", [1000]),
    (RATE, "1'000", [1000]),
    (RATE, "'0.1'", [0.1]),
    (RATE, "'1e-3'", [1e-3]),
    (RATE, "' 0.1 '", [0.1]),
    (RATE, "'.5'", [0.5]),
    (RATE, "'5.'", [5.0]),
    (RATE, "'0x10'", [16]),
    (RATE, "'010'", [10]),
    (RATE, "10,", [10]),
    (RATE, "10k", [10_000]),
    (RATE, "2.5k", [2_500]),
    (RATE, "1M", [1_000_000]),
    (RATE, "50%", [0.5]),
    (RATE, "0,5 %", [0.005]),
    (RATE, "1e\u22123", [1e-3]),
    (RATE, "10^-3", [1e-3]),
    (RATE, "10**-3", [1e-3]),
    (RATE, "1e-3x", []),
    (RATE, "1,0,1", []),
    (RATE, "0_1,5", []),
    (RATE, "1:30", []),
    (RATE, "2024-01-31", []),
    (RATE, "'-0,1'", []),  # what it means is not above 0
    (RATE, "None", []),
    (RATE, "true", []),
    ("training.epochs", "1,000", [1000]),
    ("training.epochs", "1.000", [1, 1000]),
    ("training.epochs", "1.024", [1024]),
    ("training.epochs", "1.0", [1]),
    ("training.epochs", "1e3", [1000]),
    ("training.epochs", "'5.'", [5]),
    ("training.epochs", "'1e2'", [100]),
    ("training.epochs", "10k", [10_000]),
    ("training.epochs", "'10'", [10]),
    ("training.epochs", "10,", [10]),
    ("training.epochs", "'0x10'", [16]),
    ("training.epochs", "0,1", []),
    ("training.epochs", "'1.5'", []),
    ("training.epochs", "'-5'", []),
    ("training.epochs", "50%", []),
    ("training.epochs", "1.5", []),
    ("training.epochs", "1e300", []),
    ("training.epochs", "2024-01-31", []),
    ("training.label_smoothing", "10", [0.1]),
    ("training.label_smoothing", "10%", [0.1]),
    ("training.label_smoothing", "0,1", [0.1]),
    ("training.label_smoothing", "1,000", []),
    ("training.ema", "99", [0.99]),
    ("training.ema", "'0,999'", [0.999]),
    ("training.ema", "None", [None]),
    ("data.limit", "1,000", [1000]),
    ("data.limit", "none", [None]),
    ("data.seed", "'7'", [7]),
    ("preprocessing.image.channels", "'3'", [3]),
    ("training.checkpoint.every_minutes", "2,5", [2.5]),
]


@pytest.mark.parametrize("on_command_line", [False, True])
@pytest.mark.parametrize(("key", "written", "meant"), NUMBERS)
def test_a_number_hint_is_followed(
    key: str, written: str, meant: list[object], on_command_line: bool, tmp_path: Path
) -> None:
    follow(key, written, meant, tmp_path, on_command_line=on_command_line)


# In a map in braces YAML takes the comma for the next key.
@pytest.mark.parametrize(
    "text", ["training: {label_smoothing: 0,1}", "training: {label_smoothing: 0,05, epochs: 3}"]
)
def test_a_decimal_comma_in_braces_is_not_dropped(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"extends: digits_cnn\n{text}\n")
    one = problem(tmp_path / "c.yaml", cwd=tmp_path)
    number = text.partition("0,")[2].partition(",")[0].rstrip("}")
    assert one.message == f"unknown key '{number}'"
    assert one.hint == f"write label_smoothing: 0.{number}, with a point"


@example("1000_0000_0000_0001")
@given(st.from_regex(r"[-+]?[0-9]{0,4}([,._ '][0-9]{1,4}){0,3}( ?[%kKM,])?", fullmatch=True))
def test_no_hint_makes_another_number(text: str) -> None:
    """Whatever is proposed has the digits that were written, up to a power of ten."""
    for schema in ({"type": "number"}, {"type": "integer"}):
        node = Node(text, Place("c.yaml"), "", text)
        digits = re.sub(r"[^0-9]", "", text).strip("0")
        for proposal in proposals(meant.hint(schema, node)):
            value = plain_scalar(proposal)
            assert type(value) in ((int, float) if schema["type"] == "number" else (int,))
            assert re.sub(r"[^0-9]", "", proposal.partition("e")[0]).strip("0") == digits
            assert value == float(proposal)
            assert (value < 0) == (text.startswith("-") and value != 0)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0,1", [0.1]),
        ("10%", [0.1]),
        ("'0.1'", [0.1]),
        ("20", [0.2]),
        ("'.1'", [0.1]),
        ("'10'", []),
        ("1.2.3", []),
    ],
)
@pytest.mark.parametrize("on_command_line", [False, True])
def test_shares(written: str, meant: list[object], on_command_line: bool, tmp_path: Path) -> None:
    """Where a share or a path may stand."""
    follow("data.validation", written, meant, tmp_path, on_command_line=on_command_line)
