"""Fine-tuning: which layers are trained from which epoch on, at which rates.

First the head alone, on features that do not change; then the layers below it too, at rates that fall with
the distance from the head (Howard & Ruder 2018, ULMFiT, arXiv 1801.06146; Clark et al. 2020, ELECTRA, arXiv
2003.10555).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.core.batch import fed
from bmcli.core.errors import ConfigError
from bmcli.core.spec import INPUT
from bmcli.inference.weights import RANDOM_STATE
from bmcli.training.rates import scale_rates

if TYPE_CHECKING:
    import keras
    import numpy as np

    from bmcli.config.schema import FineTuning, TrainingConfig
    from bmcli.core.plain import Document
    from bmcli.training.adapters import Adapters
    from bmcli.training.steps.base import Finish, Tensors

HEAD = "head"

ADAPTERS_FASTER = 5
"""Adapters' peak rate, where the config has none, as a multiple of that of the layers' own weights: about
what Hu et al. 2021 train RoBERTa with, 4e-4 to 5e-4."""

Groups = Sequence[Sequence[str]]
"""Names of the layers with weights, except the head's, in groups from the input to the head."""


def groups_of(network: keras.Model, stages: Groups) -> Groups:
    """The groups that a model names in `stages`; if it names none, they follow from the layers' order and
    names: all embeddings first, then those that follow one another and whose names begin alike
    ('stage1_down', 'stage1_block1_conv1'), each normalisation with what comes before it.

    ConfigError for a model without a layer called 'head', or stages that are not its layers.
    """
    layers = [layer.name for layer in network.layers if layer.weights]
    if HEAD not in layers:
        raise ConfigError("training.finetune: the model has no last layer called 'head'")
    layers.remove(HEAD)
    if not stages:
        return _by_names(layers)
    named = [name for group in stages for name in group]
    odd = sorted(set(named) ^ set(layers)) or sorted({name for name in named if named.count(name) > 1})
    if odd:
        raise ConfigError(
            f"training.finetune: the model's stages do not name each layer once: {', '.join(odd[:5])}"
        )
    return [list(group) for group in stages if group]


def _by_names(layers: Sequence[str]) -> Groups:
    embeddings = [name for name in layers if "embedding" in name]
    groups: list[list[str]] = []
    for name in (name for name in layers if "embedding" not in name):
        alike = groups and groups[-1][0].partition("_")[0] == name.partition("_")[0]
        if alike or (groups and "norm" in name.partition("_")[0]):
            groups[-1].append(name)
        else:
            groups.append([name])
    return [embeddings, *groups] if embeddings else groups


@dataclass(frozen=True)
class Body:
    """A network in two: what makes features of inputs, and what makes outputs of features.

    features: the model's inputs -> features [n, ...]; head: features -> raw outputs; finished: features ->
    predictions. Layers and weights are the network's own.
    """

    features: keras.Model
    head: keras.Model
    finished: keras.Model

    def finish(self, finish: Finish) -> Finish:
        """From compact arrays to features: in inference mode, as they will be used."""

        def features(batch: Tensors) -> Tensors:
            from keras import ops

            inputs = fed(self.features, finish(batch))
            return {INPUT: ops.stop_gradient(self.features(inputs, training=False))}

        return features


def divided(network: keras.Model, finished: Callable[[keras.Model], keras.Model]) -> Body:
    """The network, cut before its head and the dropout that belongs to it. finished: puts the task's last
    step on a network."""
    import keras

    cut = network.get_layer(HEAD).input
    while isinstance(operation := cut._keras_history.operation, keras.layers.Dropout):
        cut = operation.input
    head = keras.Model(cut, network.output, name=HEAD)
    return Body(keras.Model(network.input, cut, name="features"), head, finished(head))


