"""The data that a run was trained on, if it still exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bmcli import data
from bmcli.core.errors import BmError
from bmcli.data.bundle import DataBundle
from bmcli.data.named import Dataset
from bmcli.files.download import data_home

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.runs.run import Run


def training_data(
    run: Run, config: ExperimentConfig, progress: Callable[[str, int, int], None] | None = None
) -> DataBundle | str:
    """The run's data, or the reason why it is not available. Downloads nothing.

    config: of the run, its Python files trusted.
    """
    named = config.data.name
    if isinstance(named, Dataset) and not named.available(data_home()):
        return f"the dataset '{named.registry_name}' is not in the data home"
    try:
        bundle = data.load(config.data, progress=progress)
    except BmError as error:
        return error.message
    if run.record.data_fingerprint and bundle.fingerprint != run.record.data_fingerprint:
        return "the data has changed since training"
    return bundle
