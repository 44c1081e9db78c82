"""A run's model in Keras, built anew from the registry and its weights; model.keras is never deserialised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli.core.errors import ConfigError, UsageError
from bmcli.inference.weights import from_bytes, load_weights
from bmcli.models._head import finished
from bmcli.runs import layout

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.spec import DataSpec
    from bmcli.runs.run import Run


def rebuild(run: Run, *, trust_code: bool = False) -> keras.Model:
    """The finished model with the run's best weights, in float32 whatever the global policy is.

    trust_code: whether Python files kept in the run may be run; a built-in model needs none. Raises
    UsageError where they are needed, IntegrityError where a file of the run is damaged.
    """
    return _built(run, trust_code)[1]


def rebuild_network(run: Run, *, trust_code: bool = False) -> keras.Model:
    """The same without the task's last step and without views: raw outputs [b, C], logits for classes. See
    `rebuild`."""
    return _built(run, trust_code)[0]


def _built(run: Run, trust_code: bool) -> tuple[keras.Model, keras.Model]:
    """The network, and the finished model with the same weights."""
    from bmcli.core.quiet import quiet_import

    with quiet_import():
        import keras

    config, spec = config_of(run, trust_code=trust_code), spec_of(run)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        network = config.model.build(spec)  # type: ignore[attr-defined]
        model = finished(network, spec, config.evaluation.views)
    finally:
        keras.config.set_dtype_policy(policy)
    load_weights(
        model,
        from_bytes(run.read_bytes(layout.BEST), origin=str(run.path / layout.BEST)),
        origin=f"the weights of {run.id}",
    )
    return network, model


def config_of(run: Run, *, trust_code: bool = False) -> ExperimentConfig:
    """The run's config. See `rebuild` for what is raised."""
    try:
        return kept_config(run, run_code=trust_code, paths_exist=False)
    except ConfigError as error:
        if trust_code or not (run.path / layout.CODE).is_dir():
            raise
        raise UsageError(
            f"{run.id} needs Python code of its own, which would be run",
            hint=f"look at {run.path / layout.CODE}, then say --trust-code",
        ) from error


def kept_config(
    run: Run, *, run_code: bool, paths_exist: bool = True, resuming: bool = False
) -> ExperimentConfig:
    """The config that lies in a run, as `bmcli.config.resolve.load` takes it.

    resuming: the caller compares the run's code with what it was, and says what a change means.

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


def needs_code(run: Run) -> bool:
    """Whether the model can only be built by Python files kept in the run."""
    try:
        config_of(run)
    except UsageError:
        return True
    return False


def spec_of(run: Run) -> DataSpec:
    """What the run's model takes and answers; IntegrityError where the file is damaged."""
    from bmcli.modalities import preprocessing

    names = (layout.PREPROCESSING, layout.TOKENIZER)
    return preprocessing.load({name: run.read_text(name) for name in names if run.exists(name)})[1]
