"""Examples of several parts, each with an encoder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.modalities.base import modality_of

if TYPE_CHECKING:
    from bmcli.core.batch import Batch
    from bmcli.core.examples import Examples
    from bmcli.modalities.preprocessing import Preprocessing


@dataclass(frozen=True)
class Part:
    """One part of examples.

    encoder: its own. inputs: the names that it gives its inputs -> their names among those of all parts.
    of: from examples to this part of them.
    """

    encoder: Preprocessing
    inputs: Mapping[str, str]
    of: Callable[[Examples], Examples]

    def batch(self, batch: Batch) -> Batch:
        """Its own arrays, by its own names."""
        return {own: batch[name] for own, name in self.inputs.items()}


def augmented(encoder: Preprocessing) -> tuple[str, ...]:
    """The names of the inputs that augmentations change: the first of each part whose modality has any."""
    modality = modality_of(encoder.kind)
    parts = modality.parts(encoder)
    if not parts:
        return tuple(one.name for one in encoder.inputs[:1]) if modality.has_augmentations else ()
    changed = [(part.inputs, augmented(part.encoder)) for part in parts.values()]
    return tuple(inputs[name] for inputs, own in changed for name in own)
