"""What a column means: its type, the reason, and what is said where it is doubtful."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmcli.files.cells import parse_cells
from bmcli.files.columns import facts_of
from bmcli.files.facts import ColumnFacts, Said, truth_value

N = 200

Make = Callable[[int, random.Random], Any]


def column(make: Make, count: int = N) -> list[Any]:
    chance = random.Random(1)
    return [make(i, chance) for i in range(count)]


def facts(
    cells: list[Any], name: str = "x", said: Said | None = None, missing: tuple[str, ...] = ()
) -> ColumnFacts:
    texts = all(cell is None or isinstance(cell, str) for cell in cells)
    data = pl.DataFrame({name: pl.Series(cells, dtype=pl.String) if texts else cells})
    return facts_of(data, {} if said is None else {name: said}, missing)[name]


def pick(*words: str) -> Make:
    return lambda _, chance: chance.choice(words)


def some(odd: Make, usual: Make, every: int = 7) -> Make:
    return lambda i, chance: (odd if i % every == 0 else usual)(i, chance)


def number(_: int, chance: random.Random) -> str:
    return f"{chance.random() * 100:.1f}"


def day(i: int, _: random.Random) -> datetime.date:
    return datetime.date(2020, 1, 1) + datetime.timedelta(days=(i * 37) % 900)


def dated(style: str) -> Make:
    return lambda i, chance: day(i, chance).strftime(style)


TYPES: dict[str, tuple[str, Make, str]] = {
    "integers": ("x", lambda i, r: str(r.randrange(90)), "number"),
    "fractions": ("x", number, "number"),
    "money": ("x", lambda i, r: f"${r.random() * 9999:,.2f}", "number"),
    "decimal commas": ("x", lambda i, r: f"{r.random():.2f}".replace(".", ","), "number"),
    "percent": ("x", lambda i, r: f"{r.random() * 100:.1f}%", "number"),
    "Arabic digits": ("x", lambda i, r: "١٢٣٤"[i % 4] + "٥", "number"),
    "scientific": ("x", lambda i, r: f"{r.random() * 1e9:.3e}", "number"),
    "zero and one": ("x", pick("0", "1"), "number"),
    "leading zeros": ("x", pick("01067", "02134", "90210"), "category"),
    "padded numbers": ("x", lambda i, r: f"{r.randrange(50):06d}", "category"),
    "ZIP+4": ("x", lambda i, r: f"{10000 + i % 20}-{1000 + i % 20}", "category"),
    "ZIP by name": ("zip_code", lambda i, r: str(20000 + r.randrange(20)), "category"),
    "long numbers": ("x", lambda i, r: str(10**17 + i), "identifier"),
    "ranges": ("age", pick("0-10", "10-20", "20-30"), "category"),
    "sizes": ("x", pick("S", "M", "XL"), "category"),
    "grades": ("x", pick("A+", "A", "B-"), "category"),
    "versions": ("x", pick("1.2.3", "1.2.4", "2.0.0"), "category"),
    "addresses of machines": ("x", pick("10.0.0.1", "10.0.0.2", "192.168.1.1"), "category"),
    "hexadecimal": ("x", pick("0x1f", "0xff", "0x00"), "category"),
    "seasons": ("x", pick("2009-10", "2010-11", "2011-12"), "category"),
    "ordinals": ("x", pick("1st", "2nd", "3rd"), "category"),
    "names of months": ("x", pick("January", "March", "June"), "category"),
    "ISO dates": ("x", dated("%Y-%m-%d"), "date"),
    "local dates": ("x", dated("%d.%m.%Y"), "date"),
    "named months": ("x", dated("%d %b %Y"), "date"),
    "months": ("x", dated("%b-%y"), "date"),
    "quarters": ("x", lambda i, r: f"{2015 + i % 7}Q{i % 4 + 1}", "date"),
    "compact dates": ("x", dated("%Y%m%d"), "date"),
    "compact dates as numbers": ("x", lambda i, r: int(day(i, r).strftime("%Y%m%d")), "date"),
    "seconds since 1970": ("created_at", lambda i, r: str(1_600_000_000 + i * 1000), "date"),
    "seconds, not by name": ("x", lambda i, r: str(1_600_000_000 + i * 1000), "number"),
    "years": ("year", lambda i, r: str(1990 + i % 30), "number"),
    "times of day": ("x", lambda i, r: f"{i % 24}:{i % 60:02d}", "date"),
    "three dates": ("x", pick("2020-01-01", "2020-02-01", "2020-03-01"), "date"),
    "booleans": ("x", pick("True", "False"), "boolean"),
    "booleans in all spellings": ("x", pick("yes", "NO", "Yes", "no"), "boolean"),
    "booleans and gaps": ("x", lambda i, r: r.choice(["t", "f", None]), "boolean"),
    "booleans and words": ("x", pick("yes", "no", "unknown"), "boolean"),
    "yes, no, maybe": ("x", pick("yes", "no", "maybe"), "category"),
    "row numbers": ("x", lambda i, r: str(i), "identifier"),
    "row numbers from 1, in any order": ("x", lambda i, r: str((i * 7) % N + 1), "identifier"),
    "pandas' index with gaps": ("Unnamed: 0", lambda i, r: str(3 * i + 5), "identifier"),
    "ids with gaps": ("CustomerID", lambda i, r: str(3 * i + 5), "identifier"),
    "a number in every row": ("x", lambda i, r: str((i * 7919) % 100_003), "number"),
    "codes in every row": ("x", lambda i, r: f"ID{i:05d}", "identifier"),
    "e-mails": ("x", lambda i, r: f"user{i}@example.com", "identifier"),
    "links": ("x", lambda i, r: f"https://example.com/{i}/page", "identifier"),
    "phones": ("phone", lambda i, r: str(2_000_000_000 + 7 * i), "identifier"),
    "names": (
        "who",
        lambda i, r: f"{['Anna', 'Ben', 'Carl', 'Dora', 'Emil'][i % 5]} {chr(65 + i % 26)}. Smith{i}",
        "identifier",
    ),
    "Arabic names": (
        "x",
        lambda i, r: f"محمد {chr(0x627 + i % 20)}{chr(0x628 + i // 20)} صالح",
        "identifier",
    ),
    "empty": ("x", lambda i, r: None, "empty"),
    "blank": ("x", lambda i, r: " ", "empty"),
    "missing marks": ("x", pick("NA", "-", "n/a"), "empty"),
}


@pytest.mark.parametrize("name", TYPES)
def test_types(name: str) -> None:
    title, make, expected = TYPES[name]
    found = facts(column(make), title)
    assert found.type == expected, found
    assert found.question is None
    assert found.filled + found.missing == N


SENTENCES = {
    "English": "the quick brown fox jumps over a lazy dog while rain falls on our old town",
    "German": "der schnelle braune Fuchs springt über den faulen Hund während Regen auf die Stadt fällt",
    "Russian": "быстрая лиса прыгает через ленивую собаку пока дождь падает на старый город",
    "Greek": "η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί ενώ βρέχει",
    "Arabic": "الثعلب البني السريع يقفز فوق الكلب الكسول بينما يسقط المطر على المدينة",
    "Hebrew": "השועל החום המהיר קופץ מעל הכלב העצלן בזמן שגשם יורד",
    "Hindi": "तेज भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है जबकि पुराने शहर पर बारिश होती है",
    "Korean": "빠른 갈색 여우가 게으른 개를 뛰어넘는 동안 비가 오래된 도시에 내린다",
    "Turkish": "hızlı kahverengi tilki tembel köpeğin üzerinden atlar yağmur eski şehre yağarken",
    "Japanese": "速い 茶色の 狐が 怠け者の 犬を 飛び越える 雨が 降る 古い 町に",
    "Chinese": "快速的 棕色 狐狸 跳过 懒狗 当雨 落在 老城 人们 慢慢 走回家",
    "Thai": "สุนัข จิ้งจอก สีน้ำตาล กระโดด ข้าม ฝน ตก เมือง",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_texts_in_any_script(language: str) -> None:
    words = SENTENCES[language].split()
    between = "" if language in ("Japanese", "Chinese", "Thai") else " "
    cells = column(lambda i, r: between.join(r.choice(words) for _ in range(6 + i % 8)))
    assert facts(cells).type == "text"


def test_texts_that_repeat() -> None:
    words = SENTENCES["English"].split()
    cells = column(
        lambda i, r: " ".join(r.choice(words) for _ in range(9)) if i % 10 < 4 else "there is nothing to say"
    )
    assert facts(cells, "feedback").type == "text"
    assert facts(column(pick("the service was good", "I did not like it")), "feedback").type == "category"


MARKS = (
    *(
        "NA",
        "n/a",
        "#N/A",
        "<NA>",
        "NaN",
        "null",
        "None",
        "?",
        "-",
        "--",
        "---",
        ".",
        "..",
        "—",
        "missing",
        "Unknown",
    ),
    *(
        "not available",
        "keine Angabe",
        "(blank)",
        r"\N",
        "#DIV/0!",
        "1.#QNAN",
        "-nan",
        "NaT",
        '""',
        "undefined",
    ),
)


@pytest.mark.parametrize("mark", MARKS)
def test_words_for_missing_numbers(mark: str) -> None:
    cells = column(some(lambda i, r: mark, number))
    found = facts(cells)
    assert (found.type, found.missing, found.unfit, found.marks) == ("number", 29, 0, (mark,))
    values, bad = parse_cells(pl.Series(cells), found.format)  # type: ignore[arg-type]
    assert int(np.isnan(values).sum()) == 29
    assert not bad


@pytest.mark.parametrize(("odd", "every"), [("*", 20), ("refused", 7), ("<5", 3), ("90+", 10), ("soon", 2)])
def test_odd_cells_among_numbers_are_named(odd: str, every: int) -> None:
    cells = column(some(lambda i, r: odd, number, every))
    found = facts(cells)
    count = sum(cell == odd for cell in cells)
    assert (found.type, found.unfit, found.examples) == ("number", count, (odd,))
    _, bad = parse_cells(pl.Series(cells), found.format)  # type: ignore[arg-type]
    assert len(bad) == count
    assert f"holds '{odd}', not a number" in bad[0]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (some(pick("3+"), pick("1", "2"), 4), "'3+'"),
        (some(pick("abc", "def"), lambda i, r: str(i % 4), 2), "50% of its cells are numbers"),
        (lambda i, r: f"w{i % 60}" if i % 5 > 1 else f"{i}.5", "40% of its cells are numbers"),
        (pick("1001", "1002", "A103", "B204"), "of its cells are numbers"),
        (lambda i, r: f"{i % 90} kg", "unit: 'kg'"),
        (lambda i, r: f"{i % 9}.{i % 7} m²", "unit: 'm²'"),
        (lambda i, r: f"{i % 50 / 10}/5", "unit: '/5'"),
        (lambda i, r: f"~{i % 90}", "unit: '~'"),
        (lambda i, r: f"{i % 90} {'kg' if i % 3 else 'lb'}", "several units ('kg', 'lb')"),
        (lambda i, r: f"${i % 90}.5{'K' if i % 2 else 'M'}", "several units"),
        (lambda i, r: f"2023-{i % 90 + 100}", "look like dates"),
        (lambda i, r: f"Jan {i % 31 + 1}", "look like dates"),
        (some(pick("soon", "later"), dated("%Y-%m-%d"), 2), ""),
        (
            lambda i, r: dated("%Y-%m-%d")(i, r) if i % 5 < 2 else f"soon {i % 3}",
            "40% of its cells are dates",
        ),
        (lambda i, r: f"{i % 90 + 100}/{i % 60 + 60}", "different ones in 200 rows"),
        (pick("1E5", "2E9", "3E3"), "is read as"),
        (some(pick("-99"), number), "is -99 in 29 rows"),
        (lambda i, r: f"{i % 7 + 1}.{i % 900 + 100}", "is read with a decimal point"),
        (lambda i, r: ("%02d/13/2020" if i % 2 else "13/%02d/2020") % (i % 12 + 1), "only the month"),
    ],
)
def test_what_is_doubtful_is_said(make: Make, said: str) -> None:
    found = facts(column(make), "x_y")
    if said:
        assert found.warning is not None, found
        assert said in found.warning
        assert "x_y" in found.warning
    else:
        assert (found.type, found.examples) == ("date", ("later", "soon")) or found.unfit


@pytest.mark.parametrize("name", ["product_id", "ProductCode", "store_id"])
def test_numbers_that_name_something(name: str) -> None:
    found = facts(column(pick("1001", "1002", "2003")), name)
    assert found.type == "number"
    assert f"{{{name}: category}}" in (found.warning or "")


def test_what_is_left_out_says_that_it_holds_numbers() -> None:
    found = facts(column(lambda i, r: f"{i}.5 kmpl"))
    assert found.type == "identifier"
    assert "unit: 'kmpl'" in found.reason


@pytest.mark.parametrize("odd", ["inf", "-Infinity", "1e999"])
def test_infinite_numbers_do_not_fit(odd: str) -> None:
    assert facts(column(some(lambda i, r: odd, number))).unfit == 29
    assert facts([float("inf"), 1.5, 2.5] * 20).unfit == 20


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(-999, 999),
            st.booleans(),
            st.sampled_from("abc"),
            st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 1, 1)),
        ),
        min_size=20,
        max_size=60,
    )
)
def test_typed_and_written_tables_mean_the_same(rows: list[tuple[int, bool, str, datetime.date]]) -> None:
    names = ["number", "flag", "word", "when"]
    typed = pl.DataFrame(rows, schema=names, orient="row")
    written = typed.select(pl.all().cast(pl.String))
    for name in names:
        one, other = facts_of(typed)[name], facts_of(written)[name]
        assert (one.type, one.filled, one.different) == (other.type, other.filled, other.different), name
        if one.format is not None:
            left, right = (
                parse_cells(data[name], f.format)[0] for data, f in ((typed, one), (written, other))
            )  # type: ignore[arg-type]
            np.testing.assert_array_equal(left, right)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(st.none(), st.text(max_size=12), st.floats().map(str), st.dates().map(str)), max_size=40
    )
)
def test_no_column_breaks_it(cells: list[str | None]) -> None:
    found = facts(cells, "when")
    assert found.filled + found.missing == len(cells)
    if found.format is not None and found.question is None:
        values, bad = parse_cells(pl.Series(cells, dtype=pl.String), found.format)
        assert len(values) == len(cells)
        assert len(bad) == found.unfit


def test_unicode_in_two_forms_is_one_category() -> None:
    assert facts(column(pick("caf\u00e9", "cafe\u0301", "bar"))).different == 2


@pytest.mark.parametrize(
    ("word", "value"), [("Yes", True), ("0", False), ("F", False), ("maybe", None), (" t ", True)]
)
def test_truth_values(word: str, value: bool | None) -> None:
    assert truth_value(word) is value
