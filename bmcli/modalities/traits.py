"""What is measured on an input to tell whether it looks like the training data: a few numbers, in words.

Of images: light, contrast, colour, detail, and where within the image they are. Of texts: length, unknown and
repeated words, what kinds of signs they are made of, and how likely their words and pairs of signs are after
training. Of rows: their numbers, how many cells are missing, how rare their categories are.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bmcli.data.bundle import Table, Texts
from bmcli.modalities.remark import THAN

if TYPE_CHECKING:
    from bmcli.modalities.table.encoder import TablePreprocessing
    from bmcli.modalities.text.encoder import TextPreprocessing

PIECE_BYTES = 2**22
"""Images are measured in pieces of about this size, which stay in the processor's cache."""


@dataclass(frozen=True)
class Trait:
    """name: within an unusual combination. low, high: what is said of an input below, above, if anything.
    finest: the least standard deviation that counts, in the trait's own unit."""

    name: str
    low: str
    high: str
    finest: float


_OF_COLOUR = ("red", "blue", "colour", "colour detail")
RARER = "rarer categories than in any training row"
MISSING = "more values are missing than in any training row"


def _image(name: str, low: str, high: str, finest: float) -> Trait:
    return Trait(name, low.replace("~", THAN[0]), high.replace("~", THAN[0]), finest)


IMAGES: Mapping[str, Trait] = {
    "brightness": _image("brightness", "darker~", "brighter~ (inverted?)", 1),
    "median": _image("brightness", "darker~", "brighter~ (inverted?)", 1),
    "darkest": _image("dark parts", "darker shadows", "no dark parts (inverted, or faded?)", 1),
    "lightest": _image("light parts", "no light parts (faded, or dark?)", "lighter highlights", 1),
    "contrast": _image("contrast", "lower contrast~ (blank?)", "higher contrast~", 1),
    "log contrast": _image("contrast", "lower contrast~ (blank?)", "higher contrast~", 0.05),
    "border": _image("border", "darker border", "brighter border", 1),
    "border contrast": _image("border", "plainer border", "busier border", 1),
    "detail": _image("detail", "less detail~ (blank?)", "more detail~ (noise?)", 0.05),
    "relative detail": _image("detail", "smoother~ (blurred?)", "more detail~ (noise?)", 0.03),
    "sharpness": _image("sharpness", "less sharp~ (blurred?)", "sharper~ (noise?)", 0.02),
    "evenness": _image(
        "evenness of detail", "detail everywhere (noise?)", "detail in a few places only", 0.05
    ),
    "direction": _image(
        "direction of edges", "edges run across more~ (turned?)", "edges run upright more~ (turned?)", 0.03
    ),
    "slant": _image("slant", "slants the other way~ (turned?)", "slants more~ (turned?)", 0.01),
    "upper, lower": _image(
        "light above and below",
        "lighter towards the top~ (turned?)",
        "lighter towards the bottom~ (turned?)",
        0.3,
    ),
    "left, right": _image(
        "light left and right",
        "lighter towards the left~ (turned?)",
        "lighter towards the right~ (turned?)",
        0.3,
    ),
    "middle": _image("light in the middle", "darker in the middle~", "lighter in the middle~", 1),
    "red": _image("colour balance", "less red~", "more red~", 1),
    "blue": _image("colour balance", "less blue~", "more blue~", 1),
    "colour": _image("colour", "less colourful~ (grey?)", "more colourful~", 0.1),
    "colour detail": _image(
        "colour of detail", "detail without colour (grey?)", "coloured detail (noise?)", 0.05
    ),
}


def image_traits(channels: int) -> list[str]:
    """Names in IMAGES of what is measured on images of so many channels."""
    return [name for name in IMAGES if channels == 3 or name not in _OF_COLOUR]


