"""A run, opened once: its config, its preprocessing and its model, for everything that uses them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar, cast, overload

from bmcli import tasks
from bmcli.core.errors import ConfigError, UsageError
from bmcli.core.plain import Document
from bmcli.inference import session as sessions
from bmcli.inference.inputs import Reading
from bmcli.modalities import familiarity as familiarities
from bmcli.modalities import preprocessing as preprocessings
from bmcli.modalities.base import is_known, modality_of
from bmcli.runs import layout
from bmcli.runs.trust import Trust

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.spec import DataSpec
    from bmcli.inference.inputs import Reading
    from bmcli.inference.session import Session
    from bmcli.modalities.familiarity import Familiarity
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.runs.run import Run

T = TypeVar("T")

UNTRUSTED = Trust()


class _Part(Generic[T]):
    """An attribute of an OpenedRun that is made on first access, once for all threads. An
    error is raised again by every attempt."""

    def __init__(self, make: Callable[[OpenedRun], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, opened: None, owner: type) -> _Part[T]: ...

    @overload
    def __get__(self, opened: OpenedRun, owner: type) -> T: ...

    def __get__(self, opened: OpenedRun | None, owner: type) -> _Part[T] | T:
        if opened is None:
            return self
        made = cast("dict[str, T]", opened._made)  # each name is made by one of these
        if self._name not in made:
            with opened._making:
                if self._name not in made:
                    made[self._name] = self._make(opened)
        return made[self._name]


class OpenedRun:
    """A run in use. Each part is read, verified and made on first access, then kept.

    run: the stored run.
    trust: whether the Python files that came with it may be executed.

    Safe to use from several threads, so that a server can hold one. Opening reads nothing; a part raises
    IntegrityError if the run's files are missing or damaged. Neither TensorFlow nor Keras is imported
    until `network` or `model` is accessed, as `session` does for a run without model.onnx.
    """

    def __init__(self, run: Run, trust: Trust = UNTRUSTED) -> None:
        self.run = run
        self.trust = trust
        self._made: dict[str, object] = {}
        self._making = threading.RLock()  # one part may need another

    def __repr__(self) -> str:
        return f"OpenedRun({self.run!r}, {self.trust!r})"

    @_Part
    def _loaded(self) -> tuple[Preprocessing, DataSpec]:
        kind, task = self.run.record.kind, self.run.record.task
        if task not in (None, *tasks.TASKS.names()):
            _ = self.config  # the run's own code defines the task, or an error says what is missing
        if kind is not None and not is_known(kind):
            _ = self.config  # the run's own code brings the modality, or an error says what is missing
            if not is_known(kind):
                raise UsageError(
                    f"{self.run.id} takes {kind} data, a modality that is not installed here",
                    hint="install the package that brings it",
                )
        names = [layout.PREPROCESSING]
        if self.run.exists(layout.TOKENIZER):
            names.append(layout.TOKENIZER)
        return preprocessings.load({name: self.run.read_text(name) for name in names})

    @property
    def preprocessing(self) -> Preprocessing:
        """What makes the model's inputs of raw examples, as it was fitted in training."""
        return self._loaded[0]

    @property
    def spec(self) -> DataSpec:
        """What the model takes and answers."""
        return self._loaded[1]

    @_Part
    def familiarity(self) -> Familiarity | None:
        """What the training data were like; None if the run does not keep it."""
        return familiarities.load(self.run, self.preprocessing)

    @_Part
    def config(self) -> ExperimentConfig:
        """The resolved config. UsageError if it needs Python files of the run that are not trusted."""
        return self._config(run_code=self.trust.code)

    @_Part
    def session(self) -> Session:
        """The model, ready to answer: ONNX Runtime where the run has a model.onnx, else Keras. UsageError as
        `model` raises it."""
        return sessions.open_session(self.run, lambda: self.model, self.spec)

    @_Part
    def _rebuilt(self) -> tuple[keras.Model, keras.Model]:
        from bmcli.inference.rebuild import rebuild

        return rebuild(self.run, self.config, self.spec)

    @property
    def network(self) -> keras.Model:
        """The model in Keras with raw outputs [batch, units], without the task's last step and without views.
        UsageError if it needs Python files of the run that are not trusted; built-in models need none."""
        return self._rebuilt[0]

    @property
    def model(self) -> keras.Model:
        """The finished model in Keras, which shares its weights with `network`. UsageError as there."""
        return self._rebuilt[1]

    @property
    def has_code(self) -> bool:
        """Whether using the config would execute Python files: kept in its code/, or named in its config."""
        return bool(self._plain_config().get("code")) or (self.run.path / layout.CODE).is_dir()

    @property
    def needs_code(self) -> bool:
        """Whether the model can be built only with Python files kept in the run."""
        try:
            self._config(run_code=False)
        except UsageError:
            return True
        return False

    @property
    def needs_keras(self) -> bool:
        """Whether predicting goes through Keras: the run never had a model.onnx (a lost one is damage)."""
        return sessions.needs_keras(self.run)

    def config_to_resume(self) -> ExperimentConfig:
        """The config for a caller that compares the run's code with what it was, and says what a change
        means. UsageError if the run has Python files that are not trusted."""
        if self.has_code and not self.trust.code:
            raise UsageError(
                f"{self.run.id} contains its own Python code, which would be run",
                hint=f"look at {self.run.path / layout.CODE}, then use --trust-code",
            )
        if self.trust.code:
            self.run.refuse_odd(layout.CODE)
        return _resolved(self.run, run_code=self.trust.code, resuming=True)

    def reading(self, *, texts: bool, lines: bool, keep: bool = False) -> Reading:
        """How inputs for this run are to be read: its kind, its columns, and how its own tables were written.

        texts: inputs are the texts themselves; lines: each line of a file is a text; keep: rows keep their
        other columns, to be carried along.
        """
        kind = self.preprocessing.kind
        modality = modality_of(kind)
        if not modality.of_tables:
            return Reading(kind, texts, lines)
        data = self._plain_config().get("data") or {}
        columns, decimals = modality.reading_columns(self.preprocessing)
        return Reading(
            kind,
            texts,
            lines,
            text_column=data.get("text"),
            delimiter=data.get("delimiter"),
            header=data.get("header"),
            quoting=data.get("quoting"),
            id=data.get("id"),
            columns=columns,
            keep=keep,
            decimals=decimals,
            encoder=self.preprocessing,
        )

    def _config(self, *, run_code: bool) -> ExperimentConfig:
        try:
            return _resolved(self.run, run_code=run_code, paths_exist=False)
        except ConfigError as error:
            if run_code or not (self.run.path / layout.CODE).is_dir():
                raise
            raise UsageError(
                f"{self.run.id} needs its own Python code, which would be run",
                hint=f"look at {self.run.path / layout.CODE}, then use --trust-code",
            ) from error

    def _plain_config(self) -> Document:
        """The config as written, without resolving the names in it."""
        from bmcli.config.parsing import yaml

        tree = yaml.parse(self.run.read_bytes(layout.CONFIG), layout.CONFIG, str(self.run.path))
        config: Document = tree.plain()
        return config


