"""A run's model in Keras, rebuilt from registry and weights; model.keras is never deserialised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli.core.quiet import quiet_import
from bmcli.inference.weights import from_bytes, load_weights
from bmcli.models._head import finished
from bmcli.runs import layout

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.spec import DataSpec
    from bmcli.runs.run import Run


def rebuild(run: Run, config: ExperimentConfig, spec: DataSpec) -> tuple[keras.Model, keras.Model]:
    """The network, whose outputs are raw ([batch, units], logits for classes), and the finished model: the
    task's last step and views on top, the same weights.

    With the run's best weights, in float32, regardless of the global policy. IntegrityError if they are
    damaged or do not fit.
    """
    with quiet_import():
        import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        network = config.model.build(spec)
        model = finished(network, spec, config.evaluation.views)
    finally:
        keras.config.set_dtype_policy(policy)
    load_weights(
        model,
        from_bytes(run.read_bytes(layout.BEST), origin=str(run.path / layout.BEST)),
        origin=f"the weights of {run.id}",
    )
    return network, model