def of_images(images: np.ndarray) -> tuple[tuple[Trait, ...], np.ndarray]:
    """The traits, and float64 [N, D], of uint8 [N, height, width, channels]."""
    names = image_traits(images.shape[3])
    step = max(1, PIECE_BYTES // max(1, 4 * int(np.prod(images.shape[1:]))))
    found = np.empty((len(images), len(names)))
    for start in range(0, len(images), step):
        measured = _some_images(images[start : start + step].astype(np.float32))
        for place, name in enumerate(names):
            found[start : start + step, place] = measured[name]
    return tuple(IMAGES[name] for name in names), found


def _some_images(images: np.ndarray) -> dict[str, np.ndarray]:
    count, height, width, channels = images.shape
    grey = images.mean(axis=3) if channels > 1 else images[..., 0]
    flat = np.sort(grey.reshape(count, -1), axis=1)
    last = flat.shape[1] - 1
    mean, deviation = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
    edge = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    across, down = _steps(grey)
    by_width, by_height = np.abs(across).mean(axis=(1, 2)), np.abs(down).mean(axis=(1, 2))
    detail = (by_width + by_height) / 2
    bends = [np.abs(np.diff(across, axis=2)), np.abs(np.diff(down, axis=1))]
    bent = sum(_mean(bend) for bend in bends) / 2
    squares = sum(_mean(bend**2) for bend in bends) / 2
    rows = np.linspace(-1, 1, height, dtype=np.float32)
    columns = np.linspace(-1, 1, width, dtype=np.float32)
    window = np.exp(-2 * (rows[:, None] ** 2 + columns[None] ** 2))
    found = {
        "brightness": mean,
        "median": flat[:, last // 2],
        "darkest": flat[:, last // 100],
        "lightest": flat[:, last - last // 100],
        "contrast": deviation,
        "log contrast": np.log1p(deviation),
        "border": edge.mean(axis=1),
        "border contrast": edge.std(axis=1),
        "detail": np.log1p(detail),
        "relative detail": np.log((detail + 0.5) / (deviation + 1)),
        "sharpness": np.log((bent + 0.5) / (detail + 0.5)),
        "evenness": np.log((squares + 1) / (bent**2 + 1)),
        "direction": np.log((by_width + 0.5) / (by_height + 0.5)),
        "slant": _mean(across * down) / ((_mean(across**2) + _mean(down**2)) / 2 + 1),
        "upper, lower": grey.mean(axis=2) @ rows / height,
        "left, right": grey.mean(axis=1) @ columns / width,
        "middle": (grey * window).mean(axis=(1, 2)) / window.mean() - mean,
    }
    if channels == 3:
        red, blue = images[..., 0] - images[..., 1], images[..., 2] - images[..., 1]
        found |= {
            "red": red.mean(axis=(1, 2)),
            "blue": blue.mean(axis=(1, 2)),
            "colour": np.sqrt((images.max(axis=3) - images.min(axis=3)).mean(axis=(1, 2))),
            "colour detail": np.log(
                (sum(_mean(np.abs(step)) for step in _steps(red)) / 2 + 0.5) / (detail + 0.5)
            ),
        }
    return found


def _steps(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each pixel to the right one, and to the lower one: of the same shape; of one line, nothing."""
    _, height, width = grey.shape
    across = np.diff(grey, axis=2)[:, : max(1, height - 1)] if width > 1 else np.zeros_like(grey)
    down = np.diff(grey, axis=1)[:, :, : max(1, width - 1)] if height > 1 else np.zeros_like(grey)
    if across.shape != down.shape:  # one line of pixels
        shape = tuple(min(a, b) for a, b in zip(across.shape, down.shape, strict=True))
        across, down = across[:, : shape[1], : shape[2]], down[:, : shape[1], : shape[2]]
    return across, down


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=(1, 2)) if values.size else np.zeros(len(values), np.float32)


# === texts =================================================================================================

SIGNS = 4_096
"""Characters of a text that are looked at, from the side that is not cut off."""
LETTERS, DIGITS, SPACES = 26, 26, 27
_KINDS = (
    "0123456789",
    " \t\n\r\x0b\x0c",
    ".",
    ",",
    "'",
    '"',
    "-",
    "!?",
    "()",
    "[]{}",
    "<>",
    "=+*/\\|&%$#@^~`_",
    ";:",
)
_CONTROL, _BEYOND = 39, 40
_BLOCKS = (
    (0x80, 40),  # Latin beyond ASCII
    (0x370, 41),  # Greek, Cyrillic
    (0x590, 42),  # Hebrew, Arabic
    (0x900, 43),  # of India and South-East Asia
    (0x1100, 46),  # Hangul
    (0x1200, 48),
    (0x1E00, 40),
    (0x2000, 47),  # punctuation
    (0x2070, 48),
    (0x3000, 47),
    (0x3040, 44),  # kana
    (0x3100, 45),
    (0x3400, 45),  # Han
    (0xA000, 48),
    (0xAC00, 46),
    (0xD7B0, 48),
    (0xF900, 45),
    (0xFB00, 48),
    (0x20000, 45),
    (0x323B0, 48),
)
SYMBOLS = 49


def _symbol_table() -> np.ndarray:
    table = np.full(128, _CONTROL, np.int64)
    for place in range(26):
        table[[ord("a") + place, ord("A") + place]] = place
    for kind, signs in enumerate(_KINDS, LETTERS):
        table[[ord(sign) for sign in signs]] = kind
    return table


_ASCII = _symbol_table()
LETTER_BLOCKS = np.isin(np.arange(SYMBOLS), [40, 41, 42, 43, 44, 45, 46, 48])
FOREIGN = 0.001
"""Share of the symbols of training below which those of a script are of another one."""
_STARTS = np.array([start for start, _ in _BLOCKS])
_BLOCK = np.array([symbol for _, symbol in _BLOCKS])

TEXTS = (
    Trait("length", "shorter than the training texts", "longer than the training texts", 0.5),
    Trait("unknown words", "", "more unknown words than the training texts", 0.05),
    Trait(
        "different words",
        "repeats its words more than the training texts",
        "repeats fewer words than the training texts",
        0.15,
    ),
    Trait("its most frequent word", "", "repeats one word more than the training texts", 0.05),
    Trait("repeated words", "", "repeats words one after another", 0.03),
    Trait(
        "choice of words",
        "rarer words than the training texts",
        "commoner words than the training texts",
        0.3,
    ),
    Trait(
        "spelling",
        "signs follow each other as they do not in training (code, another language, no words?)",
        "signs follow each other more regularly than in training (repeated?)",
        0.1,
    ),
    Trait(
        "signs per word",
        "shorter words than the training texts",
        "longer words than the training texts",
        0.15,
    ),
    Trait("capitals", "", "more capitals than the training texts", 0.05),
    Trait("digits", "", "more digits than the training texts", 0.05),
    Trait(
        "punctuation",
        "less punctuation than the training texts",
        "more punctuation than the training texts",
        0.05,
    ),
    Trait("brackets and operators", "", "brackets and operators (program code, markup?)", 0.03),
    Trait("blanks", "fewer blanks than the training texts", "more blanks than the training texts", 0.05),
    Trait("script", "", "letters of another script than the training texts", 0.05),
)
KNOTS = (0.0, 0.01, 0.1, 0.5, 1.0)
"""Quantiles of the lengths of texts between which what is usual for a length is interpolated."""
STEP = 0.08
"""Steps in which logarithms of probabilities are kept, in bytes."""


@dataclass(frozen=True)
class TextTraits:
    """What training texts are like: what the traits of a text are compared to.

    words: float64 [vocabulary], log-probability of each token; signs: [SYMBOLS, SYMBOLS], of each symbol
    after another; foreign: [SYMBOLS], 1 for letters that training hardly has; knots: [K], logarithms of
    lengths; usual, spread: [K, D], mean and standard deviation of each trait at these lengths.
    """

    kind: ClassVar[str] = "text"

    words: np.ndarray
    signs: np.ndarray
    foreign: np.ndarray
    knots: np.ndarray
    usual: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(
        cls, preprocessing: TextPreprocessing, texts: Texts, compact: np.ndarray
    ) -> tuple[TextTraits, np.ndarray]:
        """Of training texts and their tokens; and their traits, each as it is for a text that training does
        not have: a word that stands in this one alone is unknown."""
        from bmcli.modalities.text.encoder import (
            UNKNOWN_ID,  # not for images: its expressions take their time
        )

        counts = preprocessing.token_counts(compact)
        total = counts.sum()
        alone = float((counts == 1).sum() + counts[UNKNOWN_ID])
        chance = np.log(np.maximum(counts, 0.5) / max(total, 1.0))
        chance[UNKNOWN_ID] = math.log(max(alone, 0.5) / max(total, 1.0))
        symbols = [_symbols(text) for text in _shown(preprocessing, texts)]
        pairs = np.zeros(SYMBOLS * SYMBOLS)
        for one in symbols:
            pairs += np.bincount(one[:-1] * SYMBOLS + one[1:], minlength=SYMBOLS * SYMBOLS)
        pairs = pairs.reshape(SYMBOLS, SYMBOLS) + 0.5
        signs = np.log(pairs / pairs.sum(axis=1, keepdims=True))
        shares = pairs.sum(axis=1) / pairs.sum()
        nothing = np.zeros((1, len(TEXTS)))
        foreign = (shares < FOREIGN) & LETTER_BLOCKS
        made = cls(chance, signs, foreign.astype(np.float64), np.zeros(1), nothing, nothing + 1)
        raw = made._measured(preprocessing, texts, compact, counts)
        knots = np.unique(np.quantile(raw[:, 0], KNOTS))
        weights = _between(raw[:, 0], knots)
        normal = weights.T @ weights + 1e-3 * len(raw) * np.eye(len(knots))
        middle = raw.mean(axis=0)
        usual = middle + np.linalg.solve(normal, weights.T @ (raw - middle))
        finest = np.array([trait.finest for trait in TEXTS])
        apart = (raw - weights @ usual) ** 2
        variance = np.linalg.solve(normal, weights.T @ apart)
        variance = np.maximum(variance, 0.25 * apart.mean(axis=0)) + finest**2
        usual[:, 0], variance[:, 0] = middle[0], raw[:, 0].var() + finest[0] ** 2
        made = cls(chance, signs, made.foreign, knots, usual, np.sqrt(variance))
        return made, made._relative(raw)

    def of(self, preprocessing: TextPreprocessing, texts: Texts, compact: np.ndarray) -> np.ndarray:
        """float64 [N, D], in standard deviations from what is usual for a text of this length."""
        return self._relative(self._measured(preprocessing, texts, compact, None))

    def _relative(self, raw: np.ndarray) -> np.ndarray:
        weights = _between(raw[:, 0], self.knots)
        return (raw - weights @ self.usual) / (weights @ self.spread)

    def _measured(
        self,
        preprocessing: TextPreprocessing,
        texts: Texts,
        compact: np.ndarray,
        without: np.ndarray | None,
    ) -> np.ndarray:
        """without: the counts of all tokens in training, where a text's own are to be left out."""
        from bmcli.modalities.text.encoder import UNKNOWN_ID

        raw = np.zeros((len(texts), len(TEXTS)))
        total = 0.0 if without is None else float(without.sum())
        used = np.count_nonzero(compact, axis=1)
        for row, (text, tokens) in enumerate(zip(_shown(preprocessing, texts), compact, strict=True)):
            tokens = tokens[: used[row]]
            if not len(tokens):
                continue
            ids, times = np.unique(tokens, return_counts=True)
            chance, unknown = self.words[ids], ids == UNKNOWN_ID
            if without is not None:
                left = without[ids] - times
                unknown = unknown | (left <= 0)
                known = np.log(np.maximum(left, 0.5) / max(total - len(tokens), 1.0))
                chance = np.where(unknown, self.words[UNKNOWN_ID], known)
            # Two unknown words are two words, though both are one token.
            again = tokens[1:][tokens[1:] == tokens[:-1]]
            repeated = int((~unknown[np.searchsorted(ids, again)]).sum())
            strange, familiar = int(times[unknown].sum()), times[~unknown]
            symbols = _symbols(text)
            shares = np.bincount(symbols, minlength=SYMBOLS) / max(len(symbols), 1)
            following = self.signs[symbols[:-1], symbols[1:]]
            raw[row] = (
                math.log1p(len(tokens)),
                strange / len(tokens),
                math.log(len(familiar) + strange),
                (familiar.max(initial=1) - 1) / len(tokens),
                repeated / len(tokens),
                float(chance @ times) / len(tokens),
                following.mean() if len(following) else 0.0,
                math.log1p((1 - shares[SPACES]) / (shares[SPACES] + 1 / max(len(symbols), 1))),
                math.sqrt(_capitals(text)),
                math.sqrt(shares[DIGITS]),
                math.sqrt(shares[28:34].sum() + shares[38] + shares[47]),
                math.sqrt(shares[34:38].sum()),
                math.sqrt(shares[SPACES]),
                math.sqrt(shares @ self.foreign),
            )
        return raw

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data; probabilities in bytes, as base64."""
        return {
            "words": _packed(self.words),
            "signs": _packed(self.signs),
            "foreign": self.foreign.astype(int).tolist(),
            "knots": self.knots.tolist(),
            "usual": self.usual.tolist(),
            "spread": self.spread.tolist(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], preprocessing: TextPreprocessing) -> TextTraits:
        """The inverse; KeyError, TypeError or ValueError where it does not fit these texts."""
        knots = np.array(document["knots"], np.float64)
        shape = (len(knots), len(TEXTS))
        usual = np.array(document["usual"], np.float64)
        spread = np.array(document["spread"], np.float64)
        foreign = np.array(document["foreign"], np.float64)
        if knots.ndim != 1 or not len(knots) or not usual.shape == spread.shape == shape:
            raise ValueError("what is usual for texts has another shape")
        if not all(np.isfinite(one).all() for one in (knots, usual, spread)) or (spread <= 0).any():
            raise ValueError("what is usual for texts is not finite")
        if foreign.shape != (SYMBOLS,):
            raise ValueError("foreign")
        words = _unpacked(document["words"], (preprocessing.vocabulary_size,))
        return cls(words, _unpacked(document["signs"], (SYMBOLS, SYMBOLS)), foreign, knots, usual, spread)


def _shown(preprocessing: TextPreprocessing, texts: Texts) -> Iterator[str]:
    """The part of each text that is looked at."""
    for text in texts.texts:
        yield text[:SIGNS] if preprocessing.truncate == "end" else text[-SIGNS:]


def _symbols(text: str) -> np.ndarray:
    """int64 [characters]: which of SYMBOLS each is."""
    if text.isascii():
        return _ASCII[np.frombuffer(text.encode("ascii"), np.uint8)]
    points = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    beyond = _BLOCK[np.maximum(np.searchsorted(_STARTS, points, side="right") - 1, 0)]
    return np.where(points < 128, _ASCII[np.minimum(points, 127)], beyond)


def _capitals(text: str) -> float:
    """Share of ASCII letters that are capitals."""
    raw = np.frombuffer(text.encode("ascii", "ignore"), np.uint8)
    upper = int(((raw >= 65) & (raw <= 90)).sum())
    letters = upper + int(((raw >= 97) & (raw <= 122)).sum())
    return upper / letters if letters else 0.0


def _between(lengths: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """[N, K]: how much each knot counts at each length; nothing beyond the first and the last."""
    return np.stack([np.interp(lengths, knots, one) for one in np.eye(len(knots))], axis=1)


def _packed(chances: np.ndarray) -> str:
    steps = np.clip(np.rint(-chances / STEP), 0, 255).astype(np.uint8)
    return base64.b64encode(steps.tobytes()).decode("ascii")


def _unpacked(text: Any, shape: tuple[int, ...]) -> np.ndarray:
    steps = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    return -STEP * steps.reshape(shape).astype(np.float64)


# === rows ==================================================================================================


@dataclass(frozen=True)
class RowTraits:
    """What training rows are like.

    middle, spread: of each column of numbers; a number counts as asinh((number - middle) / spread), so that a
    column of long tails does not speak louder than the others. rarity: of each column of categories, the
    logarithm of how rare each place is. novel: of each, the share of rows whose category stands in no other.
    finest: the least standard deviation of the share of missing cells.
    """

    kind: ClassVar[str] = "table"

    middle: np.ndarray
    spread: np.ndarray
    rarity: tuple[np.ndarray, ...]
    novel: Mapping[str, float]
    finest: float

    @classmethod
    def fit(
        cls, preprocessing: TablePreprocessing, table: Table, chosen: np.ndarray, enough: int
    ) -> tuple[RowTraits, np.ndarray, np.ndarray, np.ndarray]:
        """Of the rows of a training table at `chosen`; their traits [N, D]; and the range [D], [D] that each
        trait must leave to be odd alone: a number by a quarter of the width of training's range, by all of it
        in fewer rows than `enough`, and a date, as time goes on. Of new categories, all rows are looked at.
        """
        numbers, places, missing = preprocessing.numbers_and_places(table.take(chosen))
        middle, spread = np.zeros(numbers.shape[1]), np.ones(numbers.shape[1])
        lowest, highest = np.zeros(numbers.shape[1]), np.zeros(numbers.shape[1])
        dates = [date for _, date in preprocessing.number_columns]
        for column, values in enumerate(numbers.T):
            known = values[np.isfinite(values)]
            if len(known):
                low, middle[column], high = np.quantile(known, [0.25, 0.5, 0.75])
                wide = max((high - low) / 1.35, 0.1 * float(known.std()))
                spread[column] = max(wide, 1e-6 * abs(middle[column]), 1e-9)
                margin = 1.0 if dates[column] or len(chosen) < enough else 0.25
                least, most = np.quantile(known, [0.001, 0.999])
                lowest[column] = least - margin * (most - least)
                highest[column] = most + margin * (most - least)
        rarity, alone = [], []
        for column, width in enumerate(preprocessing.category_widths):
            counts = np.bincount(places[:, column], minlength=width).astype(np.float64)
            rarity.append(-np.log((counts + 0.5) / (len(places) + 0.5 * width)))
            # As a row that training does not have would find it.
            alone.append(-np.log((counts - 0.5).clip(0.5) / (len(places) + 0.5 * width))[places[:, column]])
        columns = numbers.shape[1] + places.shape[1]
        finest = 0.15 / max(columns, 1) if len(chosen) >= enough else 0.05
        made = cls(middle, spread, tuple(rarity), preprocessing.novel(table), finest)
        rare = np.sum(alone, axis=0) if alone else np.zeros(len(chosen))
        traits = made._together(numbers, missing, rare)
        low = made._together(lowest[None], np.zeros(1), np.zeros(1))[0]
        high = made._together(
            highest[None], traits[:, -2].max(keepdims=True), traits[:, -1].max(keepdims=True)
        )
        return made, traits, low, high[0]

    def of(self, preprocessing: TablePreprocessing, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """float64 [N, D], and bool [N], whether a row has no number at all."""
        numbers, places, missing = preprocessing.numbers_and_places(table)
        rare = np.zeros(len(numbers))
        for column, rarity in enumerate(self.rarity):
            rare += rarity[places[:, column]]
        none = ~np.isfinite(numbers).any(axis=1) if numbers.shape[1] else np.zeros(len(numbers), bool)
        return self._together(numbers, missing, rare), none

    def _together(self, numbers: np.ndarray, missing: np.ndarray, rare: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            bent = np.arcsinh((numbers - self.middle) / self.spread)
        return np.column_stack([bent, missing, rare])

    def traits(self, preprocessing: TablePreprocessing) -> tuple[Trait, ...]:
        """Those of the columns of numbers, then of missing cells and of categories."""
        columns = [
            Trait(
                f"'{name}'",
                f"{name} is far below everything in training",
                f"{name} is far above everything in training",
                0.05,
            )
            for name, _ in preprocessing.number_columns
        ]
        return (
            *columns,
            Trait("missing values", "", MISSING, self.finest),
            Trait("categories", "", RARER, 0.5),
        )

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data."""
        return {
            "middle": self.middle.tolist(),
            "spread": self.spread.tolist(),
            "rarity": [[round(one, 4) for one in column.tolist()] for column in self.rarity],
            "novel": dict(self.novel),
            "finest": self.finest,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], preprocessing: TablePreprocessing) -> RowTraits:
        """The inverse; KeyError, TypeError or ValueError where it does not fit these columns."""
        middle = np.array(document["middle"], np.float64)
        spread = np.array(document["spread"], np.float64)
        rarity = tuple(np.array(column, np.float64) for column in document["rarity"])
        if not middle.shape == spread.shape == (len(preprocessing.number_columns),):
            raise ValueError("another number of columns")
        if [len(column) for column in rarity] != list(preprocessing.category_widths):
            raise ValueError("another number of categories")
        finite = all(np.isfinite(one).all() for one in (middle, spread, *rarity))
        finest = float(document["finest"])
        if not finite or (spread <= 0).any() or not finest > 0:
            raise ValueError("what is usual for rows is not finite")
        novel = {str(name): float(share) for name, share in document["novel"].items()}
        return cls(middle, spread, rarity, novel, finest)
