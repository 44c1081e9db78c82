"""The config as typed, frozen values: every key with its type, default, range and one line of documentation.

`resolve.py` makes an `ExperimentConfig` from text; nothing later parses, defaults or guesses. Fields marked
with `Chosen(kind)` hold a component picked by name from that registry: in YAML either the bare name or a map
`{name: ..., option: ...}`.
"""

from bmcli.config.schema.data import Column, ColumnConfig, DataConfig
from bmcli.config.schema.experiment import EvaluationConfig, ExperimentConfig, InitFrom
from bmcli.config.schema.fields import Chosen, FilePath, Named, RunReference, Section
from bmcli.config.schema.preprocessing import ImageConfig, PreprocessingConfig, TableConfig, TextConfig
from bmcli.config.schema.training import AUTO_EPOCHS, CheckpointConfig, EarlyStopping, TrainingConfig

__all__ = [
    "AUTO_EPOCHS",
    "CheckpointConfig",
    "Chosen",
    "Column",
    "ColumnConfig",
    "DataConfig",
    "EarlyStopping",
    "EvaluationConfig",
    "ExperimentConfig",
    "FilePath",
    "ImageConfig",
    "InitFrom",
    "Named",
    "PreprocessingConfig",
    "RunReference",
    "Section",
    "TableConfig",
    "TextConfig",
    "TrainingConfig",
]
