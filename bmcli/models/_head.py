"""The task's last step: from a builder's raw outputs to what users call a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from bmcli.data.bundle import DataSpec


def finished(model: keras.Model, spec: DataSpec) -> keras.Model:
    """The model that is saved, exported and used: same weights, with the task's activation on top.

    Returns a model with one output named 'output', float32:
      multiclass [batch, classes], probabilities that sum to 1;
      binary [batch, 2], the same: (1 - p, p), so that both tasks are read alike;
      multilabel [batch, labels], independent probabilities;
      regression [batch, 1], in the target's own unit.
    Built of Keras's own layers alone, so that plain Keras loads it.
    """
    import keras

    layers = keras.layers
    raw = model.output
    if spec.task == "multiclass":
        output = layers.Activation("softmax", dtype="float32", name="output")(raw)
    elif spec.task == "multilabel":
        output = layers.Activation("sigmoid", dtype="float32", name="output")(raw)
    elif spec.task == "binary":
        positive = layers.Activation("sigmoid", dtype="float32", name="positive")(raw)
        # sigmoid(-x), not 1 - sigmoid(x): the difference loses all digits where the model is sure.
        negated = layers.Rescaling(-1.0, dtype="float32", name="negated")(raw)
        negative = layers.Activation("sigmoid", dtype="float32", name="negative")(negated)
        output = layers.Concatenate(dtype="float32", name="output")([negative, positive])
    else:
        output = layers.Rescaling(
            spec.target_scale, offset=spec.target_offset, dtype="float32", name="output"
        )(raw)
    return keras.Model(model.input, output, name=model.name)
