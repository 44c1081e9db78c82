"""Explanations for the eye: overlays of images, coloured texts for terminals and pages, bars for tables."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.core.number_format import cell, figure, quantity
from bmcli.core.sanitize import one_line
from bmcli.files.facts import shortened

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.text import Text

    from bmcli.explain.explain import Explanation

SIDE = 280
"""Pixels of a panel's longer side."""
_AVERAGE = "an average training row"
_BLUE, _ORANGE = (0, 95, 153), (200, 80, 0)


def overlay(explanation: Explanation) -> bytes:
    """PNG: the image, Grad-CAM over it, and what speaks for the class (orange) and against it (blue)."""
    from PIL import Image as images

    assert explanation.picture is not None
    array = explanation.picture
    plain = images.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).convert("RGB")
    scale = SIDE / max(plain.size)
    size = max(1, round(plain.width * scale)), max(1, round(plain.height * scale))
    smooth = images.Resampling.NEAREST if scale > 2 else images.Resampling.BILINEAR
    plain = plain.resize(size, smooth)
    panels = [plain]
    if explanation.heat is not None:
        panels.append(_heated(plain, explanation.heat))
    panels.append(_signed(plain, explanation.weights, smooth))
    gap = 8
    made = images.new("RGB", (len(panels) * (size[0] + gap) - gap, size[1]), "white")
    for i, panel in enumerate(panels):
        made.paste(panel, (i * (size[0] + gap), 0))
    stream = io.BytesIO()
    made.save(stream, "PNG")
    return stream.getvalue()


def _heated(plain: Image, heat: np.ndarray) -> Image:
    from matplotlib import colormaps
    from PIL import Image as images

    grown = images.fromarray((255 * heat).astype(np.uint8)).resize(plain.size, images.Resampling.BICUBIC)
    share = np.asarray(grown, np.float64) / 255
    colours = colormaps["inferno"](share)[..., :3] * 255
    alpha = (0.25 + 0.5 * share)[..., None]
    grey = np.asarray(plain.convert("L").convert("RGB"), np.float64)
    return images.fromarray((grey * (1 - alpha) + colours * alpha).astype(np.uint8))


def _signed(plain: Image, weights: np.ndarray, smooth: int) -> Image:
    from PIL import Image as images

    # The largest hundredth would leave everything else pale.
    top = float(np.quantile(np.abs(weights), 0.99)) or float(np.abs(weights).max()) or 1.0
    scaled = np.clip(weights / top, -1, 1).astype(np.float32)
    grown = np.asarray(images.fromarray(scaled).resize(plain.size, images.Resampling(smooth)))[..., None]
    colours = np.where(grown > 0, _ORANGE, _BLUE)
    paper = 255 - 0.25 * (255 - np.asarray(plain.convert("L").convert("RGB"), np.float64))
    alpha = np.abs(grown) * 0.9
    return images.fromarray((paper * (1 - alpha) + colours * alpha).astype(np.uint8))


def _strength(weights: np.ndarray) -> np.ndarray:
    """From -1 to 1, by the largest."""
    top = float(np.abs(weights).max()) if len(weights) else 0.0
    return weights / top if top else np.zeros_like(weights)


def _joined(tokens: Sequence[str]) -> list[str]:
    """Pieces of words as they are read: a blank before each that begins a word."""
    bpe = any(token.endswith("</w>") for token in tokens)
    pieces = bpe or any(token.startswith("##") for token in tokens)
    shown, inside = [], False
    for i, token in enumerate(tokens):
        begins = i > 0 and (not pieces or not (token.startswith("##") or inside))
        inside = bpe and not token.endswith("</w>")
        text = token.removeprefix("##").removesuffix("</w>")
        shown.append((" " if begins else "") + text)
    return shown


def coloured(explanation: Explanation) -> Text:
    """The text on a terminal: orange speaks for the class, blue against it, stronger is brighter."""
    from rich.text import Text

    made = Text()
    words = _joined(explanation.tokens)
    for word, strength in zip(words, _strength(explanation.weights).tolist(), strict=True):
        style = ""
        if abs(strength) > 0.1:
            target = _ORANGE if strength > 0 else _BLUE
            style = "bold white on rgb({},{},{})".format(
                *(round(c * (0.35 + 0.65 * abs(strength))) for c in target)
            )
        if word.startswith(" "):
            made.append(" ")
        made.append(one_line(word.lstrip(" ")), style=style)
    return made


