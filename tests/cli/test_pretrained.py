"""Pretrained weights from the command line: what there is, fetched by name, and chosen for a first config."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.config.resolve import load
from bmcli.pretrained.backbones import KERAS, TIMM
from bmcli.pretrained.families import known
from bmcli.pretrained.hub import places
from bmcli.pretrained.known import KNOWN
from tests.conftest import Done
from tests.hub import COMMIT, HubServer
from tests.pretrained.architectures import BERT

NAME = "org/tiny-bert"
Invoke = Callable[..., Done]


@pytest.fixture
def repository(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Of NAME; and nothing of Keras's is on this machine."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    hub.add(NAME, BERT, README__md=b"---\nlicense: apache-2.0\n---\n")
    return hub.repositories[NAME]


def snapshot(folder: Path, repository: str) -> Path:
    """A copy of a tiny encoder, as if a repository of that name had been fetched."""
    found = folder / "home/huggingface" / f"models--{repository.replace('/', '--')}"
    shutil.copytree(BERT, found / "snapshots" / COMMIT)
    (found / "refs").mkdir()
    (found / "refs/main").write_text(COMMIT)
    return found / "snapshots" / COMMIT


def test_known_weights_are_of_what_bm_reads() -> None:
    for name, about in KNOWN.items():
        assert about.family in (known() if about.kind == "text" else TIMM), name
        assert 4 * about.parameters < 1.01 * about.size < 6 * about.parameters, name


def test_the_list_says_what_is_here(invoke: Invoke, repository: dict[str, bytes], tmp_path: Path) -> None:
    every = invoke("models", "--pretrained", "--json").json
    assert {one["name"] for one in every["pretrained"]} == {*(f"hf:{name}" for name in KNOWN), *KERAS}
    assert not any(one["available"] or one["path"] for one in every["pretrained"])
    assert every["families"] == {"encoder": known(), "backbone": [*TIMM, *KERAS]}
    folder = snapshot(tmp_path, "google-bert/bert-base-cased")
    other = snapshot(tmp_path, NAME)
    texts = invoke("models", "encoder", "--pretrained", "--json").json
    here = {one["name"]: one for one in texts["pretrained"] if one["available"]}
    assert set(here) == {"hf:google-bert/bert-base-cased", f"hf:{NAME}"}
    assert here["hf:google-bert/bert-base-cased"]["path"] == str(folder)
    own = here[f"hf:{NAME}"]
    assert (own["family"], own["parameters"], own["licence"]) == ("bert", None, None)
    assert own["bytes"] == (other / "model.safetensors").stat().st_size
    assert own["model"] == {"name": "encoder", "weights": f"hf:{NAME}"}
    shown = invoke("models", "--pretrained").out
    assert "hf:timm/tf_efficientnet_lite0.in1k" in shown and "encoder reads: bert, " in shown
    assert "mobilenet_v3_small" in shown and "22.6 M" not in shown.partition("all-MiniLM")[0]
    assert invoke("models", "cnn", "--pretrained").code == 2


def test_weights_are_fetched_by_name(invoke: Invoke, hub: HubServer, repository: dict[str, bytes]) -> None:
    found = invoke("models", "get", f"hf:{NAME}")
    folder = places.own_home() / "models--org--tiny-bert/snapshots" / COMMIT
    assert found.code == 0 and found.out.strip() == str(folder)
    again = invoke("models", "get", f"hf:{NAME}@{COMMIT}", "--json").json
    assert (again["revision"], again["licence"]) == (COMMIT, "apache-2.0")
    sums = {Path(one["path"]).name: one["sha256"] for one in again["files"]}
    assert sums["model.safetensors"] == hashlib.sha256(repository["model.safetensors"]).hexdigest()
    hub.status, asked = 500, len(hub.asked)
    assert invoke("models", "get", f"hf:{NAME}@{COMMIT}").code == 0 and len(hub.asked) == asked
    assert invoke("models", "get", f"hf:{NAME}").code == 3, "the hub has to say what main is now"


def test_what_cannot_be_fetched(invoke: Invoke, hub: HubServer, repository: dict[str, bytes]) -> None:
    found = invoke("models", "get", "distilbert/distilbert-base-uncased")
    assert found.code == 2 and "did you mean hf:distilbert/distilbert-base-uncased?" in found.err
    assert invoke("models", "get", "mobilenet_v3_smal").err.count("did you mean mobilenet_v3_small?") == 1
    repository["config.json"] = b'{"model_type": "gpt2"}'
    found = invoke("models", "get", f"hf:{NAME}")
    assert found.code == 2 and "'gpt2' is not supported" in found.err
    repository["config.json"] = b'{"architecture": "resnet152"}'
    found = invoke("models", "get", f"hf:{NAME}")
    assert found.code == 2 and "'resnet152', which is not supported" in found.err
    assert "model.safetensors" not in hub.paths()


def texts(folder: Path) -> None:
    rows = "".join(f"a {'good' if i % 2 else 'bad'} film {i},{'yes' if i % 2 else 'no'}\n" for i in range(60))
    (folder / "films.csv").write_text("text,label\n" + rows)


def test_a_draft_starts_from_weights_that_are_here(
    invoke: Invoke, repository: dict[str, bytes], hub: HubServer, tmp_path: Path
) -> None:
    texts(tmp_path)
    found = invoke("init", "films.csv")
    assert found.code == 0
    usual = "sentence-transformers/all-MiniLM-L6-v2"
    assert f"(91 MB to download): bm init films.csv --pretrained hf:{usual}" in found.err
    assert load(tmp_path / "films.yaml").model.registry_name == "transformer"
    (tmp_path / "films.yaml").unlink()
    snapshot(tmp_path, NAME)
    found = invoke("init", "films.csv")
    assert f"starts from hf:{NAME}, which is on this machine" in found.err
    assert "bm init films.csv --pretrained none" in found.err
    config = load(tmp_path / "films.yaml")
    assert config.model.to_config()["weights"] == f"hf:{NAME}@{COMMIT}"
    assert config.training.finetune is not None and config.training.finetune.layers == "all"
    assert config.training.batch_by_length
    found = invoke("init", "films.csv", "--pretrained", "none", "--name", "scratch")
    assert "pretrained" not in found.err
    assert load(tmp_path / "scratch.yaml").model.registry_name == "transformer"
    assert hub.asked == []


def test_a_draft_starts_from_weights_by_name_or_path(
    invoke: Invoke, repository: dict[str, bytes], hub: HubServer, tmp_path: Path
) -> None:
    texts(tmp_path)
    shutil.copytree(BERT, tmp_path / "bert")
    for name, given in {"a": f"hf:{NAME}", "b": "bert", "c": "hf:FacebookAI/roberta-base"}.items():
        found = invoke("init", "films.csv", "--pretrained", given, "--name", name)
        assert found.code == 0, found.err
        config = load(tmp_path / f"{name}.yaml")
        wanted = str(tmp_path / "bert") if name == "b" else given
        assert config.model.to_config()["weights"] == wanted
    assert "training downloads 499 MB" in (tmp_path / "c.yaml").read_text()
    wrong = {
        "efficientnet_v2_b0": "is for image data",
        "nowhere": "nor a folder",
        "hf:x": "is not hf:ORG/NAME",
    }
    for given, message in wrong.items():
        found = invoke("init", "films.csv", "--pretrained", given, "--name", "d")
        assert found.code == 2 and message in found.err and not (tmp_path / "d.yaml").exists()
    assert invoke("init", "digits_cnn", "--pretrained", "bert").code == 2
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{i * 2},{i * 3.5}\n" for i in range(40)))
    assert "no pretrained weights for table data" in invoke("init", "t.csv", "--pretrained", "bert").err
    assert hub.asked == []


def test_a_draft_for_images(invoke: Invoke, repository: dict[str, bytes], tmp_path: Path) -> None:
    from PIL import Image

    for kind, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (40, 30), colour).save(tmp_path / "photos" / kind / f"{number}.png")
    assert "--pretrained hf:timm/tf_efficientnet_lite0.in1k" in invoke("init", "photos").err
    names = {"a": ("hf:timm/resnet18.a1_in1k", "resnet18"), "b": ("efficientnet_v2_b0", "efficientnet_v2_b0")}
    for name, (given, architecture) in names.items():
        found = invoke("init", "photos", "--pretrained", given, "--name", name)
        assert found.code == 0, found.err
        options = load(tmp_path / f"{name}.yaml").model.to_config()
        weights = given if name == "a" else "imagenet"
        assert (options["architecture"], options["weights"]) == (architecture, weights)
    found = invoke("check", "b.yaml")
    assert (
        found.code == 0 and f"training downloads {KERAS['efficientnet_v2_b0'].name} (24 MB) from" in found.err
    )
    found = invoke("check", "a.yaml", "model.architecture=resnet50")
    assert (
        found.code == 2
        and "resnet18 is not resnet50" in found.err
        and "write architecture: resnet18" in found.err
    )
