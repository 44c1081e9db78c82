"""A config that names its weights on a hub; test_encoder.py has its runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bmcli
from bmcli.core.errors import ConfigError
from bmcli.models import MODELS
from bmcli.pretrained.hub import places
from tests.conftest import Done
from tests.hub import COMMIT, HubServer
from tests.models.test_backbone import folder_of
from tests.models.test_encoder import config
from tests.pretrained.architectures import BERT

NAME = "org/tiny-bert"
README = b"---\nlicense: apache-2.0\n---\n# Tiny\n"
PINNED = f"hf:{NAME}@{COMMIT}"


@pytest.fixture
def named(hub: HubServer, tmp_path: Path) -> dict[str, Any]:
    """A config whose weights are on the hub."""
    hub.add(NAME, BERT, README__md=README)
    made = config(tmp_path, Path("x"))
    made["model"]["weights"] = f"hf:{NAME}"
    made["training"] = {**made["training"], "epochs": 1}
    return made


def written(folder: Path, made: dict[str, Any]) -> str:
    (folder / "films.yaml").write_text(json.dumps(made))
    return "films.yaml"


def test_check_says_what_training_would_download(
    hub: HubServer,
    named: dict[str, Any],
    tmp_path: Path,
    invoke: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = written(tmp_path, named)
    found = invoke("check", file)
    assert found.code == 0 and f"training downloads hf:{NAME} from {hub.url}" in found.err
    assert hub.asked == []
    known = "hf:sentence-transformers/all-MiniLM-L6-v2"
    assert f"training downloads {known} (91 MB) from" in invoke("check", file, f"model.weights={known}").err
    monkeypatch.setenv("BM_OFFLINE", "1")
    found = invoke("check", file)
    assert found.code == 0 and f"hf:{NAME} is not on this machine" in found.err
    assert str(places.own_home() / "models--org--tiny-bert") in found.err
    found = invoke("train", file)
    assert found.code == 3 and "BM_OFFLINE prevents its download" in found.err
    assert "films.yaml:1:" in found.err and hub.asked == [], "the error stands at its place"


def test_building_downloads_and_pins(
    hub: HubServer, named: dict[str, Any], tmp_path: Path, invoke: Callable[..., Done]
) -> None:
    file = written(tmp_path, named)
    found = invoke("check", file, "--build", "--json")
    assert found.code == 0, found.err
    assert found.json["config"]["model"]["weights"] == PINNED
    assert found.json["config"]["model"]["architecture"]["family"] == "bert"
    asked = len(hub.asked)
    again = invoke("check", file)
    assert PINNED in again.out and "download" not in again.err and len(hub.asked) == asked


def test_mistakes_elsewhere_come_before_a_download(hub: HubServer, named: dict[str, Any]) -> None:
    named["training"]["monitor"] = "val_nothing"
    with pytest.raises(ConfigError, match="val_nothing"):
        bmcli.train(named, display=None)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("change", "message"),
    [({"hidden_act": "mish"}, "hidden_act is 'mish'"), ({"model_type": "gpt2"}, "'gpt2' is not supported")],
)
def test_what_bm_cannot_read_is_refused_before_its_weights(
    hub: HubServer, named: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    files = hub.repositories[NAME]
    files["config.json"] = json.dumps({**json.loads(files["config.json"]), **change}).encode()
    with pytest.raises(ConfigError, match=message):
        bmcli.train(named, display=None)
    assert "model.safetensors" not in hub.paths()


def test_a_hub_that_refuses_is_said_at_its_place(
    hub: HubServer, named: dict[str, Any], tmp_path: Path, invoke: Callable[..., Done]
) -> None:
    hub.status = 403
    found = invoke("train", written(tmp_path, named), "--json")
    error = found.json["error"]
    assert (found.code, error["code"], error["line"]) == (3, "data", 1)
    assert error["file"].endswith("films.yaml")
    assert "HTTP 403" in error["message"] and "access" in error["hint"]
    assert not (tmp_path / "runs").exists()


def test_smoke_downloads_nothing(hub: HubServer, named: dict[str, Any], tmp_path: Path) -> None:
    encoder, folder = MODELS.get("encoder"), tmp_path / "made"
    there, _ = encoder(weights=str(BERT)).resolved(files=True)
    of_a_run = encoder(weights=PINNED, architecture=there.architecture)
    for component in (encoder(weights=f"hf:{NAME}"), of_a_run):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        made = component.made_up(folder)
        assert made.weights == str(folder) and made.architecture not in (None, there.architecture)
    assert there.made_up(folder) is there
    assert hub.asked == []


def test_a_cache_without_the_pooling_is_remarked_upon(
    hub: HubServer, named: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    folder = tmp_path / "hf/hub/models--org--tiny-bert/snapshots" / COMMIT
    shutil.copytree(BERT, folder)
    component, findings = MODELS.get("encoder")(weights=PINNED).resolved(files=True)
    assert not findings
    said = component.origin()
    assert said["name"] == NAME and f"bm models get hf:{NAME} fetches it" in said["remark"]
    assert "remark" not in component.model_copy(update={"pooling": "mean"}).origin()
    (folder / "modules.json").write_text("[]")
    assert "remark" not in component.origin()
    assert hub.asked == []


def test_a_backbone_of_timm_by_name(hub: HubServer, tmp_path: Path) -> None:
    name = "timm/tf_efficientnet_lite0.tiny"
    hub.add(name, folder_of(tmp_path / "weights"))
    backbone = MODELS.get("backbone")
    component = backbone(weights=f"hf:{name}")
    assert component.resolved(files=True) == (component, [])
    missing = component.missing()
    assert missing is not None and missing.source == hub.url
    assert component.made_up(tmp_path).weights == "random"
    with pytest.raises(ConfigError, match="is not on this machine"):
        component.origin()
    ((path, said),) = backbone(architecture="resnet18", weights=f"hf:{name}").resolved(files=True)[1]
    assert path == ("weights",) and "write architecture: efficientnet_lite0" in said
    ((_, said),) = backbone(architecture="resnet50_v2", weights=f"hf:{name}").resolved(files=True)[1]
    assert "resnet50_v2 is from keras.applications" in said
    assert hub.asked == []
    seen: list[tuple[str, int, int]] = []
    component.obtain(lambda *step: seen.append(step))
    assert seen[-1][1] == seen[-1][2] > 2**20
    resolved, findings = component.resolved(files=True)
    assert (resolved.weights, findings) == (f"hf:{name}@{COMMIT}", [])
    origin = resolved.origin()
    assert (origin["name"], origin["revision"], origin["licence"]) == (name, COMMIT, "apache-2.0")
