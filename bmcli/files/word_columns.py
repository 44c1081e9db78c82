"""Columns of words: sentences, categories, names of splits, and identifiers."""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from bmcli.files import dates
from bmcli.files.distinct_values import Values
from bmcli.files.facts import FEW, SPLIT_WORDS, ColumnFacts, many_categories, shortened
from bmcli.files.number_columns import ROWS

NUMBERS = 0.9
"""Share of the filled cells from which on a column is one of numbers (or dates) whatever else it holds."""
HALF = 0.5
ALL_DIFFERENT = 0.95
MOST_UNITS = 6
_NAME_NAME = re.compile(
    r"(^|[\W_])(name|names|surname|firstname|lastname|author|address|street|city|title_of_person)$", re.I
)
_TEXT_NAMES = frozenset(
    word
    for line in (
        "text texts body review reviews comment comments message sentence content description",
        "question tweet summary title headline abstract document utterance query prompt post subject",
        "article caption note notes feedback texto texte testo kommentar commentaire comentario",
        "beschreibung reseña opinión avis bewertung отзыв текст",
        "комментарий レビュー 本文 テキスト 评论 內容 内容 文本",
        "리뷰 댓글",
    )
    for word in line.split()
)
# Scripts written without spaces between words.
_KANA = r"[\u3041-\u309f]"
_UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"


def as_words(name: str, values: Values) -> ColumnFacts:
    """The column as one of words, with a warning if they could be something else."""
    total, different = values.total, len(values.cells)
    facts = ColumnFacts(name, "category", f"{different:,} different values", total, values.empty, different)
    words = {SPLIT_WORDS.get(word) for word in values.lower.to_list()} if different <= 8 else {None}
    if None not in words and "train" in words and len(words) > 1:
        return replace(facts, reason="says train, validation or test", split=True)
    units = units_of(values) if different > 5 else []
    doubt = _doubt(name, values, units)
    if doubt is None and total and (reads := _reads_as_text(name, values)):
        return replace(facts, type="text", reason=reads)
    if total >= ROWS and (different == total or (total >= 50 and different >= ALL_DIFFERENT * total)):
        every = "every row" if different == total else "nearly every row"
        facts = replace(facts, type="identifier", reason=f"a different value in {every}")
    if doubt is not None:
        return doubted(replace(facts, unit=units[0] if len(units) == 1 else ""), doubt)
    if facts.type == "category":
        facts = replace(facts, warning=many_categories(facts))
    return facts


def _doubt(name: str, values: Values, units: list[str]) -> str | None:
    """What else the words could be: numbers with a unit, or dates."""
    if len(values.cells) <= 5:
        return None
    example = shortened(values.cells[0])
    if dates.looks_like_dates(values.cells):
        return f"though its cells look like dates ('{example}'), written in a way that bm does not read"
    if len(units) == 1:
        return (
            f"though it holds numbers with '{units[0]}' beside them ('{example}'); data.columns: "
            f"{{{name}: {{type: number, unit: '{units[0]}'}}}} reads them"
        )
    if units and len(values.cells) > FEW:
        listed = ", ".join(map(repr, units))
        return (
            f"though it holds numbers in several units ({listed}); bring them to one, and leave it out here"
        )
    return None


def _reads_as_text(name: str, values: Values) -> str | None:
    """Why the cells are texts: sentences rather than names, addresses or ids; None if they are not."""
    named = name.lower() in _TEXT_NAMES
    total, different = values.total, len(values.cells)
    if different <= FEW * (different < HALF * total) or different <= 0.2 * total:
        return None
    repeated = different <= HALF * total
    cells = values.cells[:2_000]
    unspaced = cells.str.count_matches(_UNSPACED)
    letters = cells.str.count_matches(r"\p{L}|\p{M}")
    if float(unspaced.sum()) > 0.3 * max(1.0, float(letters.sum())):
        length = float(cells.str.len_chars().mean() or 0)  # type: ignore[arg-type]
        # Names are of two to five characters in these scripts.
        # A name has hardly any kana in it.
        kana = float(cells.str.count_matches(_KANA).sum()) > 0.3 * float(letters.sum())
        enough = (4 if named else 5 if kana else 8) if not repeated else 12
        return "texts without spaces between words" if length >= enough else None
    words = float(cells.str.count_matches(r"\S+").mean() or 0)  # type: ignore[arg-type]
    if repeated and words < (4 if named else 6):
        return None
    if named and words >= 2:
        return f"texts of {words:.0f} words, by the column's name"
    if words < 3:
        return None
    # Where letters have no case, a name of three or four words looks like a text; texts differ in length.
    uncased = words < 5 and not cells.str.contains(r"\p{Lu}|\p{Ll}").any()
    if uncased and float(cells.str.count_matches(r"\S+").std() or 0) < 1:  # type: ignore[arg-type]
        return None
    tokens = cells.str.extract_all(r"[\p{L}][\p{L}\p{M}'’-]*").explode().drop_nulls()
    if not len(tokens) or len(tokens) < 0.5 * words * len(cells):
        return None  # numbers, codes, addresses
    cased = tokens.filter(tokens.str.to_lowercase() != tokens.str.to_uppercase())
    capital = cased.str.contains(r"^\p{Lu}").mean() if len(cased) else 0.0
    shouted = cased.str.contains(r"^\p{Lu}{2,}").mean() if len(cased) else 0.0
    titled = float(capital or 0.0) - float(shouted or 0.0)  # type: ignore[arg-type]
    if titled > 0.7 and (words < 8 or _NAME_NAME.search(name)):
        return None
    if _NAME_NAME.search(name) and words < 6:
        return None
    return f"texts of {words:.0f} words"


def doubted(facts: ColumnFacts, why: str) -> ColumnFacts:
    """The same with a warning; where it is left out as an identifier, the reason for that says it too."""
    if facts.type == "identifier":
        return replace(
            facts, reason=f"{facts.reason}, {why}", warning=f"column '{facts.name}' is left out, {why}"
        )
    return replace(facts, warning=f"column '{facts.name}' is read as categories, {why}")


def units_of(values: Values) -> list[str]:
    """What stands beside the number in nearly every cell, where it is the same few everywhere: 12 kg, 3.5 m²,
    4/5, ~20; the most frequent first."""
    parts = values.cells.str.extract_groups(
        r"^[-+]?(?P<before>[~≈±])? ?\p{Sc}?\d[\d.,'’]* ?(?P<behind>[^\d\s.,:;-][^\d:;]{0,11}|/ ?\d{1,4})?$"
    ).struct.unnest()
    unit = pl.coalesce(pl.col("behind"), pl.col("before")).str.strip_chars()
    counted = (
        parts.select(unit.alias("unit"), values.counts.alias("count"))
        .drop_nulls("unit")
        .group_by("unit")
        .agg(pl.col("count").sum())
        .sort(["count", "unit"], descending=[True, False])
    )
    found = counted["unit"].to_list()
    if not found or len(found) > MOST_UNITS or int(counted["count"].sum()) < NUMBERS * values.total:
        return []
    if set(map(str.lower, found)) & {"st", "nd", "rd", "th", "am", "pm", "a.m.", "p.m."}:
        return []
    if len(found) > 1 and any(unit.startswith("/") for unit in found):
        return []
    if len(found) > 1 and int(counted["count"][0]) >= NUMBERS * values.total:
        return found[:1]
    return found
