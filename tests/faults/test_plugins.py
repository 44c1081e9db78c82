"""Faults in the user's own code are said as theirs: kind, name, file, line, exception; exit 2, whatever calls
it and whenever. And what such code does besides computing neither spoils bm's answer nor its metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from bmcli.core import plugin_calls
from bmcli.core import registry as registries
from bmcli.core.registry import HOMES, registry_of
from tests.conftest import Done

CONFIG = """
name: own
code: own.py
data: {name: digits, limit: 40}
model: mlp
training: {epochs: 1, batch_size: 32}
"""


def head(imported: str, *, before: str = "", options: str = "") -> str:
    """A component called oops, of the registry and the base class that `imported` names."""
    registry, base = imported.rpartition("import ")[2].split(", ")
    return f'''
{before}from {imported}

@{registry}.register("oops")
class Oops({base}):
    """Mine."""
{options}'''


HEADS = {
    "model": head(
        "bmcli.models import MODELS, Model",
        before="import keras\nfrom pydantic import field_validator\n",
        options='    kinds = ("image",)\n    units: int = 4\n',
    ),
    "dataset": head(
        "bmcli.data.named import DATASETS, Dataset",
        before="import numpy as np\nfrom bmcli.data.bundle import Images, Parts, Split\n",
        options='    kind, task, classes, shape = "image", "multiclass", ("a", "b"), (8, 8, 1)\n'
        '    sizes = {"all": 40}\n',
    ),
    "metric": head("bmcli.metrics.metric import METRICS, Metric", before="import sys\n"),
    "augmentation": head("bmcli.modalities.image.augment import AUGMENTATIONS, Augmentation"),
    "optimizer": head("bmcli.training.optimizers import OPTIMIZERS, Optimizer"),
    "schedule": head("bmcli.training.schedules import SCHEDULES, Schedule"),
    "modality": head("bmcli.modalities import MODALITIES, Modality"),
    "task": head("bmcli.tasks import TASKS, Task"),
}
USED = {
    "model": "model=oops",
    "dataset": "data=oops",
    "metric": "evaluation.metrics=[oops]",
    "augmentation": "data.augment=[oops]",
    "optimizer": "training.optimizer=oops",
    "schedule": "training.schedule=oops",
    "modality": "data.kind=oops",
    "task": "data.task=oops",
}

BUILD = """
    def build(self, spec):
        inputs = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")
        x = keras.layers.Flatten(name="flat")(inputs)
        return keras.Model(inputs, keras.layers.Dense(spec.units, name="head")(x))
"""
LAYER = """
    def build(self, spec):
        class Late(keras.layers.Layer):
            def call(self, x, training=False):
                if training:
                    raise KeyError("boom")  # here
                return x
        inputs = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")
        x = Late()(keras.layers.Flatten(name="flat")(inputs))
        return keras.Model(inputs, keras.layers.Dense(spec.units, name="head")(x))
