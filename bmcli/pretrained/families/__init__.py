"""One file per `model_type`, '-' written as '_': how config.json is read and what the tensors are called."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from bmcli.core.errors import ConfigError, did_you_mean
from bmcli.core.plain import Document
from bmcli.pretrained.architecture import Architecture
from bmcli.pretrained.options import Options


@dataclass(frozen=True)
class Family:
    """prefix: of tensor names, where a file has heads too ('bert.'). read: config.json to the architecture.
    options: the reverse. layers, in_block: our layer to the tensor's name without '.weight' and '.bias';
    those of a block stand after `block`, which has its number from 0 in place of '{}'."""

    prefix: str
    read: Callable[[Options], Architecture]
    options: Callable[[Architecture], Document]
    layers: dict[str, str]
    block: str
    in_block: dict[str, str]

    def tensor(self, layer: str) -> str:
        """The tensor's name for one of `Architecture.layers`: 'block2_attention_query' is
        'encoder.layer.1.attention.self.query'."""
        if not layer.startswith("block"):
            return self.layers[layer]
        number, _, name = layer.removeprefix("block").partition("_")
        return f"{self.block.format(int(number) - 1)}.{self.in_block[name]}"


def known() -> list[str]:
    """Every `model_type` that can be read, sorted."""
    return sorted(one.name.replace("_", "-") for one in pkgutil.iter_modules(__path__))


def family_of(model_type: object) -> Family:
    """The family of that name; ConfigError listing the known if there is none."""
    if not isinstance(model_type, str) or model_type not in known():
        names = known()
        hint = did_you_mean(model_type, names) if isinstance(model_type, str) else None
        raise ConfigError(f"model_type {model_type!r} is not supported; known: {', '.join(names)}", hint=hint)
    module = importlib.import_module(f"{__name__}.{model_type.replace('-', '_')}")
    found: Family = module.FAMILY
    return found
