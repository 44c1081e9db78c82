"""How people spell numbers: digits, signs, currencies and units, and the parts of a cell that holds one."""

from __future__ import annotations

import re

import polars as pl

SYMBOLS = "$€£¥₹₽₩₺₪₫฿₴₦₱₡₲₸₼₾￥円元원"
CODES = (
    "USD EUR GBP JPY CHF CNY RMB INR AUD CAD NZD SEK NOK DKK PLN CZK HUF RON RUB TRY BRL MXN ZAR KRW SGD HKD "
    "TWD THB IDR MYR PHP VND ILS AED SAR NGN ARS CLP COP PEN UAH"
)
_CURRENCY = (
    rf"(?:(?:US|AU|CA|NZ|HK|NT|MX|[ACRS])?\$|[{SYMBOLS}]|"
    rf"(?i:{'|'.join(CODES.split())}|kč|zł|kr\.?|rs\.?|ft|lei|euros?|dollars?|s?fr\.))"
)
_SAME = {
    **dict.fromkeys(("eur", "euro", "euros"), "€"),
    **dict.fromkeys(("usd", "us$", "dollar", "dollars"), "$"),
    **dict.fromkeys(("inr", "rs"), "₹"),
    **dict.fromkeys(("jpy", "￥", "円"), "¥"),
    **dict.fromkeys(("cny", "rmb"), "元"),
    **dict.fromkeys(("cad", "ca$"), "c$"),
    **dict.fromkeys(("aud", "au$"), "a$"),
    **dict.fromkeys(("fr", "sfr"), "chf"),
    "gbp": "£",
    "brl": "r$",
    "pln": "zł",
    "czk": "kč",
    "krw": "₩",
    "원": "₩",
    "huf": "ft",
    "ron": "lei",
}
"""Words and signs for one currency, lower case and without a point behind them."""
_ZEROS = "０٠۰०০੦૦୦௦౦೦൦๐໐༠၀០"
"""The zero of each script; its other digits follow it."""
_WRITTEN = (
    {chr(ord(zero) + i): str(i) for zero in _ZEROS for i in range(10)}
    | dict(zip("٫٬٪，．％＋－−–＄￥（）", ".'%,.%+---$¥()", strict=True))
    | dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u061c", "")
)
"""Digits, marks and spaces of other scripts as ASCII has them, and what is not seen as nothing."""
_CELL = (
    rf"^(\()?\s*([-+]?)\s*({_CURRENCY})?\s*([-+]?)\s*"
    rf"(\d[\d.,'’ ]*\d|\d|\d[\d.,'’ ]*[.,]|[.,]\d+)([eE][-+]?\d+)?\s*({_CURRENCY}|%|‰)?\s*(-)?\s*(\))?$"
)
OPEN, SIGN, BEFORE, SIGN_TOO, BODY, POWER, AFTER, MINUS, CLOSE = (str(i) for i in range(1, 10))
"""The parts of a cell, as `parts_of` names its columns."""

GROUPED = {
    # Groups of three; or, as in India, of two after the first three.
    ".": r"^(?:\d{1,3}(?:[,'’ ]\d{2,3})*[,'’ ]\d{3}|\d+)?(?:\.\d*)?$",
    ",": r"^(?:\d{1,3}(?:[.'’ ]\d{3})+|\d+)?(?:,\d*)?$",
}


def normal(cells: pl.Series) -> pl.Series:
    """Stripped texts with the digits, marks and spaces of all scripts as in ASCII; without invisible
    characters, and without quotation marks around them or an apostrophe before them, as Excel has them."""
    odd = cells.str.contains(r"[^\x20-\x7e]|^[=\"']").fill_null(False)
    if not odd.any():
        return cells
    text = (
        cells.filter(odd)
        .str.replace_many(list(_WRITTEN), list(_WRITTEN.values()))
        .str.replace(r"^=?\"(.*)\"$", "$1")
        .str.replace(r"^'(.*?)'?$", "$1")
        .str.strip_chars()
    )
    return cells.scatter(odd.arg_true(), text)


def one_unit(unit: str) -> str:
    """The same text for every spelling of a currency."""
    key = unit.lower().removesuffix(".")
    return _SAME.get(key, key)


def unit_key(unit: pl.Expr) -> pl.Expr:
    """`one_unit` of a column."""
    key = unit.str.to_lowercase().str.strip_suffix(".")
    return key.replace(_SAME)


def parts_of(cells: pl.Series, unit: str) -> pl.DataFrame:
    """The parts of each cell that looks like a number, in columns '1' to '9'; nulls elsewhere."""
    # '12,-' and '12.--' are whole amounts of money, not negative ones.
    text = pl.col("text").str.replace(r"(\d)[.,]-{1,2}([^\d]*)$", "$1$2")
    if unit and unit != "%" and not re.fullmatch(_CURRENCY, unit):
        text = text.str.strip_suffix(unit).str.strip_prefix(unit).str.strip_chars()
    frame = pl.DataFrame({"text": cells.cast(pl.String)})
    return (
        frame.select(text.str.extract_groups(_CELL).alias("groups"))
        .unnest("groups")
        .with_columns(pl.all().replace("", None))
    )