class Tuning:
    """The fine-tuning of one network.

    network: raw outputs, with the weights to start from; layers that are not trainable stay so in all epochs.
    groups: as of `groups_of`; body: the same network in two; adapters: what is trained of the layers below
    the head, if not their own weights. frozen_sha256: of the weights that are not trained from the start on,
    once they are known to be in a file.
    """

    def __init__(
        self,
        network: keras.Model,
        groups: Groups,
        config: TrainingConfig,
        body: Body,
        adapters: Adapters | None = None,
    ) -> None:
        assert config.finetune is not None
        self.network, self.groups, self.body, self.adapters = network, groups, body, adapters
        self.config: FineTuning = config.finetune
        self.frozen_sha256: str | None = None
        self.head_rate = config.optimizer.learning_rate
        self.rates = _rates(groups, config, self._trainable_layers())
        # Which of a layer's variables are trained is the builder's choice.
        self._own = {id(v) for v in network.trainable_variables}
        self._layer_of = {id(v): layer.name for layer in network.layers for v in layer.variables}

    def _trainable_layers(self) -> set[str]:
        kept = self.kept_norms()
        return {
            layer.name
            for layer in self.network.layers
            if layer.trainable_variables and layer.name not in kept
        }

    def kept_norms(self) -> set[str]:
        """The batch normalisations that stay as they are, in every epoch."""
        import keras

        if self.config.batch_norm == "trained":
            return set()
        kind = keras.layers.BatchNormalization
        return {layer.name for layer in self.network.layers if isinstance(layer, kind)}

    def alone(self, epoch: int) -> bool:
        """Whether only the head is trained in this epoch (from 1)."""
        return self.config.layers == "none" or epoch <= self.config.first_epochs

    def span(self, epoch: int, epochs: int) -> tuple[int, int]:
        """First and last epoch, of `epochs`, of those that train what this one trains."""
        first = 0 if self.config.layers == "none" else self.config.first_epochs
        return (1, first) if epoch <= first else (first + 1, epochs)

    def constant(self, epoch: int) -> bool:
        """Whether the rate is constant, as before the layers below the head join in."""
        return self.config.layers != "none" and self.alone(epoch)

    def enter(self, epoch: int) -> None:
        """Let the layers that are trained in this epoch be trainable, and no others."""
        alone = self.alone(epoch)
        for name in (name for group in self.groups for name in group):
            layer = self.network.get_layer(name)
            trained = not alone and name in self.rates
            if layer.trainable != trained:
                layer.trainable = trained
            if trained:  # which made all of its variables trainable
                for variable in layer.variables:
                    variable.trainable = id(variable) in self._own

    def scale(self, optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> None:
        """Give each of the optimizer's variables its layer's rate."""
        rates = [self.rates.get(self._layer_of[id(v)], self.head_rate) for v in variables]
        scale_rates(optimizer, [rate / self.head_rate for rate in rates])

    def frozen(self) -> set[str]:
        """Paths of the variables that do not change now, statistics of normalisations included."""
        names = {name for group in self.groups for name in group}
        found = {
            variable.path
            for layer in self.network.layers
            if layer.name in names and (self.adapters is not None or not layer.trainable)
            for variable in layer.variables
            if not variable.path.endswith(RANDOM_STATE)
        }
        return found if self.adapters is None else found - self.adapters.paths

    def merged(self, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The network's weights by path, with adapters, if there are any, added to the kernels."""
        return weights if self.adapters is None else self.adapters.merged(weights)

    def applied(self) -> AbstractContextManager[None]:
        """While entered, the network computes with the merged weights, as it will in the end."""
        return nullcontext() if self.adapters is None else self.adapters.applied()

    def parameters(self) -> tuple[int, int]:
        """Numbers of values that are trained at some time, and of those in layers that never are; with
        adapters, of all that are not trained."""
        names = {*self.rates, HEAD}
        trained, frozen = counted(
            self.network, lambda layer, variable: layer.name in names and id(variable) in self._own
        )
        if self.adapters is not None:
            frozen = self.network.count_params() - trained
        return trained, frozen

    def document(self) -> Document:
        """What is trained, as strict JSON data for the run's record."""
        trained, frozen = self.parameters()
        adapters = None if self.adapters is None else self.adapters.document()
        return {
            "layers": self.config.layers,
            "adapters": adapters,
            "head_epochs": None if self.config.layers == "none" else self.config.first_epochs,
            "head_rate": self.head_rate,
            "groups": [{"layers": list(group), "rate": self._rate_of(group)} for group in self.groups],
            "trained": trained,
            "frozen": frozen,
        }

    def _rate_of(self, group: Sequence[str]) -> float | None:
        return next((self.rates[name] for name in group if name in self.rates), None)


def chosen_of(groups: Groups, finetune: FineTuning) -> Groups:
    """The groups that are trained at some time, from the head to the input. ConfigError if there are fewer
    than the config says."""
    if not groups:
        raise ConfigError("training.finetune: the model has no layers with weights below its head")
    count = {"none": 0, "all": len(groups)}.get(str(finetune.layers))
    if count is None:
        count = int(finetune.layers)
    if count > len(groups):
        listed = "; ".join(_listed(group) for group in groups)
        raise ConfigError(
            f"training.finetune.layers: {count} groups of layers, but the model has {len(groups)}",
            hint=f"from the input to the head: {listed}",
        )
    return list(reversed(groups))[:count]


def _rates(groups: Groups, config: TrainingConfig, trainable: set[str]) -> Mapping[str, float]:
    """Layer name -> peak rate of those below the head that are trained at some time."""
    finetune = config.finetune
    assert finetune is not None
    chosen = chosen_of(groups, finetune)
    rate = finetune.learning_rate or config.optimizer.gentle_rate or config.optimizer.learning_rate
    if finetune.adapters is not None and finetune.learning_rate is None:
        rate = min(ADAPTERS_FASTER * rate, config.optimizer.learning_rate)
    found = {
        name: rate * finetune.layer_decay**depth
        for depth, group in enumerate(chosen)
        for name in group
        if name in trainable
    }
    if chosen and not found:
        raise ConfigError(
            "training.finetune.layers: init_from.freeze freezes all of these layers",
            hint="write layers: none, or freeze fewer",
        )
    return found


def counted(network: keras.Model, trained: Callable[[keras.Layer, keras.Variable], bool]) -> tuple[int, int]:
    """Numbers of values that are trained, and of those in layers of which nothing is."""
    sums = [0, 0]
    for layer in network.layers:
        sizes = [math.prod(variable.shape) for variable in layer.weights if trained(layer, variable)]
        sums[0] += sum(sizes)
        sums[1] += 0 if sizes else sum(math.prod(variable.shape) for variable in layer.weights)
    return sums[0], sums[1]


def _listed(group: Sequence[str]) -> str:
    return ", ".join(group[:4]) + (f", ... ({len(group)} layers)" if len(group) > 4 else "")


def described(tuning: Tuning, setting: Callable[[float], str]) -> str:
    """The fine-tuning in a line. setting: a rate as text."""
    config, groups = tuning.config, list(reversed(tuning.groups))
    rates = [(_name(group), tuning._rate_of(group)) for group in groups]
    trained = [f"{name} {setting(rate)}" for name, rate in rates if rate is not None]
    frozen = [name for name, rate in rates if rate is None]
    head = f"head alone at {setting(tuning.head_rate)}"
    if tuning.adapters is not None:
        of = f"adapters of rank {tuning.adapters.rank} in "
        trained = [f"{of if number == 0 else ''}{one}" for number, one in enumerate(trained)]
    if config.layers == "none":
        parts = [f"fine-tuning: {head}"]
    else:
        first = config.first_epochs
        when = f"{head} in epoch {'1' if first == 1 else f'1 to {first}'}, then " if first else ""
        rest = "" if first else f"head {setting(tuning.head_rate)}, "
        parts = [f"fine-tuning: {when}{rest}{_shortened(trained)}"]
    if tuning.adapters is not None:
        parts.append("frozen: all their own weights")
    elif frozen:
        parts.append(f"frozen: {_shortened(list(reversed(frozen)))}")
    if tuning.adapters is None and trained and tuning.kept_norms():
        parts.append("batch normalisation stays as it is")
    count, still = tuning.parameters()
    return "; ".join([*parts, f"{count:,} parameters trained, {still:,} frozen"])


def _name(group: Sequence[str]) -> str:
    """What a group is called: how the names of its layers begin."""
    first = {name.partition("_")[0] for name in group}
    return first.pop() if len(first) == 1 else group[0]


def _shortened(parts: Sequence[str], most: int = 4) -> str:
    if len(parts) <= most:
        return ", ".join(parts)
    return ", ".join([*parts[: most - 1], "...", parts[-1]])
