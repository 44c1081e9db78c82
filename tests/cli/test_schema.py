"""`bm schema`."""

from __future__ import annotations

import json
from collections.abc import Callable

from jsonschema import Draft202012Validator


def test_is_a_schema_that_tells_good_from_bad(bm: Callable) -> None:
    done = bm("schema")
    assert (done.code, done.err) == (0, "")
    schema = json.loads(done.out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"data": "digits", "model": "cnn"})
    assert not validator.is_valid({"data": "digits", "model": {"name": "cnn", "filtres": [1]}})


def test_json(bm: Callable) -> None:
    done = bm("schema", "--json")
    assert done.json["format"] == 1
    assert done.json["schema"] == json.loads(bm("schema").out)
