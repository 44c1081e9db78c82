"""Checks without findings, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.doctor.examine import Examined

_LOOKED_FOR = {
    "unusable": "unusable files or rows",
    "duplicates across splits": "copies across splits",
    "contradictions": "copies labelled differently",
    "duplicates": "copies within a split",
    "blank": "one colour only",
    "proportions": "odd proportions",
    "length": "longer than the model reads",
    "short": "fewer than 3 words",
    "gives the target away": "gives the target away",
    "mostly missing": "mostly missing",
    "one value per row": "one value per row",
    "constant": "constant",
    "balance": "unbalanced",
    "few": "fewer than 10 examples",
    "labels": "doubtful labels",
}


def clean(examined: Examined) -> list[str]:
    """A line that lists the checks without findings: '200 images checked, nothing found: ...'."""
    lines = []
    clear = [one for one in examined.checks if not one.found]
    also = " also" if len(clear) < len(examined.checks) else ""
    for of in dict.fromkeys(one.of for one in clear):
        some = [one for one in clear if one.of == of]
        count = max(one.count for one in some)
        listed = ", ".join(_LOOKED_FOR.get(one.check, one.check) for one in some)
        unit = of if count != 1 else {"classes": "class"}.get(of, of.removesuffix("s"))
        lines.append(f"{count:,} {unit}{also} checked, nothing found: {listed}")
    return lines
