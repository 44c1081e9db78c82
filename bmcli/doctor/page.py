"""The findings as an HTML page with thumbnails."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from bmcli.doctor.all_clear import clean
from bmcli.doctor.findings import MOST_EXAMPLES
from bmcli.report.html import rendered

if TYPE_CHECKING:
    from bmcli.doctor.examine import Examined
    from bmcli.doctor.findings import Example, Finding

MOST_SHOWN = 30
_LONGEST_TEXT = 200


def page(examined: Examined, name: str) -> str:
    """One page that loads nothing and runs no script. name: of the config."""
    sizes = ", ".join(f"{split} {count:,}" for split, count in examined.sizes.items())
    findings = [{**_finding(examined, one), "anchor": f"f{i}"} for i, one in enumerate(examined.findings)]
    context = {
        "title": name,
        "made_from": "the data",
        "lead": f"{examined.bundle.kind} data for {examined.bundle.task}: {sizes}.",
        "findings": findings,
        "clean": clean(examined),
        "most_listed": f"{MOST_EXAMPLES:,}",
    }
    return rendered("doctor.html.j2", context)


def _finding(examined: Examined, finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "severity": finding.severity,
        "message": finding.message,
        "examples": [_example(examined, one) for one in finding.examples[:MOST_SHOWN]],
        "more": max(finding.count - MOST_SHOWN, 0) if finding.examples else 0,
    }


def _example(examined: Examined, example: Example) -> dict[str, object]:
    splits = example.splits or ("",) * len(example.ids)
    names = [f"{split} {name}".strip() for split, name in zip(splits, example.ids, strict=True)]
    shown: dict[str, object] = {"names": names, "detail": example.detail, "images": [], "texts": []}
    if isinstance(examined.shown, np.ndarray):
        shown["images"] = [
            {"data": _png(examined.shown[i]), "name": name}
            for i, name in zip(example.positions, example.ids, strict=False)
        ]
    elif examined.shown is not None:
        texts = [examined.shown[i] for i in example.positions]
        shown["texts"] = [t if len(t) <= _LONGEST_TEXT else t[:_LONGEST_TEXT] + "…" for t in texts]
    return shown


def _png(array: np.ndarray) -> Markup:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(stream, "PNG")
    return Markup("data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"))
