"""A modality in one file, named under `code`, goes through everything without a line of bm changed."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bmcli
from bmcli.experiments import checkpointing
from tests.conftest import Done

Invoke = Callable[..., Done]
HERE = Path(__file__).parent
LENGTH = 64
CONFIG = """
name: tones
code: sound_modality.py
data: {path: sounds, validation: 0.2, test: 0.25}
model: sound_net
training: {epochs: 2, batch_size: 16, optimizer: {name: adam, learning_rate: 0.02}}
trackers: []
"""


def tones(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Low and high ones, float32 [count, LENGTH] and their classes."""
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % 2
    phases = rng.random((count, 1)) + np.linspace(0, 1, LENGTH)[None] * np.where(classes, 12, 3)[:, None]
    noise = 0.1 * rng.standard_normal((count, LENGTH))
    return (np.sin(2 * np.pi * phases) + noise).astype(np.float32), classes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The config, its code, and 80 sounds in two class folders."""
    shutil.copy(HERE / "sound_modality.py", tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    sounds, classes = tones(80)
    for name in ("low", "high"):
        (tmp_path / "sounds" / name).mkdir(parents=True)
    for number, (sound, one) in enumerate(zip(sounds, classes, strict=True)):
        np.save(tmp_path / "sounds" / ("high" if one else "low") / f"{number}.npy", sound)
    return tmp_path


def stop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM when the first state is saved."""
    save, done = checkpointing.save, []

    def saved(*args: Any, **how: Any) -> None:
        save(*args, **how)
        done.append(1)
        if len(done) == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(checkpointing, "save", saved)


