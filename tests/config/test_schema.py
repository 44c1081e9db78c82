"""The JSON Schema: it says what the resolver says, and its golden file what others rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bmcli.config import shipped
from bmcli.config.parsing import yaml
from bmcli.config.reference import markdown
from bmcli.config.reference.json_schema import json_schema

GOLDEN = Path(__file__).parent / "golden" / "schema.json"
UPDATE = bool(os.environ.get("BM_UPDATE_GOLDEN"))  # read here: tests run without BM_ variables
MEND = "if this is meant: BM_UPDATE_GOLDEN=1 pytest tests/config"
DOCUMENT = Path(__file__).parents[2] / "docs" / "config.md"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_golden() -> None:
    # In a process of its own: other tests register components.
    code = (
        "import json; from bmcli.config.reference import json_schema as s; print(json.dumps(s.json_schema()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text = json.dumps(json.loads(done.stdout), indent=1, ensure_ascii=False) + "\n"
    if UPDATE:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), MEND


@pytest.mark.parametrize("name", shipped.names())
def test_shipped_configs_are_valid(name: str, validator: Draft202012Validator) -> None:
    path = shipped.find(name)
    assert path is not None
    validator.validate(yaml.read(path).plain())


GOOD: list[dict[str, Any]] = [
    {"data": "digits", "model": "cnn", "init_from": "base"},
    {"data": "digits", "model": "cnn"},
    {"data": {"name": "digits", "augment": ["flip", {"name": "crop", "padding": 2}]}, "model": "cnn"},
    {"data": {"name": "imdb", "strip_markup": False}, "model": {"name": "gru"}},
    {"data": {"path": "x", "target": ["a", "b"]}, "model": "mlp", "code": "own.py"},
    {"extends": "base.yaml", "model": {"filters": [3]}},
    {"extends": ["a.yaml"], "training": {"epochs": None, "optimizer": None}},
    {"data": {"name": "mine", "option": 3}, "model": {"name": "mine", "width": 3}},
    {"data": "mine", "model": "mine"},
]
BAD: list[dict[str, Any]] = [
    {"data": "digits", "model": {"name": "cnn", "filtres": [3]}},
    {"data": "digits", "model": {"name": "cnn", "filters": 3}},
    {"data": {"name": "digits", "strip_markup": True}, "model": "cnn"},
    {"data": {"name": "digits", "nope": 3}, "model": "cnn"},
    {"data": {"path": "x", "nope": 3}, "model": "cnn"},
    {"data": "digits", "model": "cnn", "training": {"epochs": 0}},
    {"data": "digits", "model": "cnn", "training": {"epohcs": 3}},
    {"data": "digits", "model": "cnn", "training": {"optimizer": {"name": "adam", "momentum": 3}}},
    {"data": "digits", "model": "cnn", "nope": 3},
    {"data": {"name": "digits", "augment": "flip"}, "model": "cnn"},
]


@pytest.mark.parametrize("config", GOOD)
def test_good(config: dict[str, Any], validator: Draft202012Validator) -> None:
    validator.validate(config)


@pytest.mark.parametrize("config", BAD)
def test_bad(config: dict[str, Any], validator: Draft202012Validator) -> None:
    assert not validator.is_valid(config)


def test_every_key_has_a_description() -> None:
    def walk(schema: dict[str, Any], path: str) -> None:
        for key, inner in schema.get("properties", {}).items():
            assert inner.get("description"), f"{path}.{key}"
            walk(inner, f"{path}.{key}")
        for word in ("anyOf", "oneOf"):
            for option in schema.get(word, ()):
                walk(option, path)

    schema = json_schema()
    walk(schema, "")
    for kind, definition in schema["$defs"].items():
        for option in definition.get("oneOf", ()):
            for key, inner in option.get("properties", {}).items():
                assert inner.get("description"), f"{kind} {option['properties']['name']}.{key}"


DOCUMENTED = [
    (DOCUMENT, plural) for plural in ("optimizers", "schedules", "augmentations", "metrics", "datasets")
] + [(DOCUMENT.parent / "models.md", "models")]


@pytest.mark.parametrize(("document", "plural"), DOCUMENTED, ids=[plural for _, plural in DOCUMENTED])
def test_the_documentation_has_every_component(document: Path, plural: str) -> None:
    # In a process of its own: other tests register components.
    code = f"from bmcli.config.reference.markdown import components; print(components('{plural}'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    begin, end = f"<!-- list {plural} -->\n\n", f"\n<!-- end {plural} -->"
    head, _, rest = document.read_text(encoding="utf-8").partition(begin)
    held, _, tail = rest.partition(end)
    assert tail
    if UPDATE:
        document.write_text(f"{head}{begin}{done.stdout}{end}{tail}", encoding="utf-8")
    else:
        assert held == done.stdout, MEND


def test_the_documentation_has_every_key() -> None:
    head, begin, rest = DOCUMENT.read_text(encoding="utf-8").partition("<!-- keys -->\n\n")
    held, end, tail = rest.partition("\n\n<!-- end -->")
    if UPDATE:
        DOCUMENT.write_text(head + begin + markdown.markdown() + end + tail, encoding="utf-8")
    else:
        assert held == markdown.markdown(), MEND