"""


def gives(name: str, arguments: str, value: str) -> str:
    return f"\n    def {name}(self{arguments}):  # here\n        return {value}\n"


def does(name: str, arguments: str, deed: str) -> str:
    return f"\n    def {name}(self{arguments}):\n        {deed}  # here\n"


BOOM = 'raise KeyError("boom")'
SAID_BOOM = "KeyError: 'boom'"
SPLIT = "Split(Images(arrays=np.zeros((4, 8, 8, 1), 'uint8')), np.array({}), ('0', '1', '2', '3'))"
PARTS = f"Parts(kind='image', task='multiclass', classes=('a', 'b'), train={SPLIT})"

FAULTS: dict[str, tuple[str, str, str]] = {
    "build raises": ("model", does("build", ", spec", BOOM), SAID_BOOM),
    "build raises without a word": (
        "model",
        does("build", ", spec", "assert spec is None"),
        "AssertionError",
    ),
    "build calls Keras wrongly": (
        "model",
        does("build", ", spec", "return keras.layers.Dense(-1)"),
        "ValueError: Received an invalid value for `units`",
    ),
    "build gives nothing": ("model", gives("build", ", spec", "None"), "build gives None, not a keras.Model"),
    "build gives a model without an input": (
        "model",
        gives("build", ", spec", "keras.Sequential([keras.layers.Dense(spec.units)])"),
        "build gives a model that is not built (Sequential without an input)",
    ),
    "build gives a model of the subclassing kind": (
        "model",
        gives("build", ", spec", "type('Net', (keras.Model,), {})()"),
        "build gives a model that is not built (Net)",
    ),
    "build gives other outputs": (
        "model",
        BUILD.replace("spec):", "spec):  # here").replace("spec.units", "3"),
        "build gives a model that has outputs of shape (3,) per example",
    ),
    "build gives other inputs": (
        "model",
        BUILD.replace("spec):", "spec):  # here").replace("spec.input_shape", "(3, 3, 1)"),
        "build gives a model for inputs of shape (3, 3, 1), but spec.input_shape is (8, 8, 1)",
    ),
    "a layer raises while training": ("model", LAYER, SAID_BOOM),
    "initialise raises": ("model", BUILD + does("initialise", ", model, sample", BOOM), SAID_BOOM),
    "check_input raises": ("model", BUILD + does("check_input", ", input_shape", BOOM), SAID_BOOM),
    "check_input gives a text": (
        "model",
        BUILD + gives("check_input", ", input_shape", "'no'"),
        "check_input gives a str, not a list",
    ),
    "a property raises": (
        "model",
        BUILD + "\n    @property" + does("examples_apart", "", BOOM),
        SAID_BOOM,
    ),
    "an option's check raises": (
        "model",
        BUILD + "\n    @field_validator('units')" + does("check", ", value", BOOM).replace("self", "cls"),
        SAID_BOOM,
    ),
    "load raises": ("dataset", does("load", ", home, progress=None", BOOM), SAID_BOOM),
    "load gives arrays": (
        "dataset",
        gives("load", ", home, progress=None", "np.zeros(3)"),
        "load gives a ndarray, not Parts",
    ),
    "load gives too few targets": (
        "dataset",
        gives("load", ", home, progress=None", PARTS.format("[0, 1]")),
        "load gives a train split of 4 examples, 2 targets, 4 ids",
    ),
    "load gives a class there is none of": (
        "dataset",
        gives("load", ", home, progress=None", PARTS.format("[0, 1, 0, 2]")),
        "load gives the target 2, which is not an index of its 2 classes",
    ),
    "load gives targets that are no integers": (
        "dataset",
        gives("load", ", home, progress=None", PARTS.format("[0., 1, 0, 1]")),
        "load gives targets of float64",
    ),
    "compute raises": ("metric", does("compute", ", targets, outputs, classes", BOOM), SAID_BOOM),
    "compute exits": (
        "metric",
        does("compute", ", targets, outputs, classes", "sys.exit(0)"),
        "SystemExit: 0",
    ),
    "compute interrupts": (
        "metric",
        does("compute", ", targets, outputs, classes", "raise KeyboardInterrupt"),
        "KeyboardInterrupt",
    ),
    "compute gives nothing": (
        "metric",
        gives("compute", ", targets, outputs, classes", "None"),
        "compute gives None, not a number",
    ),
    "compute gives more than a float holds": (
        "metric",
        gives("compute", ", targets, outputs, classes", "10**400"),
        "compute gives a number that is too large",
    ),
    "compute raises what closes generators": (
        "metric",
        does("compute", ", targets, outputs, classes", "raise GeneratorExit"),
        "GeneratorExit",
    ),
    "compute unlocks the outputs": (
        "metric",
        does("compute", ", targets, outputs, classes", "outputs.setflags(write=True)"),
        "ValueError: cannot set WRITEABLE flag",
    ),
    "compute changes the outputs": (
        "metric",
        does("compute", ", targets, outputs, classes", "outputs[:] = 1"),
        "ValueError: assignment destination is read-only",
    ),
    "compute changes the targets": (
        "metric",
        does("compute", ", targets, outputs, classes", "targets.sort()"),
        "ValueError: sort array is read-only",
    ),
    "apply raises": ("augmentation", does("apply", ", images, targets, u", BOOM), SAID_BOOM),
    "apply exits": ("augmentation", does("apply", ", images, targets, u", "exit()"), "SystemExit"),
    "apply interrupts": (
        "augmentation",
        does("apply", ", images, targets, u", "raise KeyboardInterrupt"),
        "KeyboardInterrupt",
    ),
    "apply gives one array": (
        "augmentation",
        gives("apply", ", images, targets, u", "images"),
        "apply gives a ndarray, not (images, targets)",
    ),
    "apply gives other sizes": (
        "augmentation",
        gives("apply", ", images, targets, u", "images[:, :4], targets"),
        "apply gives images of shape (32, 4, 8, 1)",
    ),
    "apply gives floats": (
        "augmentation",
        gives("apply", ", images, targets, u", "images / 255, targets"),
        "apply gives images of float64; they came as uint8",
    ),
    "make raises": ("optimizer", does("make", ", shared", BOOM), SAID_BOOM),
    "make gives a name": (
        "optimizer",
        gives("make", ", shared", "'adam'"),
        "make gives a str, not a keras.optimizers.Optimizer",
    ),
    "factor raises": ("schedule", does("factor", ", progress, epoch", BOOM), SAID_BOOM),
    "factor gives NaN": (
        "schedule",
        gives("factor", ", progress, epoch", "float('nan')"),
        "factor gives nan, not a finite number",
    ),
    "factor gives nothing": (
        "schedule",
        gives("factor", ", progress, epoch", "None"),
        "factor gives None, not a number",
    ),
}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    yield
    for kind in HOMES:
        registry_of(kind)._classes.pop("oops", None)


def write(folder: Path, kind: str, body: str) -> int:
    """The user's file and a config; the line that is at fault."""
    text = HEADS[kind] + body
    (folder / "own.py").write_text(text)
    (folder / "c.yaml").write_text(CONFIG)
    return next((i for i, line in enumerate(text.splitlines(), 1) if "# here" in line), 0)


