"""A hint is followed: what it says to write works, and has the value that was meant."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bmcli.config.parsing import foreign_names
from bmcli.config.parsing.explanations import _places
from bmcli.config.reference.json_schema import sections
from bmcli.config.resolve import load
from bmcli.config.schema import ExperimentConfig
from bmcli.core.errors import ConfigError, Problem
from bmcli.core.registry import registry_of


def problem(source: str | Path, *overrides: str, cwd: Path | None = None) -> Problem:
    with pytest.raises(ConfigError) as found:
        load(source, overrides, cwd=cwd)
    (one,) = found.value.problems
    return one


def proposals(hint: str | None) -> list[str]:
    """What a hint says to write; nothing for a hint of another kind."""
    found = re.fullmatch(
        r"write (.+?)(?:, with(?:out)? [a-z ]+(?: and with a point)?"
        r"|(?:, without quotes,)? if (?:it is text|a share is meant|[^ ]+(?: %)? is meant))?",
        hint or "",
    )
    if found is None:
        return []
    if two := re.fullmatch(r"(.+), or (.+) if that is meant", found[1] + (hint or "")[found.end(1) :]):
        return [two[1], two[2]]
    return found[1].split(" or ")


def value_at(config: ExperimentConfig, key: str) -> object:
    value: object = config
    for part in key.split("."):
        value = getattr(value, part)
    return value


RATE = "training.optimizer.learning_rate"


def follow(key: str, written: str, meant: list[object], folder: Path, *, on_command_line: bool) -> None:
    """Load with what is written, take each proposal of the hint as it stands, and load again."""

    def loaded(text: str) -> ExperimentConfig:
        if on_command_line:
            return load("digits_cnn", [f"{key}={text}"], cwd=folder)
        lines = [part + ":" for part in key.split(".")]
        block = "".join(f"\n{'  ' * i}{line}" for i, line in enumerate(lines)) + f" {text}\n"
        (folder / "c.yaml").write_text(f"extends: digits_cnn{block}", encoding="utf-8")
        return load(folder / "c.yaml", cwd=folder)

    with pytest.raises(ConfigError) as found:
        loaded(written)
    (one,) = found.value.problems
    given = proposals(one.hint)
    if on_command_line:  # as the shell hands it on
        assert all(len(shlex.split(text)) == 1 for text in given)
        given = [shlex.split(text)[0] for text in given]
    assert [value_at(loaded(text), key) for text in given] == meant, one.hint
    if not meant:
        assert not (one.hint or "").startswith("write"), one.hint


OTHERS: list[tuple[str, str, list[object]]] = [
    ("training.xla", "yes", [True]),
    ("training.xla", "on", [True]),
    ("training.xla", "1", [True]),
    ("training.xla", "0", [False]),
    ("training.xla", "no", [False]),
    ("training.xla", "'true'", [True]),
    ("training.xla", "Off", [False]),
    ("training.xla", "maybe", []),
    ("training.xla", "2", []),
    ("name", "007", ["007"]),
    ("name", "1e3", ["1e3"]),
    ("name", "true", ["true"]),
    ("preprocessing.image.size", "64x64", [(64, 64)]),
    ("preprocessing.image.size", "64x48", [(64, 48), (48, 64)]),
    ("preprocessing.image.size", "[64]", [64]),
    ("preprocessing.image.size", "'[64, 48]'", [(64, 48)]),
    ("preprocessing.image.size", "64,48", [(64, 48)]),
    ("preprocessing.image.size", "'64'", [64]),
    ("model.filters", "32", [[32]]),
    ("model.filters", "32, 64", [[32, 64]]),
    ("model.filters", "'[32, 64]'", [[32, 64]]),
    ("model.filters", "many", []),
    ("evaluation.splits", "test", [["test"]]),
    ("evaluation.splits", "train, test", [["train", "test"]]),
    ("evaluation.splits", "none", [[]]),
    ("trackers", "mlflow", [["mlflow"]]),
    ("trackers", "none", [[]]),
    ("trackers", "[tensorbord]", []),
]


@pytest.mark.parametrize("on_command_line", [False, True])
@pytest.mark.parametrize(("key", "written", "meant"), OTHERS)
def test_other_hints_are_followed(
    key: str, written: str, meant: list[object], on_command_line: bool, tmp_path: Path
) -> None:
    follow(key, written, meant, tmp_path, on_command_line=on_command_line)


SECTIONS: list[tuple[str, str, list[dict[str, object]]]] = [
    ("training.early_stopping", "3", [{"patience": 3}]),
    ("training.early_stopping", "0.01", [{"min_delta": 0.01}]),
    ("training.checkpoint", "5", [{"every_minutes": 5}]),
    ("training", "10", [{"epochs": 10}]),
    ("training", "sgd", [{"optimizer.registry_name": "sgd"}]),
    ("training", "cosine", [{"schedule.registry_name": "cosine"}]),
    ("training", "bfloat16", [{"precision": "bfloat16"}]),
    ("evaluation", "test", [{"splits": ["test"]}]),
    ("evaluation", "[test]", [{"splits": ["test"]}]),
    ("preprocessing.image", "64", [{"size": 64}]),
    ("preprocessing.image", "3", [{"size": 3}, {"channels": 3}]),
    ("preprocessing.image", "[64, 48]", [{"size": (64, 48)}]),
    ("preprocessing.image", "unit", [{"normalization": "unit"}]),
    ("preprocessing.text", "300", [{"max_length": 300}]),
    ("preprocessing.text", "100000", [{"vocabulary": 100_000}]),
    ("preprocessing.text", "bpe", [{"tokenizer": "bpe"}]),
    ("preprocessing.table", "minmax", [{"scaling": "minmax"}]),
    ("preprocessing.table", "median", [{"missing": "median"}]),
]


@pytest.mark.parametrize("on_command_line", [False, True])
@pytest.mark.parametrize(("key", "written", "meant"), SECTIONS)
def test_what_stands_in_place_of_a_map(
    key: str, written: str, meant: list[dict[str, object]], on_command_line: bool, tmp_path: Path
) -> None:
    where = f"{key}="
    if on_command_line:
        one = problem("digits_cnn", where + written, cwd=tmp_path)
    else:
        block = "".join(f"\n{'  ' * i}{part}:" for i, part in enumerate(key.split(".")))
        (tmp_path / "c.yaml").write_text(f"extends: digits_cnn{block} {written}\n")
        one = problem(tmp_path / "c.yaml", cwd=tmp_path)
    assert one.message.startswith("expected keys and values, found ")
    given = proposals(one.hint)
    if on_command_line:
        given = [shlex.split(text)[0] for text in given]
    assert len(given) == len(meant), one.hint
    for text, values in zip(given, meant, strict=True):
        config = load("digits_cnn", [where + text], cwd=tmp_path)
        for name, value in values.items():
            assert value_at(config, f"{key}.{name}") == value


@pytest.mark.parametrize(
    "key", [path for path, _ in sections() if path not in ("", "data")] + ["training.early_stopping"]
)
@pytest.mark.parametrize("written", ["true", "false", "what?", "[[]]"])
def test_the_example_of_a_map_is_one(key: str, written: str, tmp_path: Path) -> None:
    if key in ("init_from", "training.finetune") and written == "what?":
        return  # the name of a run; the layers
    needed = ["init_from=base"] if key.startswith("training.finetune") else []
    hint = problem("digits_cnn", f"{key}={written}", cwd=tmp_path).hint or ""
    (example,) = shlex.split(hint.removeprefix("for example "))
    assert load("digits_cnn", [f"{key}={example}", *needed], cwd=tmp_path)


COMPONENTS = [
    ("training.optimizer", "{adamw: {learning_rate: 0.1}}", "{name: adamw, learning_rate: 0.1}"),
    ("training.optimizer", "{sgd: null}", "{name: sgd}"),
    ("training.optimizer", "{type: sgd, momentum: 0.5}", "{name: sgd, momentum: 0.5}"),
    ("training.optimizer", "[sgd]", "sgd"),
    ("training.schedule", "{cosine: {final: 0.1}}", "{name: cosine, final: 0.1}"),
    ("model", "{mlp: {hidden: [8]}}", "{name: mlp, hidden: [8]}"),
    ("model", "[mlp]", "mlp"),
    ("data.augment", "flip", "[flip]"),
    ("data.augment", "flip, crop", "[flip, crop]"),
    ("data.augment", "{name: crop, padding: 2}", "[{name: crop, padding: 2}]"),
    ("data.augment", "{flip: true, crop: {padding: 2}}", "[flip, {name: crop, padding: 2}]"),
    ("data.augment", "none", "[]"),
    ("training.class_weights", "true", None),
]


@pytest.mark.parametrize(("key", "written", "meant"), COMPONENTS)
def test_components_written_in_other_ways(key: str, written: str, meant: str | None, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("data: digits\nmodel: mlp\n")
    block = "".join(f"\n{'  ' * i}{part}:" for i, part in enumerate(key.split(".")))
    (tmp_path / "c.yaml").write_text(f"extends: base.yaml{block} {written}\n")
    hint = problem(tmp_path / "c.yaml", cwd=tmp_path).hint
    if meant is None:
        assert hint == "did you mean balanced?"
        return
    assert proposals(hint) == [meant]
    for text in proposals(hint):
        (tmp_path / "c.yaml").write_text(f"extends: base.yaml{block} {text}\n")
        assert load(tmp_path / "c.yaml", cwd=tmp_path)


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("model=lstm", "did you mean gru?"),
        ("model=rnn", "did you mean gru?"),
        ("training.schedule=none", "did you mean constant?"),
        ("data.augment=[hflip]", "did you mean flip?"),
        ("training.precision=fp16", "did you mean bfloat16?"),
        ("data.task=classification", "did you mean multiclass or binary?"),
        ("preprocessing.image.channels=rgb", "did you mean 3?"),
        ("data.columns={zip: categorical}", "did you mean category?"),
        ("name=My CNN", "for example my-cnn"),
        ("data=photos/", "write '{path: photos/}'"),
        ("evaluation.metrics=[accuracy]", "'accuracy' is always computed"),
        ("evaluation.metrics=accuracy", "'accuracy' is always computed"),
    ],
)
def test_words_from_elsewhere(override: str, hint: str, tmp_path: Path) -> None:
    assert problem("digits_cnn", override, cwd=tmp_path).hint == hint


def test_every_word_from_elsewhere_leads_somewhere() -> None:
    places = {*_places(ExperimentConfig), "training.schedule.warmup_epochs", "extends"}
    for word, place in foreign_names.words():
        assert place in places, word
    for kind, names in foreign_names.NAMES.items():
        for other, name in names.items():
            assert name in registry_of(kind).names(), other
            assert other not in registry_of(kind).names()


def test_every_key_with_one_place_is_known_as_an_option() -> None:
    """`--label-smoothing 0.1` is answered without loading the schema, so the names stand in a list."""
    every: dict[str, list[str]] = {}
    for place in _places(ExperimentConfig):
        every.setdefault(place.split(".")[-1], []).append(place)
    for key, places in every.items():
        if len(places) == 1:
            assert foreign_names.key_of(key) == places[0]


KEYS = [
    ("lr", "0.1", RATE),
    ("LR", "0.1", RATE),
    ("epochs", "3", "training.epochs"),
    ("batch", "8", "training.batch_size"),
    ("training.lr", "0.1", RATE),
    ("training.patience", "3", "training.early_stopping.patience"),
    ("patience", "3", "training.early_stopping.patience"),
    ("dropout", "0.5", "model.dropout"),
    ("early_stopping", "3", "training.early_stopping.patience"),
    ("earlystopping", "3", "training.early_stopping.patience"),
    ("filters", "[8]", "model.filters"),
    ("val_split", "0.2", "data.validation"),
    ("random_state", "3", "seed"),
]


@pytest.mark.parametrize(("key", "value", "place"), KEYS)
def test_a_key_that_stands_elsewhere(key: str, value: str, place: str, tmp_path: Path) -> None:
    """On the command line the whole KEY=VALUE is given, in a file the whole path of the key."""
    hint = problem("digits_cnn", f"{key}={value}", cwd=tmp_path).hint
    (given,) = proposals(hint)
    (override,) = shlex.split(given)
    assert override == f"{place}={value}"
    assert load("digits_cnn", [override], cwd=tmp_path)
    block = "".join(f"\n{'  ' * i}{part}:" for i, part in enumerate(key.split(".")))
    (tmp_path / "c.yaml").write_text(f"extends: digits_cnn{block} {value}\n")
    told = place if "." in place else f"{place} at the top level"
    assert problem(tmp_path / "c.yaml", cwd=tmp_path).hint == f"did you mean {told}?"


@pytest.mark.parametrize(
    "text",
    ["trainig:", "training: {epohcs: }", "model: {widht: null}", "data: {augmnt: ~}", "nope: null"],
)
def test_an_unknown_key_without_a_value_is_a_mistake_too(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"extends: digits_cnn\n{text}\n")
    assert problem(tmp_path / "c.yaml", cwd=tmp_path).message.startswith("unknown key '")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = "data: digits\nmodel: mlp\n"
    for name in ("photos", "alone", "My Photos", "runs/x-v1"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("photos.yaml", "my-photos.yml", "table.yaml", "runs/x-v1/config.yaml", "lone.yaml"):
        (tmp_path / name).write_text(config)
    for name in ("table.csv", "rows.parquet", "cat.png", "runs/x-v1/run.json"):
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("photos", "did you mean photos.yaml?"),
        ("photos/", "did you mean photos.yaml?"),
        ("./photos", "did you mean ./photos.yaml?"),
        ("My Photos", "did you mean my-photos.yml?"),
        ("alone", "bm init alone drafts a config for it"),
        ("alone/", "bm init alone/ drafts a config for it"),
        ("lone", "did you mean lone.yaml?"),
        ("table.csv", "did you mean table.yaml?"),
        ("rows.parquet", "bm init rows.parquet drafts a config for it"),
        ("nowhere/rows.parquet", None),
        ("cat.png", "bm init . drafts a config for a folder of images"),
        ("phots.yaml", "did you mean photos.yaml?"),
        ("runs/x-v1", "did you mean runs/x-v1/config.yaml, or --resume runs/x-v1/ to resume that run?"),
    ],
)
def test_where_a_config_is_wanted(text: str, hint: str | None, folder: Path) -> None:
    found = problem(text, cwd=folder)
    assert found.hint == hint and text.rstrip("/") in found.message
    if hint is not None and hint.startswith("did you mean ") and "--resume" not in hint:
        assert load(hint.removeprefix("did you mean ").rstrip("?"), cwd=folder).name


def test_a_config_that_comes_with_bm_is_found_beside_a_folder_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "digits_cnn").mkdir()
    assert load("digits_cnn", cwd=tmp_path).name == "digits-cnn"


def test_a_bare_run(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: digits\nmodel: mlp\ninit_from: base\n")
    config = load(tmp_path / "c.yaml")
    assert config.init_from is not None and (config.init_from.run, config.init_from.freeze) == ("base", [])
    assert load(config.to_dict()) == config
    more = load(tmp_path / "c.yaml", ["init_from.freeze=[conv*]"]).init_from
    assert more is not None and (more.run, more.freeze) == ("base", ["conv*"])
    assert load(tmp_path / "c.yaml", ["init_from=null"]).init_from is None
    (tmp_path / "d.yaml").write_text("extends: c.yaml\ninit_from: {freeze: [a]}\n")
    laid = load(tmp_path / "d.yaml").init_from
    assert laid is not None and (laid.run, laid.freeze) == ("base", ["a"])


def test_a_bare_path_counts_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/c.yaml").write_text("data: digits\nmodel: mlp\ninit_from: ../runs/base-v1\n")
    (tmp_path / "runs/base-v1").mkdir(parents=True)
    config = load(tmp_path / "sub/c.yaml")
    assert config.init_from is not None and config.init_from.run == str(tmp_path / "runs/base-v1")


@pytest.mark.parametrize("value", ["3", "[base]", "true", "''"])
def test_what_is_not_a_run(value: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"data: digits\nmodel: mlp\ninit_from: {value}\n")
    found = problem(tmp_path / "c.yaml")
    assert found.place is not None and found.place.line == 3


def test_models_that_hints_name() -> None:
    from bmcli.modalities.base import at_hand

    named = [(each.registry_name, each.words.model) for each in at_hand() if each.words.model]
    assert {kind for kind, _ in named} >= {"image", "text", "table"}
    for kind, name in named:
        assert kind in registry_of("model").get(name).kinds  # type: ignore[attr-defined]
