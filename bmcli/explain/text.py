"""Which words of a text a prediction depends on: integrated gradients of the embeddings of its tokens."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from bmcli.explain import attributions, base

if TYPE_CHECKING:
    import keras

    from bmcli.core.examples import Examples
    from bmcli.modalities.text.encoder import TextPreprocessing
    from bmcli.modalities.text.examples import Texts


class Part(base.Part):
    """From embeddings of zeros."""

    baseline = "embeddings of zeros"

    def explain(
        self, about: base.About, compact: np.ndarray, finished: np.ndarray, example: Examples
    ) -> base.Explanation:
        """See `base.Part`."""
        explainer, texts = self.explainer, cast("Texts", example)
        encoder = cast("TextPreprocessing", explainer.preprocessing)
        columns: tuple[str | None, ...] = ()
        if texts.seconds is None:
            tokens = tuple(token for token, _ in encoder.tokens(texts.texts[0]))
        else:
            placed = encoder.placed_tokens(texts.texts[0], texts.seconds[0])
            tokens = tuple(token for token, _ in placed)
            columns = tuple(None if which is None else texts.columns[which] for _, which in placed)
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
        dropped = None
        if len(tokens) > 1:
            given = explainer.input
            unknown = np.full_like(ids, given.padding if given.unknown is None else given.unknown)
            if given.separator is not None:  # without it, all would be one text
                unknown = np.where(ids == given.separator.token, ids, unknown)
            dropped = explainer.deletion(about["index"], ids, weights[: len(ids)], unknown)
        return base.Explanation(
            **about,
            **known,
            baseline=self.baseline,
            weights=weights[: len(tokens)],
            deletion=dropped,
            tokens=tokens,
            columns=columns,
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