def load_tasks(runs: Iterable[Run], trust: Trust) -> None:
    """Execute the Python files of those runs whose task is not known here, where they are trusted: their
    stored predictions can then be read. ConfigError where they cannot be executed."""
    for run in runs:
        if trust.code and run.record.task not in (None, *tasks.TASKS.names()):
            _ = OpenedRun(run, trust).config


def _resolved(
    run: Run, *, run_code: bool, paths_exist: bool = True, resuming: bool = False
) -> ExperimentConfig:
    """The config stored in a run, as `bmcli.config.resolve.load` takes it.

    resuming: as `OpenedRun.config_to_resume` has it.

    ConfigError as there; where a component is not known, it names the packages that the run was trained with
    and that are not installed.
    """
    from bmcli.config import resolve

    try:
        return resolve.load(
            run.verified_config(with_code=run_code and not resuming),
            run_code=run_code,
            paths_exist=paths_exist,
            resuming=resuming,
        )
    except ConfigError as error:
        unknown = [problem for problem in error.problems if problem.message.startswith("unknown ")]
        missing = _missing_packages(run) if unknown else {}
        if not missing:
            raise
        listed = ", ".join(f"{name} {version}" for name, version in missing.items())
        raise ConfigError(
            f"{unknown[0].message}: {run.id} was trained with the package{'s' * (len(missing) > 1)} "
            f"{listed}, which {'are' if len(missing) > 1 else 'is'} not installed",
            place=unknown[0].place,
            hint=f"pip install {' '.join(f'{name}=={version}' for name, version in missing.items())}",
        ) from error


def _missing_packages(run: Run) -> dict[str, str]:
    """Those of the record that do not come with bm, and are not here."""
    from bmcli.runs.environment import brought

    now = brought(run.record.versions)
    return {name: then for name, (then, found) in now.items() if found is None}