def blames(done: Done, kind: str, line: int, said: str) -> None:
    assert done.code == 2, (done.code, done.err)
    assert f"{kind} 'oops' (own.py:{line}): {said}" in done.err, done.err
    assert "internal error" not in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_of_the_user_s_names_itself(what: str, tmp_path: Path, invoke: Callable[..., Done]) -> None:
    kind, body, said = FAULTS[what]
    line = write(tmp_path, kind, body)
    blames(invoke("train", "c.yaml", USED[kind]), kind, line, said)
    for record in tmp_path.glob("runs/*/run.json"):
        run = json.loads(record.read_text())
        assert run["status"] == "failed"
        assert run["error"].startswith(f"{kind} 'oops' (own.py:{line}): ")


WHEN = """
    def compute(self, targets, outputs, classes):
        from pathlib import Path
        if Path("fail").exists():
            raise KeyError("boom")  # here
        return 1.0
"""
NO_ONNX = """
    def build(self, spec):
        from pathlib import Path
        if Path("fail").exists():
            raise KeyError("boom")  # here
        class Own(keras.layers.Layer):
            def call(self, x):
                return x + 1
        inputs = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")
        x = Own()(keras.layers.Flatten(name="flat")(inputs))
        return keras.Model(inputs, keras.layers.Dense(spec.units, name="head")(x))
"""


def test_in_every_command(
    tmp_path: Path, invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same fault, met by each command that calls the code."""
    from bmcli.export import publish

    def none(*_: object) -> bytes:
        raise ValueError("not for ONNX")

    line = write(tmp_path, "model", NO_ONNX)
    with monkeypatch.context() as patch:  # no model.onnx: everything goes through Keras
        patch.setattr(publish, "to_onnx", none)
        assert invoke("train", "c.yaml", "model=oops").code == 0
    (tmp_path / "fail").touch()
    from PIL import Image

    Image.new("L", (8, 8), 99).save(tmp_path / "x.png")
    for command in (
        ("check", "c.yaml", "model=oops", "--build"),
        ("check", "c.yaml", "model=oops", "--measure"),
        ("train", "c.yaml", "model=oops", "--smoke"),
        ("predict", "x.png", "--run", "own", "--trust-code"),
        ("explain", "x.png", "--run", "own", "--trust-code"),
        ("evaluate", "own", "--trust-code"),
        ("export", "own", "--format", "onnx", "--trust-code"),
        ("doctor", "c.yaml", "model=oops", "--folds", "2"),
    ):
        done = invoke(*command)
        blames(done, "model", line, SAID_BOOM)
    done = invoke("check", "c.yaml", "model=oops", "--build", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "plugin")
    assert done.json["error"]["file"].endswith("own.py") and done.json["error"]["line"] == line


def test_in_an_evaluation(tmp_path: Path, invoke: Callable[..., Done]) -> None:
    line = write(tmp_path, "metric", WHEN)
    assert invoke("train", "c.yaml", USED["metric"]).code == 0
    (tmp_path / "fail").touch()
    blames(invoke("evaluate", "own", "--trust-code"), "metric", line, SAID_BOOM)


def test_a_component_without_its_method_is_refused_at_once(
    tmp_path: Path, invoke: Callable[..., Done]
) -> None:
    for kind, registry in ((kind, registry_of(kind)) for kind in HOMES):
        write(tmp_path, kind, "")
        done = invoke("check", "c.yaml", USED[kind])
        assert done.code == 2
        assert f"{kind} 'oops' has no method `{registry.needs}`" in done.err
        assert "own.py:" in done.err


PACKAGED = """
import keras
from bmcli.models import Model

class Tiny(Model):
    \"\"\"Mine.\"\"\"
    kinds = ("image",)
    fails: bool = False

    def build(self, spec):
        if self.fails:
            raise KeyError("boom")  # here
        inputs = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")
        x = keras.layers.Flatten(name="flat")(inputs)
        return keras.Model(inputs, keras.layers.Dense(spec.units, name="head")(x))
"""


def test_a_package_is_named_where_it_fails_and_where_it_is_missing(
    tmp_path: Path, bm: Callable[..., Done], invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is there, in this process: TensorFlow is loaded."""
    site = tmp_path / "site"
    about = site / "bm_tiny-1.5.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bm-tiny\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text("[bmcli.models]\ntiny = bm_tiny:Tiny\nlost = bm_tiny:Lost\n")
    (site / "bm_tiny.py").write_text(PACKAGED)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("code: own.py\n", "").replace("mlp", "tiny"))
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setattr(registries, "_installed", cache(registries._installed.__wrapped__))
        done = invoke("check", "c.yaml", "model.fails=true", "--build")
        assert done.code == 2 and "model 'tiny' (bm_tiny.py:12): KeyError: 'boom'" in done.err
        done = invoke("check", "c.yaml", "model=lost")
        assert done.code == 2 and "model 'lost' of the package bm-tiny cannot be loaded" in done.err
        assert invoke("train", "c.yaml").code == 0
    assert json.loads((tmp_path / "runs/own-v1/run.json").read_text())["versions"]["bm-tiny"] == "1.5"
    done = bm("evaluate", "own")
    assert done.code == 2
    assert "unknown model 'tiny': own-v1 was trained with the package bm-tiny 1.5, which is not" in done.err
    assert "pip install bm-tiny==1.5" in done.err


