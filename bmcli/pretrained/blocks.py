"""The network that all families share: embeddings, then post-norm transformer blocks.

Written with layers and operations that ship with Keras, so that plain Keras opens the model, and with dense
layers and matrix products in place of `MultiHeadAttention`, which is slower in training and in ONNX Runtime.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bmcli.pretrained.architecture import Architecture

if TYPE_CHECKING:
    from bmcli.core.spec import Separator
    from bmcli.core.tensor import Tensor

MOST_DISTANCE = 128
"""Distance from which on relative positions share the last bucket (Song et al. 2020, arXiv:2004.09297)."""

ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "silu": "silu"}
"""The activations that Keras has under a name; its 'gelu' is the exact one, so that gelu_tanh is missing."""


def encoded(
    architecture: Architecture,
    tokens: Tensor,
    mask: Tensor,
    *,
    dropout: float,
    attention_dropout: float,
    separator: Separator | None = None,
) -> Tensor:
    """The state of every token after the last block: int32 [batch, length] to [batch, length, width].

    mask: bool [batch, length], False for padding, whose own states mean nothing and reach no other token.
    separator: of pairs of texts that are told apart; see InputSpec.
    """
    segments = None
    if separator is not None:
        segments = _segments(tokens, mask, separator)
        tokens = _as_read(tokens, separator)
    x, positions = _embedded(architecture, tokens, segments, dropout)
    bias = _hidden(mask, x)
    if architecture.buckets:
        bias = bias + _relative(architecture, positions)
    for number in range(1, architecture.blocks + 1):
        x = _block(architecture, f"block{number}", x, bias, dropout, attention_dropout)
    return x


def _segments(tokens: Tensor, mask: Tensor, separator: Separator) -> Tensor:
    """Which of two texts each token is of, 0 or 1, int32 [batch, length]: the separator is the last of the
    first. Padding is of the first."""
    from keras import ops

    ends = ops.cast(ops.equal(tokens, separator.token), "int32")
    before = ops.cumsum(ends, axis=1) - ends
    segments: Tensor = ops.minimum(before, 1) * ops.cast(mask, "int32")
    return segments


def _as_read(tokens: Tensor, separator: Separator) -> Tensor:
    """The tokens as the vocabulary has them."""
    from keras import ops

    written = ops.cast(ops.equal(tokens, separator.written), "int32")
    read: Tensor = tokens + (separator.token - separator.written) * written
    return read


def _embedded(
    architecture: Architecture, tokens: Tensor, segments: Tensor | None, rate: float
) -> tuple[Tensor, Tensor]:
    """The embedded tokens, and the numbers of their places, int32 [1, length]."""
    from keras import layers, ops

    width = architecture.embedding_width
    # One row for the whole batch: its gradient is summed by a reduction instead of scattered.
    row = ops.ones_like(ops.max(tokens, axis=0, keepdims=True))
    positions = ops.cumsum(row, axis=1) - 1
    x = layers.Embedding(architecture.vocabulary, width, name="token_embedding")(tokens)
    table = layers.Embedding(architecture.positions, width, name="position_embedding")
    beside = table(positions + architecture.first_position)
    if architecture.segments:
        segment = layers.Embedding(architecture.segments, width, name="segment_embedding")
        if segments is None or architecture.segments == 1:
            # Every text is the first of its pair: segment 0.
            beside = beside + segment(row - 1)
        else:
            # Both rows once, and a choice for each token: its gradient is not scattered either.
            first = row[:, :1] - 1
            both = segment(ops.concatenate([first, first + 1], axis=1))
            second = ops.cast(ops.expand_dims(segments, -1), both.dtype)
            beside = beside + both[:, :1] * (1 - second) + both[:, 1:2] * second
    x = layers.LayerNormalization(epsilon=architecture.epsilon, name="embedding_norm")(x + beside)
    x = _dropped(x, rate, "embedding_dropout")
    if width != architecture.width:
        x = layers.Dense(architecture.width, name="embedding_projection")(x)
    return x, positions


def _block(
    architecture: Architecture, name: str, x: Tensor, bias: Tensor, rate: float, attention_rate: float
) -> Tensor:
    from keras import layers

    epsilon = architecture.epsilon
    y = _attention(architecture, f"{name}_attention", x, bias, attention_rate)
    y = _dropped(y, rate, f"{name}_attention_dropout")
    x = layers.LayerNormalization(epsilon=epsilon, name=f"{name}_attention_norm")(x + y)
    y = _widened(architecture, f"{name}_feed_forward1", x)
    y = layers.Dense(architecture.width, name=f"{name}_feed_forward2")(y)
    y = _dropped(y, rate, f"{name}_feed_forward_dropout")
    normalised: Tensor = layers.LayerNormalization(epsilon=epsilon, name=f"{name}_feed_forward_norm")(x + y)
    return normalised


def _attention(architecture: Architecture, name: str, x: Tensor, bias: Tensor, rate: float) -> Tensor:
    """Multi-head self-attention, [batch, length, width] to the same shape."""
    from keras import layers, ops

    width, heads = architecture.width, architecture.heads
    size = width // heads

    def split(role: str, order: tuple[int, int, int]) -> Tensor:
        projected = layers.Dense(width, name=f"{name}_{role}")(x)
        parts = layers.Reshape((-1, heads, size), name=f"{name}_{role}_split")(projected)
        found: Tensor = layers.Permute(order, name=f"{name}_{role}_heads")(parts)
        return found

    query = split("query", (2, 1, 3))  # [batch, heads, length, size]
    key = split("key", (2, 3, 1))  # [batch, heads, size, length]
    value = split("value", (2, 1, 3))
    scores = ops.softmax(ops.matmul(query * size**-0.5, key) + bias, axis=-1)
    mixed = ops.matmul(_dropped(scores, rate, f"{name}_scores_dropout"), value)
    joined = layers.Permute((2, 1, 3), name=f"{name}_join")(mixed)
    joined = layers.Reshape((-1, width), name=f"{name}_flat")(joined)
    output: Tensor = layers.Dense(width, name=f"{name}_output")(joined)
    return output


def _hidden(mask: Tensor, like: Tensor) -> Tensor:
    """What is added to the scores, [batch, 1, 1, length]: 0 for tokens; for padding so low that exp gives 0,
    in every precision."""
    from keras import ops

    hidden: Tensor = ops.expand_dims((ops.cast(mask, like.dtype) - 1) * 3e4, (1, 2))
    return hidden


def _relative(architecture: Architecture, positions: Tensor) -> Tensor:
    """The learned bias of each head for how far apart two tokens are: [1, heads, length, length].

    Half of the buckets are for tokens behind, half for tokens ahead; in each half, half of them are for one
    distance each, the others grow with it. Whole numbers are compared, with the same result on every machine,
    where a logarithm would not have it.
    """
    from keras import layers, ops

    ahead = architecture.buckets // 2
    exact = ahead // 2
    offset = ops.transpose(positions) - positions  # [length, length]: of the query to the key
    distance = ops.abs(offset)
    bucket = ops.minimum(distance, exact)
    for least in thresholds(architecture.buckets):
        bucket = bucket + ops.cast(distance >= least, "int32")
    bucket = bucket + ahead * ops.cast(offset < 0, "int32")
    table = layers.Embedding(architecture.buckets, architecture.heads, name="relative_positions")
    bias: Tensor = layers.Permute((3, 1, 2), name="relative_bias")(table(ops.expand_dims(bucket, 0)))
    return bias


def thresholds(buckets: int) -> list[int]:
    """The smallest distance in each bucket after the first that holds several."""
    ahead = buckets // 2
    exact = ahead // 2

    def bucket(distance: int) -> int:
        grown = math.log(distance / exact) / math.log(MOST_DISTANCE / exact) * (ahead - exact)
        return min(exact + int(grown), ahead - 1)

    found, last = [], exact
    for distance in range(exact + 1, MOST_DISTANCE + 1):
        if bucket(distance) > last:
            last += 1
            found.append(distance)
    return found


def _widened(architecture: Architecture, name: str, x: Tensor) -> Tensor:
    """The first half of the feed-forward layer. The activation is the dense layer's own where there is such a
    one: training can then compute it in one pass (`bmcli.training.steps.fused_layers`)."""
    from keras import layers, ops

    own = ACTIVATIONS.get(architecture.activation)
    widened: Tensor = layers.Dense(architecture.feed_forward, activation=own, name=name)(x)
    return widened if own else ops.gelu(widened, approximate=True)


def _dropped(x: Tensor, rate: float, name: str) -> Tensor:
    from keras import layers

    if not rate:
        return x
    dropped: Tensor = layers.Dropout(rate, name=name)(x)
    return dropped
