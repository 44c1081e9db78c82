"""The user's own components: by `code`, and by an installed package's entry point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bmcli.config.resolve import dump, load
from bmcli.core.errors import ConfigError

OWN_MODEL = '''
from pydantic import Field
from bmcli.models import MODELS, Model

@MODELS.register("{name}")
class Tiny(Model):
    """One small layer."""

    kinds = ("image",)
    units: int = Field(8, ge=1, description="Width.")

    def build(self, spec): ...
'''


def test_own_model_looks_like_a_built_in(folder: Path) -> None:
    (folder / "own.py").write_text(OWN_MODEL.format(name="tiny"))
    (folder / "c.yaml").write_text("data: digits\ncode: own.py\nmodel: {name: tiny, units: 3}\n")
    with pytest.raises(ConfigError, match="unknown model 'tiny'") as caught:
        load("c.yaml")
    assert "own.py" in (caught.value.hint or "")
    config = load("c.yaml", run_code=True)
    assert config.model.to_config() == {"name": "tiny", "units": 3}
    (folder / "again.yaml").write_text(dump(config))
    assert load("again.yaml", run_code=True) == config
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", ["model.units=0", "model.unit=1"], run_code=True)
    assert len(caught.value.problems) == 2


def test_changed_code_counts(folder: Path) -> None:
    (folder / "own.py").write_text(OWN_MODEL.format(name="changing"))
    source = {"data": "digits", "code": ["own.py"], "model": "changing"}
    assert load(source, run_code=True).model.to_config()["units"] == 8
    (folder / "own.py").write_text(OWN_MODEL.format(name="changing").replace("8", "9"))
    assert load(source, run_code=True).model.to_config()["units"] == 9


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("x = 1\ny = = 2\n", 2, "not valid Python"),
        ("x = 1\n\nimport no_such_module\n", 3, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f():\n    raise ValueError('boom')\n\nf()\n", 2, "ValueError: boom"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit"),
        (
            "from bmcli.models import MODELS\n\n@MODELS.register('x')\nclass X: ...\n",
            3,
            "must derive from Model",
        ),
    ],
)
def test_error_in_own_code_names_its_line(folder: Path, text: str, line: int, fragment: str) -> None:
    (folder / "own.py").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load({"data": "digits", "model": "mlp", "code": "own.py"}, run_code=True)
    (problem,) = caught.value.problems
    assert fragment in problem.message
    assert problem.place is not None
    assert (problem.place.file, problem.place.line) == (str(folder / "own.py"), line)
    assert problem.place.text == text.split("\n")[line - 1]


def test_installed_package_adds_a_model(folder: Path) -> None:
    site = folder / "site"
    (site / "bm_tiny-1.0.dist-info").mkdir(parents=True)
    (site / "bm_tiny-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: bm-tiny\nVersion: 1.0\n"
    )
    (site / "bm_tiny-1.0.dist-info" / "entry_points.txt").write_text(
        "[bmcli.models]\nplugged = bm_tiny:Tiny\n"
    )
    (site / "bm_tiny.py").write_text(OWN_MODEL.format(name="other"))
    code = (
        "import sys; sys.path.insert(0, 'site')\n"
        "from bmcli.config.resolve import load\n"
        "from bmcli.models import MODELS\n"
        "assert 'plugged' in MODELS.names() and 'bm_tiny' not in sys.modules\n"
        "print(load({'data': 'digits', 'model': {'name': 'plugged', 'units': 5}}).model.to_config())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True
    )
    assert done.stdout.strip() == "{'name': 'plugged', 'units': 5}"
