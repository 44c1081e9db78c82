"""Which words of a text a prediction depends on: integrated gradients of the embeddings of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict, cast

import numpy as np

from bmcli.explain import attributions, base

if TYPE_CHECKING:
    import keras

    from bmcli.core.examples import Examples
    from bmcli.modalities.text.encoder import TextPreprocessing
    from bmcli.modalities.text.examples import Texts
    from bmcli.modalities.text.written import Word


class Shown(TypedDict):
    """The fields of an explanation that name words."""

    tokens: tuple[str, ...]
    columns: tuple[str, ...]
    weights: np.ndarray
    special: float


def _of_words(words: list[Word], weights: np.ndarray, columns: Sequence[str]) -> Shown:
    """weights: of tokens, [n]; those of a word are added up. columns: what the two texts of a pair are
    called."""
    summed = np.array([weights[list(word.tokens)].sum() for word in words], np.float64)
    return {
        "tokens": tuple(word.text for word in words),
        "columns": tuple(columns[word.which] for word in words) if columns else (),
        "weights": summed,
        "special": float(weights.sum() - summed.sum()),
    }


class Part(base.Part):
    """From embeddings of zeros."""

    baseline = "embeddings of zeros"

    def explain(
        self, about: base.About, compact: np.ndarray, finished: np.ndarray, example: Examples
    ) -> base.Explanation:
        """See `base.Part`."""
        explainer, texts = self.explainer, cast("Texts", example)
        encoder = cast("TextPreprocessing", explainer.preprocessing)
        text, second = texts.texts[0], None if texts.seconds is None else texts.seconds[0]
        if second is None:
            tokens = tuple(token for token, _ in encoder.tokens(text))
        else:  # whose words are shown
            tokens = ("",) * len(next(encoder.token_ids([text], [second])))
        ids = np.asarray(finished[0][: max(len(tokens), 1)])
        body, gradient = self._of_text
        states = body(explainer.fed(ids[None], [one[None] for one in explainer.fixed]), training=False)
        states = [
            np.asarray(one, np.float32)[0] for one in (states if isinstance(states, list) else [states])
        ]
        nothing = [np.zeros_like(one) for one in states]
        chosen = explainer.chosen(about["index"])
        found, known = explainer.integrated(gradient, states, nothing, [chosen, ids])
        weights = np.sum([one.sum(axis=-1) for one in found.attributions], axis=0)
        given = explainer.input
        unknown = np.full_like(ids, given.padding if given.unknown is None else given.unknown)
        if given.separator is not None:  # without it, all would be one text
            unknown = np.where(ids == given.separator.token, ids, unknown)
        words = encoder.words(text, second)
        if words is not None:
            shown = _of_words(words, weights[: len(tokens)], () if second is None else texts.columns)
            dropped = self._without_words(about["index"], ids, words, shown["weights"], unknown)
            return base.Explanation(**about, **known, **shown, baseline=self.baseline, deletion=dropped)
        dropped = None
        if len(tokens) > 1:
            dropped = self.deletion(about["index"], ids, weights[: len(ids)], unknown)
        return base.Explanation(
            **about,
            **known,
            baseline=self.baseline,
            weights=weights[: len(tokens)],
            deletion=dropped,
            tokens=tokens,
        )

    def _without_words(
        self, index: int, ids: np.ndarray, words: list[Word], weights: np.ndarray, unknown: np.ndarray
    ) -> tuple[float, float] | None:
        """See `attributions.deletion`: all tokens of a word go together, special tokens stay."""
        if len(words) < 2:
            return None
        within = np.zeros((len(words), len(ids)), bool)
        for row, word in zip(within, words, strict=True):
            row[list(word.tokens)] = True
        nothing = np.zeros(len(words), bool)
        return self.deletion(
            index, nothing, weights, ~nothing, lambda gone: np.where(gone @ within, unknown, ids)
        )

    @cached_property
    def _of_text(self) -> tuple[keras.Model, attributions.Gradient]:
        """The embeddings of tokens, and the gradient by them."""
        fed = self.explainer.fed
        body, head = attributions.embeddings(self.explainer.network, self.explainer.input.name)
        return body, attributions.gradient_of(
            lambda given, chosen, tokens, *others: attributions.scored(
                head([fed(tokens, others), *given], training=False), chosen
            )
        )
