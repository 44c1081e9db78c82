"""The base of modalities: everything that depends on what examples are, in one component.

Methods have defaults where possible: a new modality starts with its words, its suffixes, `fit` and `load`,
and the reading of its examples. What examples are called (`Words`), which files contain them,
and which config keys are for them, is known without importing anything that computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from bmcli.core.errors import DataError, UsageError
from bmcli.core.registry import Registered, Registry
from bmcli.modalities.values import Readme, Words

if TYPE_CHECKING:
    import numpy as np

    from bmcli.config import modality as asked
    from bmcli.config.data_facts import Facts
    from bmcli.config.drafting.inspect import Look
    from bmcli.config.schema import ExperimentConfig, PreprocessingConfig
    from bmcli.core.component import Options
    from bmcli.core.examples import Data, Examples
    from bmcli.core.plain import Document
    from bmcli.files.facts import ColumnFacts
    from bmcli.files.tables import Frame
    from bmcli.modalities.inputs import Inputs, Reading
    from bmcli.modalities.measured import Measured, Usual
    from bmcli.modalities.parts import Part
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.modalities.values import Attribute, FilesRead, Inspected

Note = Callable[[str], object]
Expect = Callable[[int], object]
Add = Callable[["bytes | memoryview"], object]
"""Adds a piece of content, like the `update` of a hash."""


class Modality(Registered):
    """Base of all modalities."""

    words: ClassVar[Words] = Words()
    place: ClassVar[int] = 100
    """Its position in lists."""
    suffixes: ClassVar[frozenset[str]] = frozenset()
    """Suffixes of the files that `bm predict` takes, in lower case."""
    file_suffixes: ClassVar[frozenset[str]] = frozenset()
    """Suffixes of files with one example each, in class folders; empty if a file has several."""
    documents: ClassVar[bool] = False
    """Whether a README next to the class folders may have such a suffix."""
    piece: ClassVar[int] = 256
    """Number of inputs read and passed on at a time."""
    takes_texts: ClassVar[bool] = False
    """Whether an input may be a text itself (`--text`), or a line of a file (`--lines`)."""
    of_tables: ClassVar[bool] = False
    """Whether a table file contains examples."""
    explained_in_files: ClassVar[bool] = True
    """Whether an explanation is an image or a page, and not lines on the screen."""
    section: ClassVar[type[Options] | None] = None
    """The options of a user's modality: `preprocessing.<its name>` of the config."""
    has_augmentations: ClassVar[bool] = False
    has_views: ClassVar[bool] = False
    has_lengths: ClassVar[bool] = False
    """Config keys for it: data.augment, evaluation.views, training.batch_by_length."""
    quantities: ClassVar[bool] = False
    """Whether whole numbers as targets of an array of such examples may be a quantity, not only classes."""

    @property
    def name(self) -> str:
        """The value of data.kind."""
        return self.registry_name

    # === config ===

    def options(self, preprocessing: object) -> object:
        """Its section of the config's `preprocessing`; defaults if the config has none."""
        return getattr(preprocessing, self.name, None) or (self.section and self.section())

    def shape_ahead(
        self, preprocessing: PreprocessingConfig, shape: tuple[int, int, int] | None
    ) -> tuple[int | None, ...] | None:
        """The shape of a model's input, with None for what is not known, before the data is read; None if
        nothing is known. shape: that a named dataset declares."""
        return None

    def model_hint(self, kinds: tuple[str, ...], config: ExperimentConfig, facts: Facts) -> str:
        """What to write if the config's model, which takes `kinds` of data, does not take this data."""
        named = "bm models shows the kinds that each model takes"
        return f"write model: {self.words.model}, for example; {named}" if self.words.model else named

    def described(self, shape: str) -> str:
        """A model's inputs in words; shape: '28 × 28 × 1', or 'any'."""
        return f"{self.name} {shape}"

    # === a first config ===

    def glance(self, paths: Sequence[str]) -> tuple[tuple[tuple[int, int], ...], list[str]]:
        """Open some files: height and width of images, and the paths of what cannot be read."""
        return (), []

    def draft_remarks(self, count: int) -> list[str]:
        """Remarks on this number of training examples."""
        return []

    def draft_data(self, look: Look) -> list[tuple[str, object, str]]:
        """Keys of `data`, each with its value and why."""
        return []

    def draft_model(self, look: Look, *, pretrained: bool = False) -> list[str]:
        """The lines from `preprocessing` to `model`, without it if `pretrained`; empty for a table's."""
        return []

    def draft_epochs(self, count: int) -> int | str:
        """`training.epochs` for this number of training examples."""
        return "auto"

    # === reading ===

    def read_files(self, paths: Sequence[str], names: Sequence[str]) -> FilesRead:
        """Files of class folders, an example each. names: what messages call them."""
        raise NotImplementedError

    def takes_array(self, x: np.ndarray) -> bool:
        """Whether an array of a .npz holds examples of this kind, along its first axis."""
        return False

    def array_shape(self, x: np.ndarray) -> tuple[int, ...]:
        """The shape of one example in it."""
        return tuple(x.shape[1:])

    def from_arrays(
        self,
        arrays: Mapping[str, tuple[str, np.ndarray]],
        path: Path,
        *,
        unscaled: bool = False,
        like: Examples | None = None,
    ) -> dict[str, Examples]:
        """Examples from arrays: split -> (name, array) of one file. unscaled: numbers are not read as bytes;
        like: training examples that these belong to. DataError if they cannot be
        used."""
        raise NotImplementedError

    def array_words(self) -> str:
        """A description of such an array, for messages."""
        return self.words.many

    def odd_in_array(self, examples: Examples) -> dict[int, str]:
        """Position -> what is wrong, for examples from an array."""
        return {}

    def from_rows(
        self,
        frame: Frame,
        columns: Sequence[str],
        facts: Mapping[str, ColumnFacts],
        missing: Sequence[str],
        *,
        as_found: bool = False,
    ) -> tuple[Examples, list[tuple[int, str]]]:
        """The examples in a table's columns, and (position, message) of what cannot be used. as_found:
        the run defines what cells mean. The default takes a column of paths, with one example per file."""
        if not self.file_suffixes or len(columns) != 1:
            raise DataError(f"{frame.path}: a table holds no {self.words.many}")
        from bmcli.modalities.inputs import files_in_column

        return files_in_column(self, frame, columns[0])

    def rows_for(
        self, frame: Frame, columns: Sequence[str], missing: Sequence[str], encoder: Preprocessing | None
    ) -> tuple[Examples, list[tuple[int, str]]]:
        """The same for a run, whose `encoder` defines what cells mean; None if nothing is encoded yet."""
        return self.from_rows(frame, columns, {}, missing, as_found=True)

    def columns_of(self, examples: Examples) -> Mapping[str, np.ndarray]:
        """Of rows, their columns by name; else nothing."""
        return {}

    def inspect(
        self,
        examples: Examples,
        preprocessing: PreprocessingConfig | None,
        cache_bytes: int,
        progress: Callable[[int, int], None] | None,
    ) -> Inspected | None:
        """Inspect all examples before the splits are made; None if reading them has already done so.
        preprocessing: how they will be encoded, None if unknown."""
        return None

    def argument(self, encoder: Preprocessing) -> str:
        """An input of a run on the command line of `bm predict`."""
        return self.words.argument

    def inspection_notes(self, counts: Mapping[str, int]) -> tuple[str, ...]:
        """Notes on what `inspect` counted."""
        return ()

    def data_notes(self, splits: Mapping[str, Examples]) -> tuple[str, ...]:
        """Notes on all splits together, once they are made."""
        return ()

    def synthesise(
        self,
        level: np.ndarray,
        random: np.random.Generator,
        shape: tuple[int, ...] | None,
        columns: Sequence[str] | None,
    ) -> Examples:
        """Synthesised examples, one per number of `level`, float [N] from 0 to 1, on which each depends a
        little. shape: declared by a named dataset; columns: named in the config."""
        raise UsageError(f"{self.words.many} cannot be synthesised")

    def read_inputs(
        self,
        inputs: Sequence[str],
        reading: Reading,
        stdin: IO[bytes],
        note: Note | None,
        expect: Expect | None,
    ) -> Iterator[Inputs]:
        """Unlabelled examples in files, piece by piece; see `bmcli.inference.inputs.read`. The default takes
        each file as an example."""
        from bmcli.modalities.inputs import read_each

        return read_each(self, inputs, stdin, expect)

    def wanted(self, encoder: Preprocessing) -> object:
        """What `read_objects` needs to know of a run."""
        return None

    def read_objects(
        self, inputs: object, reading: Reading, wanted: object, note: Note, expect: Expect
    ) -> Iterator[Inputs]:
        """The same from Python objects; see docs/python.md. The default takes paths, and arrays of several
        examples that it takes."""
        from bmcli.modalities.inputs import read_simply

        return read_simply(self, inputs, reading, expect)

    def reading_columns(self, encoder: Preprocessing) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The columns that a run's inputs must have, and the decimal mark of those of numbers."""
        return (), {}

    # === the encoder ===

    def fit(self, data: Data, options: object, *, cache_bytes: int) -> Preprocessing:
        """The encoder, fitted on the training split. DataError listing all that cannot be used."""
        raise NotImplementedError

    def load(self, part: Document, files: Mapping[str, str]) -> Preprocessing:
        """The inverse of an encoder's `to_json`, and of `files_of`; KeyError, TypeError or ValueError if
        it is damaged."""
        raise NotImplementedError

    def files_of(self, encoder: Preprocessing) -> dict[str, str]:
        """Its files next to preprocessing.json: name -> text."""
        return {}

    def with_cache(self, encoder: Preprocessing, data: Data, cache_bytes: int) -> Preprocessing:
        """A loaded encoder that keeps decoded examples in memory like a fitted one."""
        return encoder

    def parts(self, encoder: Preprocessing) -> Mapping[str, Part]:
        """Of examples of several parts, each by its name; else nothing."""
        return {}

    def exact(self, encoder: Preprocessing, examples: Examples) -> np.ndarray | None:
        """Model inputs in float64, for solving in closed form, where float32 is not precise enough."""
        return None

    # === how examples are described ===

    def add_to_fingerprint(self, examples: Examples, add: Add, digests: Mapping[str, bytes]) -> None:
        """Pass all content to `add`. digests: path -> SHA-256, where known."""
        raise NotImplementedError

    def form(self, examples: Examples) -> str:
        """The form in which examples are compared with those that a run was trained on."""
        return self.words.many

    def unusable(self, encoder: Preprocessing, examples: Examples) -> dict[int, str]:
        """Position -> what is wrong, of labelled examples that have to be encoded to know whether they can be
        used."""
        return {}

    def contents(
        self,
        examples: Examples,
        targets: np.ndarray,
        ids: Sequence[str],
        encoder: Preprocessing,
        form: str,
    ) -> Iterator[bytes] | None:
        """The content of each, in that form; None if they have no such form. The default: as the model
        takes it, with its target; an unusable one differs from all others."""
        from bmcli.modalities.contents import encoded

        return encoded(examples, targets, ids, encoder) if form == self.form(examples) else None

    def fit_familiarity(self, encoder: Preprocessing, examples: Examples) -> Measured | None:
        """Statistics of training examples, to recognise inputs unlike them; None for none."""
        return None

    def load_familiarity(self, document: Document, encoder: Preprocessing) -> Usual:
        """The inverse of `Usual.to_json`; KeyError, TypeError or ValueError if it is damaged."""
        raise ValueError(f"no input statistics are defined for {self.words.many}")

    def statistics(self, compact: np.ndarray, columns: tuple[str | None, ...]) -> dict[str, np.ndarray]:
        """Statistics of older runs for unfamiliar inputs: statistic -> float64 [n]."""
        return {}

    range_words: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Of these: the remark on one below the training range, and above."""

    def corruptions(self) -> tuple[str, ...]:
        """By name; empty if there are none."""
        return ()

    def corrupted(
        self,
        name: str,
        strength: int,
        rng: np.random.Generator,
        examples: Examples,
        encoder: Preprocessing,
    ) -> Iterator[Examples]:
        """Corrupted copies of all of them, in pieces. strength: 1, 3 or 5."""
        raise NotImplementedError

    def sliceable(self, examples: Examples, beside: list[str]) -> list[str]:
        """Names to slice by. beside: columns of the file that no model sees."""
        return list(beside)

    def attribute(self, examples: Examples, name: str) -> Attribute:
        """One of these, except the columns in `beside`."""
        raise NotImplementedError

    def excerpt(self, examples: Examples, position: int) -> str | None:
        """The beginning of an example, as text; None if it is shown as an image."""
        return f"{self.words.one} {position}"

    named_in_plots: ClassVar[bool] = True
    """Whether its name goes before the excerpt."""

    def thumbnail(self, examples: Examples, position: int, window: tuple[float, float] | None) -> np.ndarray:
        """uint8 [h, w] or [h, w, 3], small; of examples without an excerpt."""
        raise NotImplementedError

    def readme(self) -> Readme:
        """What the README of an export says about inputs."""
        return Readme(
            f"{self.words.many}, prepared as preprocessing.json says",
            "1. As preprocessing.json says.",
            "",
            "examples",
        )

    def explainer(self) -> Any:
        """Explains predictions, if not `bmcli.explain.<name>`: see bmcli.explain.base."""
        return None

    def examiner(self) -> Any:
        """Checks the data, if not `bmcli.doctor.<name>`: see bmcli.doctor.findings."""
        return None


MODALITIES: Registry[Modality] = Registry(
    "modality", Modality, "bmcli.modalities", needs="fit", module="modality", plural="modalities"
)

if TYPE_CHECKING:
    _as_config_sees_it: type[asked.Modality] = Modality

_made: dict[type[Modality], Modality] = {}


def modality_of(kind: str) -> Modality:
    """The modality of that name; UsageError if there is none."""
    cls = MODALITIES.get(kind)
    if cls not in _made:
        _made[cls] = cls()
    return _made[cls]


def is_known(kind: object) -> bool:
    """Whether there is a modality of that name."""
    return isinstance(kind, str) and (kind in MODALITIES.local_names() or kind in MODALITIES)


def words_of(kind: str | None) -> Words:
    """What examples of that kind are called; 'examples' for an unknown kind."""
    return modality_of(kind).words if kind is not None and is_known(kind) else Words()


def at_hand() -> list[Modality]:
    """Those that come with bm, and those registered so far."""
    return sorted((modality_of(name) for name in MODALITIES.local_names()), key=lambda one: one.place)
