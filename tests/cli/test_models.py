"""bm models, without Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parent / "golden"


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))


def test_the_list(invoke):
    document = invoke("models", "--json").json
    assert shape(document) == golden("models")
    names = [model["name"] for model in document["models"]]
    assert names == sorted(names)
    assert {"linear", "mlp", "cnn", "resnet", "gru", "transformer"} <= set(names)


def test_one_with_its_options(invoke):
    document = invoke("models", "cnn", "--json").json
    assert shape(document) == golden("models_name")
    (filters,) = [option for option in document["options"] if option["name"] == "filters"]
    assert filters["default"] == [32, 64, 64]
    assert filters["type"] == "a list of whole numbers from 1 to 4096, not empty"


@pytest.mark.parametrize("name", ["linear", "mlp", "cnn", "resnet", "gru", "transformer"])
def test_the_page_shows_every_option(invoke, name):
    page = invoke("models", name)
    assert page.code == 0
    document = invoke("models", name, "--json").json
    for option in document["options"]:
        assert f"\n{option['name']} " in page.out
        assert option["description"] in page.out
    assert document["source"] in page.out


def test_an_unknown_name_is_told_with_the_nearest(invoke):
    done = invoke("models", "cn")
    assert done.code == 2
    assert "did you mean cnn?" in done.err


OWN = '''
from pydantic import Field
from bmcli.models import MODELS, Model

@MODELS.register("tiny-[red]")
class Tiny(Model):
    """One [bold]layer[/bold].\\x1b[31m"""

    kinds = ("table",)
    tasks = ("regression",)
    units: int = Field(description="Width.")
'''


def test_the_users_own_model_looks_like_a_built_in(bm, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    listed = bm("models", "--code", "own.py")
    assert "tiny-[red]" in listed.out
    assert "One [bold]layer[/bold]." in listed.out
    assert "\x1b" not in listed.out
    assert "regression" in listed.out
    page = bm("models", "tiny-[red]", "--code", "own.py")
    assert "(required)" in page.out
    assert "a whole number" in page.out
    assert "tiny" not in bm("models").out


def test_code_that_fails_is_an_error_with_its_place(bm, tmp_path):
    (tmp_path / "own.py").write_text("import bmcli\nraise ValueError('no')\n")
    done = bm("models", "--code", "own.py")
    assert done.code == 2
    assert "own.py:2" in done.err


def test_neither_keras_nor_numpy_is_imported(bm, tmp_path):
    """Blocked, so that an import would fail."""
    blocker = "import sys\nfor n in ('numpy', 'keras', 'tensorflow', 'sklearn'): sys.modules[n] = None\n"
    (tmp_path / "block.py").write_text(blocker)
    for arguments in (["models"], ["models", "transformer"], ["models", "--json"]):
        done = bm(*arguments, "--code", "block.py")
        assert done.code == 0, done.err
