"""The dataset in docs/data.md works as it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bmcli.data.named import DATASETS


def test_the_documented_dataset(load: Callable[..., Any]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    try:
        exec(compile(code, "docs/data.md", "exec"), {"__name__": "waves"})
        bundle = load(name=DATASETS.get("waves")(examples=100))
        assert (len(bundle.train), bundle.classes) == (72, ("sine", "cosine"))
    finally:
        DATASETS._classes.pop("waves", None)
