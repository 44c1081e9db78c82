"""What is measured on a text: length, unknown and repeated words, what kinds of signs it is made of, and how
likely its words and pairs of signs are after training."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.modalities.measured import LOOKED_AT, Measured, Trait, Usual, outer, ranges_of, spread
from bmcli.modalities.novelty import ENOUGH, FAR
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.modalities.text.examples import Texts
from bmcli.modalities.text.vocabulary import PAD_ID, UNKNOWN_ID

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.core.plain import Document
    from bmcli.modalities.preprocessing import Preprocessing

NO_WORD = "no word that could be read"
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
        "more common words than the training texts",
        0.3,
    ),
    Trait(
        "spelling",
        "character sequences unlike those in training (code, another language, no words?)",
        "character sequences more regular than in training (repeated?)",
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
    Trait("blanks", "fewer spaces than the training texts", "more spaces than the training texts", 0.05),
    Trait("script", "", "letters of another script than the training texts", 0.05),
)
KNOTS = (0.0, 0.01, 0.1, 0.5, 1.0)
"""Quantiles of the lengths of texts between which what is usual for a length is interpolated."""
STEP = 0.08
"""Steps in which logarithms of probabilities are kept, in bytes."""


@dataclass(frozen=True)
class TextTraits(Usual):
    """What training texts are like: what the traits of a text are compared to.

    words: float64 [vocabulary], log-probability of each token; signs: [SYMBOLS, SYMBOLS], of each symbol
    after another; foreign: [SYMBOLS], 1 for letters that training hardly has; knots: [K], logarithms of
    lengths; usual, spread: [K, D], mean and standard deviation of each trait at these lengths.
    """

    blank = NO_WORD

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

    def known(self, encoder: Preprocessing) -> tuple[Trait, ...]:
        """See Usual."""
        return TEXTS

    def measured(
        self, encoder: Preprocessing, examples: Examples, compact: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See Usual; in standard deviations from what is usual for a text of this length."""
        assert isinstance(encoder, TextPreprocessing) and isinstance(examples, Texts)
        raw = self._measured(encoder, examples, compact, None)
        return self._relative(raw), np.asarray(~compact.any(axis=1))

    def _relative(self, raw: np.ndarray) -> np.ndarray:
        weights = _between(raw[:, 0], self.knots)
        relative: np.ndarray = (raw - weights @ self.usual) / (weights @ self.spread)
        return relative

    def _measured(
        self,
        preprocessing: TextPreprocessing,
        texts: Texts,
        compact: np.ndarray,
        without: np.ndarray | None,
    ) -> np.ndarray:
        """without: the counts of all tokens in training, where a text's own are to be left out."""
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

    def to_json(self) -> dict[str, object]:
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
    def from_json(cls, document: Document, preprocessing: TextPreprocessing) -> TextTraits:
        """The inverse; KeyError, TypeError or ValueError if it does not fit these texts."""
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


def _unpacked(text: str, shape: tuple[int, ...]) -> np.ndarray:
    steps = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    return -STEP * steps.reshape(shape).astype(np.float64)


def fit(encoder: Preprocessing, examples: Examples) -> Measured:
    """Of training texts."""
    some = examples.take(spread(len(examples), LOOKED_AT))
    assert isinstance(encoder, TextPreprocessing) and isinstance(some, Texts)
    compact = np.asarray(encoder.encode(some))
    ranges = ranges_of(statistics(compact))
    # Few unknown words in training do not make one in ten unusual.
    ranges["unknown words"] = (-1.0, max(0.5, ranges["unknown words"][1]))
    ranges["words"] = (0.5, float("1e9"))
    usual, traits = TextTraits.fit(encoder, some, compact)
    return Measured(usual, traits, *outer(traits, FAR, ENOUGH), ranges)


def statistics(compact: np.ndarray) -> dict[str, np.ndarray]:
    """The statistics with which older runs recognise unfamiliar texts."""
    words = (compact != PAD_ID).sum(axis=1)
    unknown = (compact == UNKNOWN_ID).sum(axis=1) / np.maximum(words, 1)
    return {"words": words.astype(np.float64), "unknown words": unknown}
