"""What the config asks a modality, which a room above this one defines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bmcli.core.components import Describes

if TYPE_CHECKING:
    from bmcli.config.data_facts import Facts
    from bmcli.config.drafting.inspect import Look
    from bmcli.config.schema import ExperimentConfig, PreprocessingConfig


class Modality(Describes, Protocol):
    """See `bmcli.modalities.base.Modality`."""

    def shape_ahead(
        self, preprocessing: PreprocessingConfig, shape: tuple[int, int, int] | None
    ) -> tuple[int | None, ...] | None: ...
    def model_hint(self, kinds: tuple[str, ...], config: ExperimentConfig, facts: Facts) -> str: ...
    def draft_data(self, look: Look) -> list[tuple[str, object, str]]: ...
    def draft_model(self, look: Look) -> list[str]: ...
