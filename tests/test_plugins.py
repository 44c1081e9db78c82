"""The names that components of users import: every registry, each with its base class."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bmcli import plugins
from bmcli.core.registry import HOMES, registry_of


@pytest.mark.parametrize("kind", sorted(HOMES))
def test_every_registry_is_there_with_its_base(kind: str) -> None:
    registry = registry_of(kind)
    name = HOMES[kind].partition(":")[2]
    assert getattr(plugins, name) is registry and name in plugins.__all__
    assert getattr(plugins, registry.base.__name__) is registry.base
    assert registry.base.__name__ in plugins.__all__


def test_every_name_is_there_and_no_other() -> None:
    assert sorted(dir(plugins)) == sorted(name for names in plugins._MODULES.values() for name in names)
    assert all(getattr(plugins, name) is not None for name in plugins.__all__)
    with pytest.raises(AttributeError, match="MODLES"):
        plugins.MODLES  # type: ignore[attr-defined]  # noqa: B018


def test_a_model_loads_nothing_that_computes() -> None:
    code = "import sys; from bmcli.plugins import MODELS, Model; print({'numpy', 'keras'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
