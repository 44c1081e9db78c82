"""Shared by the text models: from tokens to the states that their first layer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bmcli.models import Model
from bmcli.models._frame import masked_pooling, token_mask

if TYPE_CHECKING:
    from bmcli.core.spec import DataSpec, Kind
    from bmcli.core.tensor import Tensor


class TextModel(Model):
    """Base of models over a text's tokens: how tokens are embedded and merged."""

    kinds: ClassVar[tuple[Kind, ...]] = ("text",)

    pairs: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Rows of an embedding table for pairs of neighbouring tokens, addressed by their hash "
        "(Joulin et al. 2017, arXiv 1607.01759); 0 for none.",
    )
    bag: int = Field(
        0,
        ge=0,
        le=8192,
        description="Width of a bag of all tokens and pairs, which is added to the output, bypassing the "
        "network (Joulin et al. 2017; wide and deep: Cheng et al. 2016, arXiv 1606.07792); 0 for "
        "none.",
    )
    window: int = Field(
        1,
        ge=1,
        le=31,
        description="Width of a convolution over tokens whose result is added to each of them; 1 for none.",
    )
    merge: int = Field(
        1,
        ge=1,
        le=64,
        description="Number of neighbouring tokens that are averaged before the first layer that sees the "
        "whole text; makes long texts cheaper.",
    )
    token_dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of whole tokens dropped in training, against overfitting."
    )

    @property
    def examples_apart(self) -> bool:
        """See Model."""
        return True

    def tokens_embedded(self, tokens: Tensor, spec: DataSpec, width: int, name: str) -> Tensor:
        """int32 [batch, length] to [batch, length, width], with whole tokens dropped in training; includes
        the pairs, if there is no bag for them.

        name: name of the embedding layer.
        """
        import keras

        x = keras.layers.Embedding(spec.vocabulary_size, width, name=name)(tokens)
        if self.pairs and not self.bag:
            x = x + embedded_pairs(tokens, self.pairs, width)
        return token_dropout(x, self.token_dropout)

    def with_bag(self, features: object, tokens: Tensor, spec: DataSpec) -> object:
        """The network's features [batch, n] concatenated with the bag's: [batch, n + bag], float32."""
        import keras

        if not self.bag:
            return features
        x = keras.layers.Embedding(spec.vocabulary_size, self.bag, name="bag_embedding")(tokens)
        if self.pairs:
            x = x + embedded_pairs(tokens, self.pairs, self.bag)
        bag = masked_pooling(x, token_mask(tokens), "sqrt")
        return keras.ops.concatenate([keras.ops.cast(features, "float32"), bag], axis=-1)

    def gathered(self, states: Tensor, tokens: object) -> tuple[Tensor, object]:
        """The states with their neighbours, merged, and the mask of those that are not padding: bool [batch,
        length]."""
        mask = token_mask(tokens)
        states = with_neighbours(states, mask, self.window)
        return merged(states, mask, self.merge) if self.merge > 1 else (states, mask)


def token_dropout(states: Tensor, rate: float) -> Tensor:
    """Drop this share of whole tokens in training. states: [batch, length, n], as is the result."""
    import keras

    if not rate:
        return states
    dropped: Tensor = keras.layers.Dropout(rate, noise_shape=(None, None, 1), name="token_dropout")(states)
    return dropped


def embedded_pairs(tokens: Tensor, places: int, width: int) -> object:
    """An embedding of each token together with the next one, by hashing both into `places` rows.

    tokens: int32 [batch, length]. Returns [batch, length, width].
    """
    from keras import layers, ops

    nothing = ops.zeros_like(ops.max(tokens, axis=1, keepdims=True))
    behind = ops.concatenate([tokens[:, 1:], nothing], axis=1)
    # Below 2³¹ for every vocabulary up to a million tokens.
    rows = (tokens * 2003 + behind) % places
    # Start at zero: most pairs are rare, and their random start would remain as noise.
    return layers.Embedding(places, width, embeddings_initializer="zeros", name="pair_embedding")(rows)


def with_neighbours(states: Tensor, mask: object, window: int) -> Tensor:
    """Each token plus a convolution over `window` of them; without a layer if it is 1.

    states: [batch, length, n], as is the result; mask: bool [batch, length].
    """
    from keras import layers, ops

    if window == 1:
        return states
    words = states * ops.expand_dims(ops.cast(mask, states.dtype), -1)
    convolution = layers.Conv1D(
        states.shape[-1], window, padding="same", activation="relu", name="neighbours"
    )
    joined: Tensor = words + convolution(words)
    return joined


def merged(states: Tensor, mask: object, count: int) -> tuple[Tensor, object]:
    """The means of every `count` neighbouring tokens, ignoring padding, and their mask.

    states: [batch, length, n]; mask: bool [batch, length]. Returns [batch, length / count rounded up, n] and
    bool [batch, the same]. Padding is only added at the end: the amount of padding makes no difference.
    """
    from keras import layers, ops

    def means(values: object) -> Tensor:
        pooled: Tensor = layers.AveragePooling1D(count)(layers.ZeroPadding1D((0, count - 1))(values))
        return pooled

    used = ops.expand_dims(ops.cast(mask, states.dtype), -1)
    share = means(used)
    return means(states * used) / ops.maximum(share, 1 / count), ops.squeeze(share > 0, -1)
