"""What the config asks a modality, which a room above this one defines."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from bmcli.core.components import Describes
from bmcli.core.errors import PluginError
from bmcli.core.registry import known_modalities

if TYPE_CHECKING:
    from bmcli.config.data_facts import Facts
    from bmcli.config.drafting.inspect import Look
    from bmcli.config.schema import ExperimentConfig, PreprocessingConfig
    from bmcli.core.component import Options


class Modality(Describes, Protocol):
    """See `bmcli.modalities.base.Modality`."""

    def shape_ahead(
        self, preprocessing: PreprocessingConfig, shape: tuple[int, int, int] | None
    ) -> tuple[int | None, ...] | None: ...
    def model_hint(self, kinds: tuple[str, ...], config: ExperimentConfig, facts: Facts) -> str: ...
    def draft_data(self, look: Look) -> list[tuple[str, object, str]]: ...
    def draft_model(self, look: Look, *, pretrained: bool = False) -> list[str]: ...


def sections() -> dict[str, type[Options]]:
    """Name -> the options of each modality that is not bm's own and has some; without those of plugins that
    cannot be imported, as one broken package must not hide all others."""
    found: dict[str, type[Options]] = {}
    for name in known_modalities().names():
        with suppress(PluginError):
            section = section_of(name)
            found |= {} if section is None else {name: section}
    return found


def section_of(key: object) -> type[Options] | None:
    """The options of a user's modality of that name, if it has any. PluginError if it
    cannot be imported."""
    registry = known_modalities()
    return registry.get(key).section if isinstance(key, str) and key in registry.names() else None
