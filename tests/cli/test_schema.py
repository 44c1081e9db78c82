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


def test_a_mistake_is_named_where_it_is(bm: Callable) -> None:
    """Not as 'not valid under any of the given schemas': a key and its null are one branch."""
    validator = Draft202012Validator(json.loads(bm("schema").out))
    for key, value, said in (
        ("training", {"epochs": 3, "batch_size": "x"}, "'x' is not of type 'integer', 'null'"),
        ("training", {"precision": "float8"}, "'float8' is not one of ['auto', 'float32', 'bfloat16', None]"),
        ("training", {"epohcs": 3}, "Additional properties are not allowed ('epohcs' was unexpected)"),
        ("seed", -1, "-1 is less than the minimum of 0"),
        ("preprocessing", {"text": {"lowercase": "yes"}}, "'yes' is not of type 'boolean', 'null'"),
    ):
        (error,) = validator.iter_errors({"data": "digits", "model": "cnn", key: value})
        assert error.message == said
        assert validator.is_valid({"data": "digits", "model": "cnn", key: None})


def test_articles(bm: Callable) -> None:
    text = bm("schema").out
    assert "An optimizer of your own." in text and "An augmentation of your own." in text
    assert "A optimizer" not in text and "A augmentation" not in text


def test_json(bm: Callable) -> None:
    done = bm("schema", "--json")
    assert done.json["format"] == 1
    assert done.json["schema"] == json.loads(bm("schema").out)
