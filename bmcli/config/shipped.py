"""The configs that come with bm, found by bare name: in an installed package and in a checkout."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".yaml"


def folder() -> Path:
    """Where they are: inside the installed package, or at the top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def names() -> list[str]:
    """Their names, sorted; a config in a subfolder counts by its file name too."""
    return sorted(_files())


def find(name: str) -> Path | None:
    """The file of the shipped config of that name, or None."""
    return _files().get(name)


def summary(path: Path) -> str:
    """The first line of the comment at the head of a config, or an empty text."""
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip()
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def _files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder().rglob(f"*{SUFFIX}"))}