def test_sounds_go_all_the_way(
    folder: Path, invoke: Invoke, bm: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = invoke("check", "c.yaml", "--json")
    assert checked.code == 0, checked.err
    stop_once(monkeypatch)
    assert invoke("train", "c.yaml").code == 143
    resumed = invoke("train", "--resume", "tones", "--trust-code")
    assert resumed.code == 0, resumed.err
    assert "60 sounds" not in resumed.err and "80 sounds" in resumed.err
    assert "sounds of 64 samples" in resumed.err
    run = folder / "runs" / "tones-v1"
    kept = json.loads((run / "preprocessing.json").read_text())
    assert (kept["kind"], kept["sound"]["length"]) == ("sound", LENGTH)
    assert json.loads((run / "run.json").read_text())["onnx"]["published"]

    # === measured, corrupted, on other data, against another run ===
    trust = ("--run", "tones", "--trust-code")
    sounds, classes = tones(30, seed=1)
    names = np.array(["low", "high"])[classes]
    np.savez(folder / "more.npz", x=sounds, y=names)
    measured = invoke("evaluate", "tones", "--data", "more.npz", "--trust-code", "--json")
    assert measured.code == 0, measured.err
    assert measured.json["examples"] == 30
    assert measured.json["metrics"]["accuracy"] > 0.5
    hissed = invoke("evaluate", "tones", "--corruptions", "--trust-code", "--json")
    assert {one["corruption"] for one in hissed.json["corruptions"]} == {"none", "hiss"}
    again = invoke("train", "c.yaml", "seed=1", "training.epochs=1", "--name", "other")
    assert again.code == 0, again.err
    assert invoke("compare", "tones", "other").code == 0

    # === answers and their reasons ===
    np.save(folder / "one.npy", sounds[1])
    answered = invoke("predict", "one.npy", "--json", *trust)
    assert answered.code == 0, answered.err
    assert answered.json["label"] in ("low", "high")
    np.save(folder / "short.npy", sounds[1, :9])
    refused = invoke("predict", "short.npy", *trust)
    assert refused.code == 3 and "has 9 samples, not 64" in refused.err
    explained = invoke("explain", "one.npy", "--json", *trust)
    assert explained.code == 0, explained.err
    assert explained.json["baseline"] == "silence" and explained.json["completeness_error"] < 0.05
    assert invoke("report", "tones", "--explain", "--trust-code").code == 0
    assert "tones-v1" in (run / "report.html").read_text()
    doctor = invoke("doctor", "c.yaml", "--json")
    assert doctor.code in (0, 7), doctor.err
    assert doctor.json["kind"] == "sound"

    # === elsewhere ===
    exported = invoke("export", "tones", "--format", "onnx", "--output", "exported", "--trust-code")
    assert exported.code == 0, exported.err
    preprocessing, spec = bmcli.load_preprocessing(folder / "exported")
    assert (spec.kind, preprocessing.input_shape) == ("sound", (LENGTH,))
    predictions = bmcli.load(run).predict(sounds, display=None)
    assert len(predictions) == 30
    one = bmcli.load(run).predict(str(folder / "one.npy"), display=None)
    assert one[0].top[0].probability == pytest.approx(predictions[1].top[0].probability, abs=1e-6)

    # === in another process, where its code is not known yet ===
    stranger = bm("predict", "one.npy", "--run", "tones")
    assert stranger.code == 2 and "--trust-code" in stranger.err
    known = bm("predict", "one.npy", "--json", *trust)
    assert known.code == 0, known.err
    assert known.json["label"] == answered.json["label"]


def test_sounds_are_made_up_where_they_are_missing(folder: Path, invoke: Invoke) -> None:
    shutil.rmtree(folder / "sounds")
    done = invoke("train", "c.yaml", "--smoke", "data.kind=sound")
    assert done.code == 0, done.err
    assert not (folder / "runs").exists()


# === options of its own ===


def configured(folder: Path, section: str) -> str:
    (folder / "c.yaml").write_text(f"{CONFIG}preprocessing: {section}\n")
    return "c.yaml"


def test_its_section_of_the_config(folder: Path, invoke: Invoke) -> None:
    from bmcli.config import resolve
    from bmcli.experiments.display import Silent
    from bmcli.experiments.prepare import prepare

    (folder / "base.yaml").write_text("preprocessing: {sound: {gain: 3.0, side: right}}\n")
    (folder / "c.yaml").write_text(f"extends: base.yaml\n{CONFIG}")
    config = resolve.load(folder / "c.yaml", ["preprocessing.sound.gain=2.5"], run_code=True)
    plain = config.to_dict()
    assert plain["preprocessing"]["sound"] == {"gain": 2.5, "side": "right"}
    assert resolve.load(plain, run_code=True) == config
    assert invoke("check", configured(folder, "{sound: {gain: 2}, image: {size: 8}}")).code == 0
    encoder: Any = prepare(config, display=Silent()).preprocessing
    plain["preprocessing"].pop("sound")
    usual: Any = prepare(resolve.load(plain, run_code=True), display=Silent()).preprocessing
    assert encoder.loudest == pytest.approx(usual.loudest / 2.5)


@pytest.mark.parametrize(
    ("section", "place", "said", "hint"),
    [
        ("{sound: {gain: 0}}", "c.yaml:8:31", "expected a number above 0", None),
        ("{sound: {gian: 2.0}}", "c.yaml:8:25", "unknown key 'gian'", "did you mean gain?"),
        ("{sound: {side: middle}}", "c.yaml:8:31", "expected left or right", None),
        ("{sound: loud}", "c.yaml:8:24", "expected keys and values", None),
        ("{sond: {gain: 2.0}}", "c.yaml:8:17", "unknown key 'sond'", "did you mean sound?"),
        ("{mixed: {gain: 2.0}}", "c.yaml:8:17", "unknown key 'mixed'", None),
    ],
)
def test_mistakes_in_it_are_located(
    folder: Path, invoke: Invoke, section: str, place: str, said: str, hint: str | None
) -> None:
    done = invoke("check", configured(folder, section))
    assert done.code == 2 and place in done.err and said in done.err, done.err
    assert hint is None or hint in done.err


def test_without_its_code_the_section_is_not_known(folder: Path) -> None:
    from bmcli.config import resolve
    from bmcli.core.errors import ConfigError

    with pytest.raises(ConfigError) as caught:
        resolve.load(folder / configured(folder, "{sound: {gain: 2.0}}"), run_code=False)
    assert any(
        "sound_modality.py (code:), which was not run" in (one.hint or "") for one in caught.value.problems
    )


def test_listed_and_in_the_schema(folder: Path, invoke: Invoke) -> None:
    from jsonschema import Draft202012Validator

    from bmcli.config.reference.json_schema import json_schema

    done = invoke("list", "modalities", "--code", "sound_modality.py", "--json")
    by_name = {one["name"]: one for one in done.json["entries"]}
    assert {"image", "mixed", "sound", "table", "text"} <= set(by_name)
    assert [one["name"] for one in by_name["sound"]["options"]] == ["gain", "side"]
    assert by_name["sound"]["summary"].startswith("Short sounds") and by_name["sound"]["files"] == [".npy"]
    assert by_name["mixed"]["options"] == [] and by_name["text"]["options"]
    assert "What samples are multiplied by." in invoke("list", "modalities", "sound").out
    assert invoke("modalities", "image").out.startswith("image")
    validator = Draft202012Validator(json_schema())
    assert validator.is_valid({"preprocessing": {"sound": {"gain": 2.0, "side": None}}})
    assert not validator.is_valid({"preprocessing": {"sound": {"gain": -1}}})
    assert not validator.is_valid({"preprocessing": {"sound": {"gian": 2.0}}})
