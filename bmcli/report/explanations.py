"""Explanations for display: coloured texts for terminals and pages, bars for tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.number_format import cell, decimals, quantity
from bmcli.core.plain import Document
from bmcli.core.sanitize import one_line
from bmcli.explain.overlay import BLUE, ORANGE
from bmcli.files.facts import shortened
from bmcli.report.html import rendered

if TYPE_CHECKING:
    from rich.text import Text

    from bmcli.explain.base import Explanation

_AVERAGE = "an average training row"


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
    begins = _begins(explanation.columns) or [""] * len(words)
    for word, strength, column in zip(words, _strength(explanation.weights).tolist(), begins, strict=True):
        if column:
            made.append("\n" * bool(made) + f"{one_line(column)}: ", style="dim")
            word = word.lstrip(" ")
        style = ""
        if abs(strength) > 0.1:
            target = ORANGE if strength > 0 else BLUE
            style = "bold white on rgb({},{},{})".format(
                *(round(c * (0.35 + 0.65 * abs(strength))) for c in target)
            )
        if word.startswith(" "):
            made.append(" ")
        made.append(one_line(word.lstrip(" ")), style=style)
    return made


def _begins(columns: Sequence[str | None]) -> list[str]:
    """Of the tokens of a pair of texts: the name of a column where its text begins, else nothing. Special
    tokens belong to the text before them, or the first."""
    found, at = [], next((name for name in columns if name is not None), None)
    for place, name in enumerate(columns):
        begins = place == 0 or name not in (at, None)
        at = name or at
        found.append(at or "" if begins else "")
    return found


def page(explanations: Sequence[Explanation]) -> str:
    """All texts as one HTML page that loads nothing and runs no script."""
    texts = [
        {
            "input": " · ".join(filter(None, (one.input[:80], one.part))),
            "answer": f"{one.label or 'value'}: {decimals(one.value)}",
            "words": words(one.tokens, one.weights, one.columns),
            "trust": trust(one.error, one.deletion),
        }
        for one in explanations
    ]
    run = explanations[0].run
    context = {
        "title": f"What the predictions of {run} depend on",
        "made_from": run,
        "count": len(texts),
        "texts": texts,
    }
    return rendered("texts.html.j2", context)


def words(
    tokens: Sequence[str], weights: np.ndarray, columns: Sequence[str | None] = ()
) -> list[dict[str, str]]:
    """The words of a text for a page: each as text, with what stands before it, and how it speaks. columns:
    as `Explanation` has them; the first word of each names it."""
    begins = _begins(columns) or [""] * len(tokens)
    found = zip(_joined(tokens), _strength(weights).tolist(), weights.tolist(), begins, strict=True)
    return [
        {
            "column": column,
            "blank": " " if word.startswith(" ") else "",
            "text": word.lstrip(" "),
            "kind": "for" if strength > 0 else "against",
            "share": f"{abs(strength):.2f}",
            "weight": signed(weight),
        }
        for word, strength, weight, column in found
    ]


@dataclass(frozen=True)
class Step:
    """A line of a waterfall. name, value: a column and its cell, or what is summed up; amount: what it adds,
    with a sign, or a sum without one; strength: from -1 to 1, None for sums."""

    name: str
    value: str
    amount: str
    strength: float | None = None


def steps(document: Document, most: int = 20) -> list[Step]:
    """From the base value to the answer, the strongest columns first: they add up.

    document: `Explanation.to_json` of a row; one of an older bm has no base value.
    """
    features = document["features"]
    weights = np.array([one["weight"] for one in features], np.float64)
    order = np.argsort(-np.abs(weights), kind="stable").tolist()
    strength = _strength(weights)
    made = []
    base = document.get("base")
    total = document.get("total")
    number = document["label"] is None and not total
    unit, summed = ("", quantity) if number else (total or "score (logit)", decimals)
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
        made.append(Step("= score" if total else "= answer", unit, summed(answer)))
    return made


def bars(explanation: Explanation) -> list[tuple[str, str, str, str]]:
    """Of a row: what adds up to the answer, its value, its amount, and a bar; the strongest first."""
    rows = []
    for one in steps(explanation.to_json()):
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
    """A number with its sign, also if positive."""
    return f"{'−' if value < 0 else '+'}{decimals(abs(value))}"


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
