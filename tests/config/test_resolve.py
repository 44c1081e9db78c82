"""Precedence, merging, paths, defaults, and that a resolved config repeats itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticUndefined

from bmcli.config import dump as write
from bmcli.config import shipped
from bmcli.config.reference.json_schema import sections
from bmcli.config.resolve import dump, load
from bmcli.config.schema import ExperimentConfig
from bmcli.core.component import Component
from bmcli.core.errors import ConfigError
from bmcli.core.registry import HOMES, registry_of

BASE = {"name": "x", "data": "digits", "model": "mlp"}


def written(folder: Path, **files: Any) -> None:
    for name, content in files.items():
        text = content if isinstance(content, str) else write.dump(content)
        (folder / f"{name}.yaml").write_text(text)


def test_defaults(folder: Path) -> None:
    written(folder, My_CNN="data: digits\nmodel: mlp\n")
    config = load("My_CNN.yaml")
    assert config.name == "my_cnn"
    assert config.training.optimizer.registry_name == "adam"
    assert config.training.schedule.registry_name == "constant"
    assert config.training.epochs == "auto"


@pytest.mark.parametrize(
    ("steps_per_epoch", "epochs"), [(1, 100), (15, 100), (16, 94), (149, 11), (5000, 10)]
)
def test_small_data_get_more_epochs(folder: Path, steps_per_epoch: int, epochs: int) -> None:
    written(
        folder, auto="data: digits\nmodel: mlp\n", said="data: digits\nmodel: mlp\ntraining: {epochs: 3}\n"
    )
    assert load("auto.yaml").training.epochs_of(steps_per_epoch) == epochs
    assert load("said.yaml").training.epochs_of(steps_per_epoch) == 3


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("CNN", "cnn"),
        ("a b", "a-b"),
        ("latest", "latest-config"),
        ("net-v2", "net_v2"),
        ("_x", "x"),
        ("é", "experiment"),
    ],
)
def test_name_comes_from_the_file(folder: Path, stem: str, name: str) -> None:
    written(folder, **{stem: "data: digits\nmodel: mlp\n"})
    assert load(f"{stem}.yaml").name == name


def test_precedence(folder: Path) -> None:
    written(
        folder,
        a={**BASE, "seed": 1, "training": {"epochs": 1, "batch_size": 1, "ema": 0.1}},
        b={"seed": 2, "training": {"epochs": 2, "batch_size": 2}},
        c={"extends": ["a.yaml", "b.yaml"], "training": {"epochs": 3}},
    )
    config = load("c.yaml", ["seed=4"])
    training = config.training
    assert (config.seed, training.epochs, training.batch_size, training.ema) == (4, 3, 2, 0.1)


def test_extends_chain_and_shipped_name(folder: Path) -> None:
    (folder / "sub").mkdir()
    written(folder / "sub", one={"extends": "digits_cnn", "seed": 5}, two={"extends": "one.yaml"})
    written(folder, c={"extends": "sub/two.yaml", "name": "mine"})
    config = load("c.yaml")
    assert (config.seed, config.name, config.model.registry_name) == (5, "mine", "cnn")


def test_extends_bomb_is_refused(folder: Path) -> None:
    for i in range(12):
        written(folder, **{f"f{i}": {"extends": [f"f{i + 1}.yaml"] * 10}})
    written(folder, f12=BASE)
    with pytest.raises(ConfigError, match="more than 50 files"):
        load("f0.yaml")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ({"name": "sgd", "momentum": 0.5}, {"name": "sgd"}, ("sgd", 0.5)),
        ({"name": "sgd", "momentum": 0.5}, "sgd", ("sgd", 0.5)),
        ({"name": "sgd", "momentum": 0.5}, {"learning_rate": 0.1}, ("sgd", 0.5)),
        ({"name": "sgd", "momentum": 0.5}, "rmsprop", ("rmsprop", 0.0)),
        ({"name": "sgd", "momentum": 0.5}, {"momentum": None}, ("sgd", 0.9)),
        ("sgd", {"momentum": 0.1}, ("sgd", 0.1)),
        ({"beta_1": 0.5}, {"name": "sgd"}, ("sgd", 0.9)),
        ({"name": "sgd", "momentum": 0.5}, None, ("adam", None)),
    ],
)
def test_components_merge(folder: Path, low: Any, high: Any, expected: tuple[str, float | None]) -> None:
    written(folder, low={**BASE, "training": {"optimizer": low}})
    written(folder, high={"extends": "low.yaml", "training": {"optimizer": high}})
    optimizer = load("high.yaml").training.optimizer
    assert (optimizer.registry_name, getattr(optimizer, "momentum", None)) == expected


def test_another_source_of_data_drops_what_described_the_old_one(folder: Path) -> None:
    low = {"path": "t.csv", "target": "y", "task": "binary", "test": "t.csv", "seed": 3}
    written(folder, low={**BASE, "data": low}, high={"extends": "low.yaml", "data": {"name": "digits"}})
    data = load("high.yaml").data
    assert (data.path, data.target, data.task, data.test, data.seed) == (None, None, None, 0.2, 3)
    written(folder, back={"extends": "high.yaml"})
    again = load("back.yaml", ["data.path=t.csv", "data.target=y"]).data
    assert (again.name, again.target) == (None, "y")


def test_options_of_a_dataset_stand_beside_datas_own_keys(folder: Path) -> None:
    config = load({"name": "x", "data": {"name": "imdb", "strip_markup": False}, "model": "gru"})
    assert config.data.name is not None
    assert config.data.name.model_dump() == {"strip_markup": False}
    assert config.to_dict()["data"]["strip_markup"] is False
    changed = load({**BASE, "data": {"name": "imdb", "strip_markup": False}}, ["data=digits"])
    assert changed.data.name is not None
    assert changed.data.name.registry_name == "digits"


def test_overrides(folder: Path) -> None:
    data = {"name": "digits", "augment": ["flip", {"name": "crop", "padding": 4}]}
    config = load(
        {**BASE, "data": data},
        [
            "training.optimizer.learning_rate=1e-4",
            "data.augment.1.padding=2",
            "data.augment.0=crop",
            "training.class_weights.3=2",
            "evaluation.splits=[test]",
            "training.early_stopping={patience: 7}",
            "training.schedule=cosine",
            "training.monitor=",
        ],
    )
    assert config.training.optimizer.learning_rate == 1e-4  # type: ignore[attr-defined]
    assert [one.to_config()["padding"] for one in config.data.augment] == [4, 2]
    assert config.training.class_weights == {"3": 2.0}
    assert config.evaluation.splits == ["test"]
    assert config.training.early_stopping is not None
    assert config.training.early_stopping.patience == 7
    assert config.training.monitor == "val_loss"


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("training.epohcs=3", "unknown key 'epohcs'"),
        ("training.epochs", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("a..b=3", "expected KEY=VALUE"),
        ("training.epochs=[", "YAML"),
        ("training.epochs=ten", 'found "ten"'),
        ("data.augment.3.padding=2", "not an index of this list"),
        ("extends=a.yaml", "unknown key"),
        ("model.name=cnnn", "unknown model"),
    ],
)
def test_wrong_override_names_itself(folder: Path, override: str, fragment: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({**BASE, "data": {"name": "digits", "augment": ["flip"]}}, [override])
    (problem,) = caught.value.problems
    assert fragment in problem.message
    assert str(problem.place) == f"command line: {override}"


def test_paths_count_from_the_file_that_names_them(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "u.csv").write_text("a,y\n1,x\n")
    (folder / "my.py").write_text("")
    data = {"path": "t.csv", "target": "y"}
    written(folder, low={"data": data, "model": "mlp", "code": "my.py"})
    written(other, c={"extends": str(folder / "low.yaml")})
    monkeypatch.chdir(other)
    config = load("c.yaml", ["data.test=u.csv"])
    assert config.data.path == str(folder / "t.csv")
    assert config.data.test == str(other / "u.csv")
    assert config.code == [str(folder / "my.py")]
    monkeypatch.setenv("HOME", str(other))
    assert load("c.yaml", ["data.path=~/u.csv"]).data.path == str(other / "u.csv")


def test_missing_data_is_no_mistake_for_a_finished_run(folder: Path) -> None:
    gone = {**BASE, "data": {"path": "gone.csv", "target": "y"}}
    with pytest.raises(ConfigError, match="no file"):
        load(gone)
    assert load(gone, paths_exist=False).data.path == str(folder / "gone.csv")


def test_dict_mistakes_name_the_key(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load({**BASE, "training": {"epochs": "x", "batch": object}})
    assert str(caught.value.place) == "config: training.batch"
    with pytest.raises(ConfigError) as caught:
        load({**BASE, "training": {"epochs": "x"}})
    assert str(caught.value.place) == "config: training.epochs"


def test_no_validation_means_loss_is_watched(folder: Path) -> None:
    config = load({**BASE, "data": {"name": "digits", "validation": 0}})
    assert config.training.monitor == "loss"
    assert load(config.to_dict()) == config


@pytest.mark.parametrize("name", shipped.names())
def test_shipped_configs_resolve_and_repeat(name: str, folder: Path) -> None:
    config = load(name, paths_exist=False)
    (folder / "again.yaml").write_text(dump(config))
    assert load("again.yaml", paths_exist=False) == config


def test_null_is_never_another_value_than_the_default() -> None:
    """`null` restores the default, so no key may mean something else by it."""
    classes = [cls for _, cls in sections()]
    for kind in HOMES:
        if issubclass(registry_of(kind).base, Component):  # the others have no options
            classes += [registry_of(kind).get(name) for name in registry_of(kind).names()]  # type: ignore[misc]
    for cls in classes:
        for key, schema in cls.model_json_schema()["properties"].items():
            field = cls.model_fields[key]
            if field.default not in (None, PydanticUndefined):
                assert {"type": "null"} not in schema.get("anyOf", []), f"{cls.__name__}.{key}"


text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
column = text | st.integers(0, 50)
trainings = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(1, 1000),
        "ema": st.floats(0.01, 0.99),
        "optimizer": st.sampled_from(["adam", "sgd"])
        | st.fixed_dictionaries({"name": st.just("sgd"), "learning_rate": st.floats(1e-9, 1e3)}),
        "class_weights": st.just("balanced") | st.dictionaries(text, st.floats(1e-6, 1e6), max_size=3),
        "precision": st.sampled_from(["auto", "float32"]),
        "checkpoint": st.fixed_dictionaries({"every_minutes": st.integers(0, 60)}),
        "early_stopping": st.none() | st.fixed_dictionaries({"patience": st.integers(1, 9)}),
    },
)
tables = st.fixed_dictionaries(
    {"path": st.just("t.csv"), "target": st.just("t")},
    optional={
        "features": st.lists(text.filter(lambda name: name != "t"), max_size=3),
        "delimiter": st.sampled_from([",", ";", ":", "#", "'", "\t"]),
        "group": column,
        "limit": st.integers(1, 10**6),
        "seed": st.integers(0, 2**40),
    },
)


@given(tables, trainings, st.sampled_from(["mlp", {"name": "mlp", "hidden": [3, 4]}]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_resolved_configs_repeat(folder: Path, data: Any, training: Any, model: Any) -> None:
    config = load({"name": "x", "data": data, "model": model, "training": training})
    (folder / "again.yaml").write_text(dump(config), encoding="utf-8")
    again = load("again.yaml")
    assert again == config
    assert isinstance(again, ExperimentConfig)
    assert again.to_dict() == config.to_dict()


def test_what_older_versions_wrote_by_default_reads_on() -> None:
    config = load({"name": "x", "data": {"name": "digits", "header": True}, "model": "mlp"})
    assert config.data.header is True
    with pytest.raises(ConfigError, match="'header' is for your own files"):
        load({"name": "x", "data": {"name": "digits", "header": False}, "model": "mlp"})