def page(explanations: Sequence[Explanation]) -> str:
    """All texts as one HTML page that loads nothing and runs no script."""
    from bmcli.report.page import rendered

    texts = [
        {
            "input": one.input[:80],
            "answer": f"{one.label or 'value'}: {figure(one.value)}",
            "words": words(one.tokens, one.weights),
            "trust": trust(one.error, one.deletion),
        }
        for one in explanations
    ]
    run = explanations[0].run
    context = {"title": f"What {run} looked at", "made_from": run, "count": len(texts), "texts": texts}
    return rendered("texts.html.j2", context)


def words(tokens: Sequence[str], weights: np.ndarray) -> list[dict[str, str]]:
    """The words of a text for a page: each as text, with what stands before it, and how it speaks."""
    found = zip(_joined(tokens), _strength(weights).tolist(), weights.tolist(), strict=True)
    return [
        {
            "blank": " " if word.startswith(" ") else "",
            "text": word.lstrip(" "),
            "kind": "for" if strength > 0 else "against",
            "share": f"{abs(strength):.2f}",
            "weight": signed(weight),
        }
        for word, strength, weight in found
    ]


@dataclass(frozen=True)
class Step:
    """A line of a waterfall. name, value: a column and its cell, or what is summed up; amount: what it adds,
    with a sign, or a sum without one; strength: from -1 to 1, None for sums."""

    name: str
    value: str
    amount: str
    strength: float | None = None


def steps(document: Mapping[str, Any], most: int = 20) -> list[Step]:
    """From the base value to the answer, the strongest columns first: they add up.

    document: `Explanation.to_json` of a row; one of an older bm has no base value.
    """
    features = document["features"]
    weights = np.array([one["weight"] for one in features], np.float64)
    order = np.argsort(-np.abs(weights), kind="stable").tolist()
    strength = _strength(weights)
    made = []
    base = document.get("base")
    unit, summed = ("", quantity) if document["label"] is None else ("score (logit)", figure)
    if base is not None:
        made.append(Step("base", f"of {_AVERAGE}", summed(base)))
    made += [
        Step(
            features[i]["name"],
            of_cell(features[i]["value"], features[i].get("state", "")),
            signed(float(weights[i])),
            float(strength[i]),
        )
        for i in order[:most]
    ]
    if rest := order[most:]:
        others = f"{len(rest):,} more column{'s' if len(rest) > 1 else ''}"
        made.append(Step(others, "", signed(float(weights[rest].sum()))))
    if base is not None:
        sum_, answer = base + float(weights.sum()), base + float(document["difference"])
        if summed(sum_) != summed(answer):  # steps along the path are not infinitely many
            made.append(Step("(left over)", "", signed(answer - sum_)))
        made.append(Step("= answer", unit, summed(answer)))
    return made


def bars(explanation: Explanation, most: int = 20) -> list[tuple[str, str, str, str]]:
    """Of a row: what adds up to the answer, its value, its amount, and a bar; the strongest first."""
    rows = []
    for one in steps(explanation.to_json(), most):
        strength = one.strength or 0.0
        rows.append(
            (one.name, one.value, one.amount, ("█" if strength >= 0 else "░") * round(20 * abs(strength)))
        )
    return rows


def of_cell(value: float | str | None, state: str = "") -> str:
    """A cell as the model took it; a missing one as such."""
    if value is None:
        return state or "missing"
    if isinstance(value, str):
        said = {"unseen": " (not in training)", "rare": " (rare in training)"}
        return shortened(value) + said.get(state, "")
    return cell(value)


def signed(value: float) -> str:
    """A figure with its sign, also of a positive number."""
    return f"{'−' if value < 0 else '+'}{figure(abs(value))}"


def trust(error: float, deletion: tuple[float, float] | None) -> str:
    """How far an explanation can be trusted, in a line; error, deletion: as `Explanation` has them."""
    said = f"Attributions add up to the score (error {100 * error:.1f} %)"
    if deletion is not None:
        most, others = deletion
        said += (
            f"; removing the most important 20 % changes the probability by {signed(-most)} "
            f"(a random 20 %: {signed(-others)})"
        )
        if most <= others:
            said += ": do not trust this one"
    return said
