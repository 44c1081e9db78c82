"""The multilayer perceptron: dense layers on flattened inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bmcli.models import MODELS, Model
from bmcli.models._frame import dropout, network, network_input

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec


@MODELS.register("mlp")
class MLP(Model):
    """Dense layers on a row of numbers or a flattened image (multilayer perceptron)."""

    kinds = ("table", "image")
    source = (
        "Rumelhart, Hinton, Williams: Learning representations by back-propagating errors (Nature 323, 1986)"
    )

    hidden: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(
        [128], description="Width of each hidden layer, from input to output; empty for none.", max_length=100
    )
    activation: Literal["relu", "tanh", "sigmoid", "gelu", "silu", "elu", "selu"] = Field(
        "relu", description="Activation of every hidden layer; relu is the fastest on CPUs."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of each hidden layer's outputs dropped in training."
    )

    @property
    def examples_apart(self) -> bool:
        """See Model."""
        return True

    def build(self, spec: DataSpec) -> keras.Model:
        """Flatten, then per hidden layer: dense, activation, dropout."""
        import keras

        inputs = network_input(spec)
        x = keras.layers.Flatten(name="flatten")(inputs) if len(spec.input_shape) > 1 else inputs
        for number, width in enumerate(self.hidden, 1):
            x = keras.layers.Dense(width, activation=self.activation, name=f"dense{number}")(x)
            x = dropout(x, self.dropout, name=f"dropout{number}")
        return network("mlp", inputs, x, spec)