# === What such code does besides ===

NOISY = """
    def build(self, spec):
        import os, subprocess, sys
        print("printed")
        sys.stdout.write("written\\n")
        os.write(1, b"by descriptor\\n")
        subprocess.run(["echo", "by a child"], check=True)
        inputs = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")
        x = keras.layers.Flatten(name="flat")(inputs)
        return keras.Model(inputs, keras.layers.Dense(spec.units, name="head")(x))
"""
NOISE = ("printed", "written", "by descriptor", "by a child")


def test_stdout_is_bm_s_alone(tmp_path: Path, bm: Callable[..., Done]) -> None:
    write(tmp_path, "model", NOISY)
    done = bm("check", "c.yaml", "model=oops", "--build", "--json")
    assert done.code == 0 and done.json["build"]["parameters"] == 650
    for text in NOISE:
        assert done.err.count(text) == 1
    done = bm("train", "c.yaml", "model=oops")
    assert (done.code, done.out) == (0, "own-v1\n")
    for text in NOISE:
        assert text in done.err


UNRULY = """
import locale, os, warnings
import numpy as np

def misbehave():
    os.chdir("/")
    np.seterr(all="raise")
    warnings.simplefilter("error")
    locale.setlocale(locale.LC_ALL, "C")
"""


@pytest.mark.parametrize("when", [pytest.param("import", marks=pytest.mark.exhaustive), "call"])
def test_surroundings_stay_as_they_were(when: str, tmp_path: Path, invoke: Callable[..., Done]) -> None:
    """The run lands where it was asked for, and the metrics are those of a metric that does nothing else."""
    import warnings

    import numpy as np

    computes = "\n    def compute(self, targets, outputs, classes):\n        {}\n        return 1.0\n"
    write(tmp_path, "metric", computes.format("pass"))
    assert invoke("train", "c.yaml", USED["metric"]).code == 0
    before = (Path.cwd(), np.geterr(), list(warnings.filters))
    body = computes.format("misbehave()" if when == "call" else "pass")
    write(tmp_path, "metric", body + UNRULY + ("misbehave()\n" if when == "import" else ""))
    assert invoke("train", "c.yaml", USED["metric"]).code == 0
    assert (Path.cwd(), np.geterr(), list(warnings.filters)) == before
    first, second = (json.loads((tmp_path / f"runs/own-v{n}/run.json").read_text()) for n in (1, 2))
    assert first["metrics"] == second["metrics"] and first["weights_sha256"] == second["weights_sha256"]


def test_what_an_augmentation_does_to_its_batch_stays_there(
    tmp_path: Path, invoke: Callable[..., Done]
) -> None:
    """It may change the arrays it is given: they are copies, and each epoch begins from the data again."""
    apply = "\n    def apply(self, images, targets, u):\n        {}\n"
    records = []
    for body in ("images[:] //= 2; return images, targets", "return images // 2, targets"):
        write(tmp_path, "augmentation", apply.format(body))
        done = invoke("train", "c.yaml", USED["augmentation"], "training.epochs=3")
        records.append(json.loads((tmp_path / "runs" / done.out.strip() / "run.json").read_text()))
    assert records[0]["weights_sha256"] == records[1]["weights_sha256"]


def test_bm_s_own_classes_are_not_guarded() -> None:
    from bmcli.models import MODELS

    assert not hasattr(MODELS.get("mlp").build, "__bm_guarded__")
    assert os.path.basename(plugin_calls.__file__) == "plugin_calls.py"  # noqa: PTH119
