"""A recurrent network for texts: embedded tokens, then gated recurrent units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bmcli.models import MODELS
from bmcli.models._frame import dropout, masked_pooling, network, network_input
from bmcli.models._text import TextModel

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec


@MODELS.register("gru")
class GRU(TextModel):
    """Gated recurrent units over a text's tokens, read in both directions."""

    source = (
        "Cho et al.: Learning phrase representations using RNN encoder-decoder (arXiv:1406.1078); "
        "Schuster, Paliwal: Bidirectional recurrent neural networks (1997)"
    )

    embedding: int = Field(64, ge=1, le=8192, description="Width of each token's embedding.")
    units: list[Annotated[int, Field(ge=1, le=8192)]] = Field(
        [64], description="Width of each recurrent layer, in each direction.", min_length=1, max_length=20
    )
    bidirectional: bool = Field(True, description="Read the text in both directions.")
    pooling: Literal["last", "mean", "max"] = Field(
        "last",
        description="How the last layer's states are pooled: the last one, their mean, or their maximum.",
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share dropped in training after the embedding and before the output."
    )

    def build(self, spec: DataSpec) -> keras.Model:
        """Embedding, the recurrent layers over the tokens that are not padding, pooling."""
        import keras

        inputs = network_input(spec)
        x = self.tokens_embedded(inputs, spec, self.embedding, "embedding")
        x, mask = self.gathered(x, inputs)
        x = dropout(x, self.dropout, name="embedding_dropout")
        for number, units in enumerate(self.units, 1):
            whole_sequence = number < len(self.units) or self.pooling != "last"
            recurrent = keras.layers.GRU(units, return_sequences=whole_sequence, name=f"gru{number}")
            if self.bidirectional:
                recurrent = keras.layers.Bidirectional(recurrent, name=f"bidirectional{number}")
            x = recurrent(x, mask=mask)
        if self.pooling != "last":
            x = masked_pooling(x, mask, self.pooling)
        x = dropout(x, self.dropout, name="dropout")
        return network("gru", inputs, self.with_bag(x, inputs, spec), spec)
