"""Fine-tuning of what a config names: groups of layers, rates, and where features are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bmcli.core.errors import ConfigError
from bmcli.experiments.display import Warned
from bmcli.files.download import data_home
from bmcli.modalities import preprocessing
from bmcli.modalities.contents import add_texts
from bmcli.models._head import finished
from bmcli.runs import environment
from bmcli.training.adapters import adapt
from bmcli.training.features import FeatureCache
from bmcli.training.steps.threads import given
from bmcli.training.tuning import Tuning, chosen_of, divided, groups_of

if TYPE_CHECKING:
    import keras

    from bmcli.core.components import Builds
    from bmcli.experiments.display import Display
    from bmcli.experiments.prepare import Experiment

FOLDER = "bm-features"
"""In the data home."""


def tuned(experiment: Experiment, network: keras.Model) -> Tuning | None:
    """The fine-tuning of this network; None where the config has none. ConfigError for groups of layers that
    the network does not have."""
    config = experiment.config
    if config.training.finetune is None:
        return None
    finetune = config.training.finetune
    groups = groups_of(network, config.model.stages(network))
    adapters = None
    if finetune.adapters is not None:
        names = [name for group in chosen_of(groups, finetune) for name in group]
        adapters = adapt(
            network, [name for group in groups for name in group], names, finetune.adapters, config.seed
        )
        if adapters is None:
            raise ConfigError(
                f"training.finetune.adapters: {_called(config.model)} has no dense layer and no 1x1 "
                "convolution among the layers that are trained below its head",
                hint="leave adapters out: the layers' own weights are then trained",
            )
    body = divided(network, lambda head: finished(head, experiment.spec))
    return Tuning(network, groups, config.training, body, adapters)


def _called(model: Builds) -> str:
    """Its name, or that of its architecture, where it has several."""
    architecture = getattr(model, "architecture", None)
    return architecture if isinstance(architecture, str) else model.registry_name


def feature_cache(experiment: Experiment, parts: int, display: Display) -> FeatureCache:
    """Where the features of this experiment's examples are kept, by all that decides them to the last bit."""
    texts = preprocessing.dump(experiment.preprocessing, experiment.spec)
    key = {
        "format": 1,
        "data": experiment.bundle.fingerprint,
        # Of the same data, some may have been left out: a fold is trained without its own.
        "ids": _digest(experiment.bundle.train.ids),
        "preprocessing": _digest(text for name in sorted(texts) for text in (name, texts[name])),
        "model": experiment.config.model.to_config(),
        "precision": experiment.precision,
        "gpu": experiment.gpu,
        "threads": [given(), parts],
        "versions": environment.versions(),
    }
    return FeatureCache(data_home() / FOLDER, key, lambda text: display.handle(Warned(text)))


def _digest(texts: Iterable[str]) -> str:
    total = hashlib.sha256()
    add_texts(total.update, list(texts))
    return total.hexdigest()
