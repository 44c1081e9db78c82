"""Small files of the kinds that people bring, and what the real commands say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Done

SEED = 0


@dataclass(frozen=True)
class Understood:
    """What `bm check --build` says: its document's 'build' where it passes, and all that was said."""

    code: int
    said: str
    build: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.build[name]

    def says(self, pattern: str) -> bool:
        """Whether what was said holds this."""
        return re.search(pattern, self.said) is not None


Understand = Callable[..., Understood]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """A file in the folder that commands run in; its name."""

    def made(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return made


@pytest.fixture
def understand(tmp_path: Path, invoke: Callable[..., Done]) -> Understand:
    """`bm check --build` of data with these keys."""

    def run(data: Mapping[str, Any], model: str | Mapping[str, Any] = "linear", **more: Any) -> Understood:
        config = {"data": dict(data), "model": model, **more}
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        done = invoke("check", "config.yaml", "--build", "--json")
        document = done.json
        said = done.err + json.dumps(document.get("errors", ""), ensure_ascii=False)
        return Understood(done.code, said, document.get("build", {}))

    return run


@pytest.fixture
def drafted(tmp_path: Path, invoke: Callable[..., Done]) -> Callable[[str], Understood]:
    """`bm init PATH`, and what `bm check --build` says of the draft; the draft as text in `build`."""

    def run(path: str) -> Understood:
        done = invoke("init", path)
        if done.code:
            return Understood(done.code, done.err, {})
        drafts = [p for p in tmp_path.glob("*.yaml") if p.name != "config.yaml"]
        (draft,) = drafts
        checked = invoke("check", draft.name, "--build", "--json")
        document = checked.json
        build = {**document.get("build", {}), "draft": draft.read_text()}
        draft.unlink()
        said = done.err + checked.err + json.dumps(document.get("errors", ""), ensure_ascii=False)
        return Understood(checked.code, said, build)

    return run
