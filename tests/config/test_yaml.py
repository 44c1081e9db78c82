"""Strict YAML: what is read, where it stands, what is refused, and that hostile text costs little."""

from __future__ import annotations

import math
import subprocess
import sys
import time

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bmcli.config import dump
from bmcli.config.parsing import yaml
from bmcli.core.errors import ConfigError


def parse(text: str | bytes) -> yaml.Node:
    return yaml.parse(text, "c.yaml", "/folder")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-1.5e+2", -150.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("+3", 3),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-31", "2024-01-31"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("'1'", "1"),
        ('"null"', "null"),
        ("1e", "1e"),
        ("-", [None]),
        ("é", "é"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    plain = parse(f"key: {text}\n" if text != "-" else "key:\n- \n").plain()["key"]
    assert plain == value
    assert type(plain) is type(value)


def test_every_key_and_value_knows_its_place() -> None:
    node = parse("a: 1\nb:\n  é: [x,\n    {k: v}]\n")
    assert str(node.key_place("b")) == "c.yaml:2:1"
    inner = node.value["b"].value["é"]
    assert (inner.place.line, inner.place.column) == (3, 6)
    assert str(inner.value[1].value["k"].place) == "c.yaml:4:9"
    assert inner.value[1].value["k"].place.text == "    {k: v}]"
    assert str(parse("\ufeffa: 1".encode()).value["a"].place) == "c.yaml:1:4"


@pytest.mark.parametrize(
    ("text", "line", "column", "fragment"),
    [
        ("a: !!python/object/apply:os.system ['true']\n", 1, 4, "tag"),
        ("a: !!str 1\n", 1, 4, "tag"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' is given twice; first at line 1"),
        ("a: &x {k: 1}\nb:\n  <<: *x\n", 3, 3, "merge keys"),
        ("a: &x [*x]\n", 1, 8, "inside its own value"),
        ("a: *nothing\n", 1, 4, "&nothing"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("a:\n\tb: 1\n", 2, 1, "tab"),
        ("a: b: c\n", 1, 5, "':'"),
        ("a: [1, 2\n", 2, 1, "']'"),
        ("a: 'open\n", 1, 4, "never closed"),
        ("a: @x\n", 1, 4, "'@' cannot start a value"),
        ("a: \x00\n", 1, 4, "NUL"),
        ("a: 1\nb: \x07\n", 2, 4, "U+0007"),
        ("? [1, 2]\n: x\n", 1, 3, "key"),
        ("a: " + "9" * 500, 1, 4, "digits"),
        ("a: " + "[" * 60 + "]" * 60, 1, 52, "deeper than 50"),
        ("%YAML 9.0\n---\na: 1\n", 1, 1, "YAML"),
    ],
)
def test_refused_with_place(text: str, line: int, column: int, fragment: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert fragment in problem.message
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (line, column)


def test_not_utf8_names_the_byte() -> None:
    with pytest.raises(ConfigError, match="0xff") as caught:
        parse(b"a: 1\nb: \xff\n")
    assert str(caught.value.place) == "c.yaml:2:4"


def test_several_mistakes_come_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("a: 1\na: 2\nb: !!x 3\n")
    assert len(caught.value.problems) == 2


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "alias bomb": bomb(30),
    "nested flow": "[" * 400_000,
    "nested maps": "{a: " * 200_000,
    "nested list items": "- " * 400_000,
    "many nodes": "[" + "1," * 490_000 + "]",
    "many keys": "\n".join(f"k{i}: 1" for i in range(80_000)),
    "many tags": "\n".join(f"k{i}: !!x 1" for i in range(45_000)),
    "quotes": "'" * 900_001,
    "anchors": " ".join(f"&a{i}" for i in range(100_000)),
    "question marks": "? " * 400_000,
    "long number": "a: " + "1" * 900_000,
    "long line": "a: " + "x" * 900_000,
    "too large": "a: " + "x" * 2_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_ends_quickly(name: str) -> None:
    begin = time.process_time()
    try:
        parse(HOSTILE[name])
    except ConfigError as error:
        assert len(error.problems) <= 50
    else:
        assert name == "long line"
    assert time.process_time() - begin < 4  # 2 s on an idle machine


def test_hostile_text_takes_little_memory() -> None:
    code = (
        "import re, resource; from pathlib import Path\n"
        "from bmcli.config.parsing import yaml; from bmcli.core.errors import ConfigError\n"
        "from tests.config.test_yaml import HOSTILE\n"
        "for text in HOSTILE.values():\n"
        "    try: yaml.parse(text, 'c', '/')\n"
        "    except ConfigError: pass\n"
        "status = Path('/proc/self/status')\n"
        # Linux hands the parent's peak on to getrusage, and starts VmHWM anew.
        "if status.exists(): print(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1])\n"
        "else: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout) // (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 400_000


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t"))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(data)
def test_what_bm_writes_it_reads(value: object) -> None:
    assert parse(dump.dump({"value": value})).plain() == {"value": value}


@given(data)
def test_what_bm_writes_other_readers_read_alike(value: object) -> None:
    assert pyyaml.safe_load(dump.dump({"value": value})) == {"value": value}


@given(data)
def test_what_others_write_is_read_but_for_text_that_is_a_number_now(value: object) -> None:
    text = pyyaml.safe_dump({"value": value})
    assert parse(text).plain() == {"value": _as_yaml_1_2(value)}


def _as_yaml_1_2(value: object) -> object:
    """PyYAML leaves text unquoted that YAML 1.2 reads as a number: `1e3`, `08`, `0o7`."""
    if isinstance(value, dict):
        return {_as_yaml_1_2(key): _as_yaml_1_2(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_yaml_1_2(item) for item in value]
    if isinstance(value, str) and value and pyyaml.safe_dump(value).startswith(value):
        return yaml.plain_scalar(value)
    return value


@given(st.text(max_size=60) | st.text("[]{}:,-&*!|>'\"%@`#? \n\tab1.~<", max_size=60))
@settings(max_examples=300)
def test_random_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ConfigError as error:
        assert error.problems


@given(st.binary(max_size=60))
def test_random_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        parse(content)
    except ConfigError as error:
        assert error.problems
