"""A recurrent network for texts: embedded tokens, then gated recurrent units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bmcli.models import MODELS, Model
from bmcli.models._frame import (
    dropout,
    embedded_pairs,
    masked_pooling,
    merged,
    network,
    network_input,
    token_dropout,
    token_mask,
    with_neighbours,
)

if TYPE_CHECKING:
    import keras

    from bmcli.data.bundle import DataSpec


@MODELS.register("gru")
class GRU(Model):
    """Gated recurrent units over a text's tokens, read in both directions."""

    kinds = ("text",)
    source = (
        "Cho et al.: Learning phrase representations using RNN encoder-decoder (arXiv:1406.1078); "
        "Schuster, Paliwal: Bidirectional recurrent neural networks (1997)"
    )

    embedding: int = Field(64, ge=1, le=8192, description="Numbers that stand for each token.")
    pairs: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Rows of a table in which pairs of neighbouring tokens are embedded too, by their hash "
        "(Joulin et al. 2017, arXiv 1607.01759); 0 for none.",
    )
    window: int = Field(
        1, ge=1, le=31, description="A convolution over so many tokens is added to each of them; 1 for none."
    )
    merge: int = Field(
        1,
        ge=1,
        le=64,
        description="So many neighbouring tokens become their mean before the first recurrent layer: long "
        "texts cost less.",
    )
    units: list[Annotated[int, Field(ge=1, le=8192)]] = Field(
        [64], description="Width of each recurrent layer, in each direction.", min_length=1, max_length=20
    )
    bidirectional: bool = Field(True, description="Read the text from both ends.")
    pooling: Literal["last", "mean", "max"] = Field(
        "last", description="What becomes of the last layer's states: the last one, their mean, or maximum."
    )
    token_dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of whole tokens dropped in training: against learning by heart."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share dropped in training after the embedding and before the output."
    )

    def build(self, spec: DataSpec) -> keras.Model:
        """Embedding, the recurrent layers over the tokens that are no padding, pooling."""
        import keras

        inputs = network_input(spec)
        mask = token_mask(inputs)
        x = keras.layers.Embedding(spec.vocabulary_size, self.embedding, name="embedding")(inputs)
        if self.pairs:
            x = x + embedded_pairs(inputs, self.pairs, self.embedding)
        x = token_dropout(x, self.token_dropout)
        x = with_neighbours(x, mask, self.window)
        if self.merge > 1:
            x, mask = merged(x, mask, self.merge)
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
        return network("gru", inputs, x, spec)
