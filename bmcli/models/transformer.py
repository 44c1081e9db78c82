"""A transformer encoder for texts: attention between all tokens, then their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from bmcli.models import MODELS
from bmcli.models._frame import dropout, masked_pooling, network, network_input
from bmcli.models._text import TextModel

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec
    from bmcli.core.tensor import Tensor


@MODELS.register("transformer")
class Transformer(TextModel):
    """Self-attention over a text's tokens (encoder, pre-norm), then their mean."""

    source = (
        "Vaswani et al.: Attention is all you need (arXiv:1706.03762); Xiong et al.: On layer normalization "
        "in the transformer architecture (arXiv:2002.04745)"
    )

    width: int = Field(64, ge=1, le=8192, description="Width of each token's representation.")
    blocks: int = Field(1, ge=1, le=100, description="Number of blocks of attention and feed-forward.")
    heads: int = Field(4, ge=1, le=256, description="Attention heads per block; must divide width.")
    feed_forward: int = Field(
        128, ge=1, le=65_536, description="Width of the hidden layer that follows attention in a block."
    )
    activation: Literal["relu", "gelu", "silu"] = Field(
        "relu", description="In the feed-forward layers; relu is the fastest on CPUs."
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Share dropped in training after attention and after feed-forward."
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Transformer:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self

    def build(self, spec: DataSpec) -> keras.Model:
        """Token and position embeddings, the blocks, a final normalisation, the mean over the tokens."""
        from keras import layers, ops

        inputs = network_input(spec)
        # One row for the whole batch: its gradient is summed by a reduction instead of scattered.
        positions = ops.cumsum(ops.ones_like(ops.max(inputs, axis=0, keepdims=True)), axis=1) - 1
        x = self.tokens_embedded(inputs, spec, self.width, "token_embedding")
        x = x + layers.Embedding(spec.max_length, self.width, name="position_embedding")(positions)
        x, mask = self.gathered(x, inputs)
        x = dropout(x, self.dropout, "embedding_dropout")
        for number in range(1, self.blocks + 1):
            name = f"block{number}"
            y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_attention_norm")(x)
            y = self._attention(y, mask, f"{name}_attention")
            x = x + dropout(y, self.dropout, f"{name}_attention_dropout")
            y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_feed_forward_norm")(x)
            y = layers.Dense(self.feed_forward, activation=self.activation, name=f"{name}_feed_forward1")(y)
            y = layers.Dense(self.width, name=f"{name}_feed_forward2")(y)
            x = x + dropout(y, self.dropout, f"{name}_feed_forward_dropout")
        x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
        features = self.with_bag(masked_pooling(x, mask, "mean"), inputs, spec)
        return network("transformer", inputs, features, spec)

    def _attention(self, x: object, mask: object, name: str) -> Tensor:
        """Multi-head self-attention [batch, length, width] -> the same shape.

        What `keras.layers.MultiHeadAttention` computes, written with dense layers and matrix products: its
        einsums and boolean masks take 1.4 times as long in training and 1.8 times in ONNX Runtime. A row with
        only padding attends evenly to all of its tokens, so that nothing becomes NaN.
        """
        from keras import layers, ops

        size = self.width // self.heads

        def heads(role: str, order: tuple[int, int, int]) -> Tensor:
            projected = layers.Dense(self.width, name=f"{name}_{role}")(x)
            split = layers.Reshape((-1, self.heads, size), name=f"{name}_{role}_split")(projected)
            head: Tensor = layers.Permute(order, name=f"{name}_{role}_heads")(split)
            return head

        query = heads("query", (2, 1, 3))  # [batch, heads, length, size]
        key = heads("key", (2, 3, 1))  # [batch, heads, size, length]
        value = heads("value", (2, 1, 3))
        hidden = (
            ops.cast(mask, query.dtype) - 1
        ) * 1e9  # 0 for tokens; low enough for padding that exp gives 0
        scores = ops.matmul(query * size**-0.5, key) + ops.expand_dims(hidden, (1, 2))
        mixed = ops.matmul(ops.softmax(scores, axis=-1), value)
        joined = layers.Permute((2, 1, 3), name=f"{name}_join")(mixed)
        joined = layers.Reshape((-1, self.width), name=f"{name}_flat")(joined)
        output: Tensor = layers.Dense(self.width, name=f"{name}_output")(joined)
        return output
