"""bm models and bm list, without Keras."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from bmcli.config.parsing.messages import choices
from bmcli.config.reference.catalogue import KINDS, kind_of, names
from bmcli.config.reference.json_schema import options
from bmcli.config.schema import DataConfig, ExperimentConfig, TextConfig
from bmcli.core.registry import HOMES
from bmcli.export.engines import Format

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

    def build(self, spec):
        raise NotImplementedError
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


# === bm list ================================================================================================


def test_every_kind_is_listed(invoke):
    document = invoke("list", "--json").json
    kinds = {kind["kind"]: kind["names"] for kind in document["kinds"]}
    assert set(kinds) == {kind.plural for kind in KINDS}
    assert {"adam", "adamw", "muon"} <= set(kinds["optimizers"])
    assert {"cutout", "mixup"} <= set(kinds["augmentations"])
    page = invoke("list").out
    for plural in kinds:
        assert f"\n{plural} " in page


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_a_list_has_every_name_option_and_line(invoke, kind):
    document = invoke("list", kind.plural, "--json").json
    out = invoke("list", kind.plural).out
    lines = out.splitlines()
    for entry in document["entries"]:
        assert entry["summary"]
        assert any(line.startswith(entry["name"]) and entry["summary"] in line for line in lines)
        for option in entry.get("options", ()):
            assert option["type"] and option["description"]
            assert f"  {option['name']} " in out and option["description"] in out
    one = document["entries"][0]["name"]
    assert invoke("list", kind.name, one, "--json").json == {
        "format": 1,
        "kind": kind.plural,
        **document["entries"][0],
    }
    assert document["entries"][0]["summary"] in invoke("list", kind.plural, one).out
    if kind.plural not in ("models", "datasets"):  # commands of their own
        assert invoke(kind.plural).out == out


def test_fixed_lists_are_what_is_taken():
    assert names(kind_of("task")) == choices(options(DataConfig)[0]["task"])
    assert names(kind_of("tokenizer")) == choices(options(TextConfig)[0]["tokenizer"])
    assert names(kind_of("tracker")) == choices(options(ExperimentConfig)[0]["trackers"]["items"])
    assert names(kind_of("format")) == list(get_args(Format))
    for kind in set(HOMES) - {"modality"}:  # which data.kind says, or the data itself
        assert kind_of(kind).is_registry


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["list", "optmizers"], "did you mean optimizers?"),
        (["optimizers", "adm"], "did you mean adam?"),
        (["models", "lstm"], "did you mean gru?"),
        (["list", "models", "lstm"], "did you mean gru?"),
        (["metrics", "acuracy"], "did you mean accuracy?"),
        (["formats", "tflit"], "known: onnx, saved_model, litert, hf"),
    ],
)
def test_a_name_that_is_not_listed(invoke, args, hint):
    done = invoke(*args)
    assert done.code == 2 and hint in done.err


OWN_OPTIMIZER = '''
from pydantic import Field
from bmcli.training.optimizers import OPTIMIZERS, Optimizer

@OPTIMIZERS.register("mine")
class Mine(Optimizer):
    """A rule of one's own."""

    speed: float = Field(2.0, description="How fast.")

    def make(self, shared):
        raise NotImplementedError
'''


def test_the_users_own_and_plugins_are_listed_and_a_broken_one_hides_none(bm, tmp_path):
    (tmp_path / "own.py").write_text(OWN_OPTIMIZER)
    (tmp_path / "site/bm_x-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "site/bm_x-1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: bm-x\nVersion: 1.0\n"
    )
    (tmp_path / "site/bm_x-1.0.dist-info/entry_points.txt").write_text(
        "[bmcli.optimizers]\nbroken = bm_broken:Rule\nplugged = bm_plugged:Mine\n"
    )
    (tmp_path / "site/bm_broken.py").write_text("raise RuntimeError('no licence')\n")
    (tmp_path / "site/bm_plugged.py").write_text(OWN_OPTIMIZER.replace('@OPTIMIZERS.register("mine")\n', ""))
    env = {"PYTHONPATH": str(tmp_path / "site")}
    done = bm("optimizers", "--code", "own.py", env=env)
    assert done.code == 0, done.err
    for line in (
        "mine     A rule of one's own.",
        "plugged  A rule",
        "  speed          2      How fast.",
        "adam ",
    ):
        assert line in done.out
    assert re.search(
        "broken   .* of the package bm.x cannot be loaded .* RuntimeError: no licence\n", done.out
    )
    page = bm("list", "optimizers", "mine", "--code", "own.py").out
    assert "defined in  own.py" in page


def test_lists_import_nothing_heavy(bm, tmp_path):
    (tmp_path / "block.py").write_text(
        "import sys\nfor n in ('numpy', 'keras', 'tensorflow', 'sklearn', 'rich'): sys.modules[n] = None\n"
    )
    for kind in KINDS:
        done = bm("list", kind.plural, "--code", "block.py")
        assert done.code == 0, done.err
