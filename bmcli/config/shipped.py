"""The configs that ship with bm, found by name, in an installed package or in a checkout."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".yaml"


def folder() -> Path:
    """Their folder: inside the installed package, or at the top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def names() -> list[str]:
    """Their names, sorted; configs in subfolders are also listed by file name."""
    return sorted(_files())


def find(name: str) -> Path | None:
    """The file of the shipped config of that name, or None."""
    return _files().get(name)


def summary(path: Path) -> str:
    """The first line of the comment at the top of a config, or an empty string."""
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip()
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def _files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder().rglob(f"*{SUFFIX}"))}
