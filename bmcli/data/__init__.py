"""From a config's `data` to examples in splits.

    load            everything that training needs: a `DataBundle`
    read_labelled   one file or folder with the truth in it, for scoring a finished run

Importing this package is cheap; NumPy and the readers come with the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.config.schema import DataConfig, PreprocessingConfig
    from bmcli.core.spec import DataSpec
    from bmcli.data.bundle import DataBundle, Split
    from bmcli.modalities.preprocessing import Preprocessing

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much is done, of how much): bytes of a download, files read."""


def load(
    config: DataConfig,
    *,
    home: Path | None = None,
    progress: Progress | None = None,
    synthesize: bool = False,
    examples: int | None = None,
    preprocessing: PreprocessingConfig | None = None,
) -> DataBundle:
    """The config's examples, read, checked, split and fingerprinted.

    home: where named datasets live; default `download.data_home()`.
    synthesize: download nothing; what is missing is made up from the declared shape and classes, and noted.
    examples: at most this many per split, in addition to the config's own limit.
    preprocessing: how image files will be wanted (default: as they are); those that fit into `cache_gib` are
        kept as they are decoded here, where each file is read.

    Raises DataError (with all unusable files and rows at once), IntegrityError for a download that is not the
    pinned one, ResourceError if the data home cannot be written.
    """
    from bmcli.data import loading

    return loading.load(
        config,
        home=home,
        progress=progress,
        synthesize=synthesize,
        examples=examples,
        preprocessing=preprocessing,
    )


def read_labelled(
    path: str | Path,
    config: DataConfig,
    spec: DataSpec,
    note: Callable[[str], None] | None = None,
    *,
    unscaled: bool = False,
    encoder: Preprocessing | None = None,
) -> Split:
    """A labelled file or folder in the form of the run's own data, with the run's classes.

    note: called with notes on how the data was read. unscaled: numbers in arrays are not read as
    bytes, as the run has a window for them. A table's columns come as numbers or texts, as the file has
    them: what a text means, the run's preprocessing knows. encoder: the run's, which says which columns of
    a table are which part of an example.
    Raises DataError; a label the run does not know is a problem like an unusable row.
    """
    from bmcli.data import loading

    return loading.read_labelled(Path(path), config, spec, note, unscaled=unscaled, encoder=encoder)
