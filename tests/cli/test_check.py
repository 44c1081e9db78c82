"""`bm check`."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.config.resolve import load

GOOD = "data: {name: digits, augment: [{name: crop, padding: 1}]}\nmodel: {name: mlp, hidden: [8]}\n"


def test_says_what_it_resolves_to(bm: Callable, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    done = bm("check", "c.yaml", "training.epochs=3")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "ok"
    assert lines[1].split() == ["name", "c", "·", "seed", "0"]
    assert "digits · test 0.2 · validation 0.1 · augment crop" in lines[2]
    assert "mlp (hidden [8], " in lines[3]
    assert "3 epochs, batches of 64 · adam (learning_rate 0.001) · constant" in lines[4]


def test_json_is_the_resolved_config(bm: Callable, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    done = bm("check", "c.yaml", "--json")
    assert done.json == {"format": 1, "ok": True, "config": load(tmp_path / "c.yaml").to_dict()}


def test_all_mistakes_and_nothing_heavy(bm: Callable, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: digits\nmodel: cnnn\ntraining:\n  epohcs: 3\n")
    done = bm("check", "c.yaml")
    assert (done.code, done.out) == (2, "")
    assert "c.yaml:2:8" in done.err
    assert "did you mean cnn?" in done.err
    assert "  epohcs: 3" in done.err
    assert "did you mean epochs?" in done.err
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_mistakes_as_json(bm: Callable, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: digits\nmodel: cnnn\n")
    done = bm("check", "c.yaml", "--json")
    error = done.json["error"]
    assert (done.code, error["code"], error["line"], error["column"]) == (2, "config", 2, 8)
    assert error["file"] == "c.yaml"


@pytest.mark.parametrize(
    ("args", "fragment"),
    [
        (["nothing"], "neither a file nor a shipped config"),
        (["nothing.yaml"], "no config file"),
        (["."], "is a folder"),
        (["digits_cn"], "did you mean digits_cnn?"),
        (["digits_cnn", "training.epochs"], "KEY=VALUE"),
    ],
)
def test_wrong_usage(invoke: Callable, args: list[str], fragment: str) -> None:
    done = invoke("check", *args)
    assert done.code == 2
    assert fragment in done.err


@pytest.mark.parametrize("args", [["check", "digits_cnn"], ["check", "digits_cnn", "seed=x"], ["schema"]])
def test_imports_nothing_heavy(bm: Callable, tmp_path: Path, args: list[str]) -> None:
    probe = tmp_path / "sitecustomize.py"
    probe.write_text(
        "import atexit, json, sys\n"
        "atexit.register(lambda: open('modules.json', 'w').write(json.dumps(sorted(sys.modules))))\n"
    )
    bm(*args, env={"PYTHONPATH": str(tmp_path)})
    modules = set(json.loads((tmp_path / "modules.json").read_text()))
    assert "bmcli.config.resolve" in modules or "bmcli.config.reference.json_schema" in modules
    assert not modules & {"numpy", "tensorflow", "keras", "sklearn", "polars", "matplotlib", "PIL", "rich"}


def test_build_tells_shapes_classes_and_parameters(invoke: Callable, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    done = invoke("check", "c.yaml", "--build", "--json")
    assert done.code == 0, done.err
    built = done.json["build"]
    assert built["input_shape"] == [8, 8, 1]
    assert built["classes"] == [str(i) for i in range(10)]
    assert built["parameters"] == 64 * 8 + 8 + 8 * 10 + 10
    assert sum(built["examples"].values()) == 1797
    assert (built["kind"], built["task"]) == ("image", "multiclass")


def test_own_code_runs(invoke: Callable, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import no_such\n")
    (tmp_path / "c.yaml").write_text(GOOD + "code: own.py\n")
    done = invoke("check", "c.yaml")
    assert done.code == 2
    assert "own.py:1" in done.err
    assert "No module named 'no_such'" in done.err


def test_auto_epochs_are_a_number_once_the_examples_are_counted(invoke: Callable, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: digits\nmodel: mlp\n")
    assert "training  10 to 100 epochs (auto), batches of 64" in invoke("check", "c.yaml").out
    # 1,294 examples make 21 steps of 64; 1,500 steps are 72 epochs.
    built = invoke("check", "c.yaml", "--build")
    assert "training  72 epochs (auto: 1,294 examples), batches of 64" in built.out
    few = invoke("check", "c.yaml", "data.limit=144", "--build")
    assert "training  100 epochs (auto: 144 examples), batches of 64" in few.out


def test_in_a_terminal_it_says_what_it_is_doing(bm: Callable, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: digits\nmodel: mlp\n")
    assert bm("check", "c.yaml", "--build").err == ""
    master, slave = pty.openpty()
    code = "from bmcli.__main__ import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "check", "c.yaml", "--build"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the process is
        while chunk := os.read(master, 65536):
            seen += chunk
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and out.startswith("ok\n")
    assert re.search(r"(reading data|TensorFlow) · [\d.:]+", seen.decode())


@pytest.mark.parametrize("config", ["config.yaml", "other.yaml", "../../extends.yaml", "../../link.yaml"])
def test_code_that_came_with_a_run_is_asked_about(config: str, invoke: Callable, tmp_path: Path) -> None:
    run = tmp_path / "runs/x-v1"
    (run / "code").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "code/own.py").write_text("from pathlib import Path\nPath('witness').touch()\n")
    for name in ("config.yaml", "other.yaml"):
        (run / name).write_text(GOOD + "code: code/own.py\n")
    (tmp_path / "extends.yaml").write_text("extends: runs/x-v1/config.yaml\n")
    (tmp_path / "link.yaml").symlink_to(run / "config.yaml")
    (tmp_path / "code").symlink_to(run / "code")
    done = invoke("check", f"runs/x-v1/{config}")
    assert done.code == 2 and "--trust-code" in done.err
    assert not (tmp_path / "witness").exists()
    assert invoke("check", f"runs/x-v1/{config}", "--trust-code").code == 0
    assert (tmp_path / "witness").exists()


@pytest.mark.draws  # plots take time and room, which is what is forecast
@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ("digits_cnn", ["training.epochs=2"]),
        ("digits_cnn", ["training.epochs=20000", "training.early_stopping={patience: 20000}"]),
        ("diabetes_linear", []),
    ],
)
def test_measure_tells_what_training_will_take(
    config: str, changes: list[str], invoke: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("bmcli.experiments.forecast.LEAST_SECONDS", 0.3)
    monkeypatch.setattr("bmcli.experiments.forecast.MOST_SECONDS", 0.6)
    monkeypatch.setattr("bmcli.experiments.forecast.PART", 64)
    done = invoke("check", config, *changes, "--measure", "--json")
    assert done.code == 0, done.err
    told = done.json["measure"]
    assert told["seconds"] == pytest.approx(sum(told["parts"].values()), abs=0.1)
    assert {"reading data", "ONNX export", "evaluation on test", "plots"} <= told["parts"].keys()
    assert all(seconds >= 0 for seconds in told["parts"].values())
    assert told["peak_memory_bytes"] > 10**8 and told["disk_bytes"] > 10**5
    solved = config == "diabetes_linear"
    assert solved == (told["examples_per_second"] is None)
    assert told["upper_bound"] == ("training.epochs=20000" in changes)
    if told["upper_bound"]:
        assert told["parts"]["training steps"] > 20
    assert done.json["build"]["parameters"] > 0
    left = {path.name for path in tmp_path.rglob("*")}
    # TensorFlow removes its own when the process ends.
    assert {name for name in left if "autograph" not in name} == {"temporary", "__pycache__"} & left


def test_measure_as_text(invoke: Callable, tmp_path: Path) -> None:
    done = invoke("check", "diabetes_linear", "--measure")
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()[-2:]] == ["time", "memory"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_s_splits_and_classes_are_shown(invoke: Callable, tmp_path: Path) -> None:
    for split in ("Training", "test_data"):
        for name in ("glioma", "none"):
            (tmp_path / "mri/mri" / split / name).mkdir(parents=True)
            (tmp_path / "mri/mri" / split / name / "1.jpg").touch()  # which nobody opens
            (tmp_path / "mri/mri" / split / name / "2.jpg").touch()
    (tmp_path / "c.yaml").write_text("data: {path: mri}\nmodel: cnn\n")
    done = invoke("check", "c.yaml")
    assert done.code == 0, done.err
    assert "train mri/Training/ · test mri/test_data/ · 2 class folders: glioma, none" in done.out
    assert "skipped: mri/" in done.err and "test_data/ is test" in done.err
    assert "test 0.2" not in done.out, "the data's own split holds"
    wrong = invoke("check", "c.yaml", "training.class_weights={gliom: 2}")
    assert wrong.code == 2 and "did you mean glioma?" in wrong.err
    (tmp_path / "mri/mri/Training/none/notes.pdf").touch()
    done = invoke("check", "c.yaml")
    assert done.code == 0 and "mri/Training/none/notes.pdf" in done.err


@pytest.mark.parametrize("key", ["class_pattern=a", "split_folders=false", "follow_links=true"])
def test_keys_of_folders_are_for_folders(invoke: Callable, tmp_path: Path, key: str) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "c.yaml").write_text("data: {path: t.csv, target: b}\nmodel: mlp\n")
    done = invoke("check", "c.yaml", f"data.{key}")
    assert done.code == 2 and "this key is for folders" in done.err
