"""A hint is followed: what it says to write works, and has the value that was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmcli.config import words
from bmcli.config.resolve import load
from bmcli.errors import ConfigError, Problem
from bmcli.registry import registry_of


def problem(source: str | Path, *overrides: str, cwd: Path | None = None) -> Problem:
    with pytest.raises(ConfigError) as found:
        load(source, overrides, cwd=cwd)
    (one,) = found.value.problems
    return one


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("0,1", "write 0.1, with a point"),
        ("0,125", "write 0.125, with a point"),
        ("1,5", "write 1.5, with a point"),
        ("1,000", "write 1000, or 1.000 if that is meant"),
        ("1,000,000", "write 1000000, without separators"),
        ("1,000.5", "write 1000.5, without separators"),
        ("1_000", "write 1000, without separators"),
        ("'0.1'", "write 0.1, without quotes"),
        ("1e-3x", None),
        ("1,0,1", None),
        ("1.000,5", None),
        ("0_1,5", None),
    ],
)
def test_numbers(written: str, hint: str | None) -> None:
    assert problem("digits_cnn", f"training.optimizer.learning_rate={written}").hint == hint


@pytest.mark.parametrize(
    ("written", "hint"),
    [("1,000", "write 1000, without separators"), ("0,1", None), ("'10'", "write 10, without quotes")],
)
def test_whole_numbers(written: str, hint: str | None) -> None:
    assert problem("digits_cnn", f"training.epochs={written}").hint == hint


@given(st.from_regex(r"[-+]?[0-9]{0,4}([,._][0-9]{1,4}){0,2}", fullmatch=True))
def test_no_hint_makes_another_number(text: str) -> None:
    hint = words._meant_number(text, whole=False)
    if hint is None or not text:
        return
    values = [float(number) for number in re.findall(r"[-+]?[0-9]*\.?[0-9]+(?=[, ]|$)", hint)]
    digits = re.sub(r"[^0-9]", "", text)
    assert values, hint
    for value in values:  # the same digits, a point somewhere among them or none
        assert any(abs(value) == pytest.approx(int(digits) / 10**n) for n in range(len(digits) + 1))


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("0,1", "write 0.1 if a share is meant"),
        ("10%", "write 0.1 if a share is meant"),
        ("'0.1'", "write 0.1 without quotes if a share is meant"),
        ("'10'", None),
        ("1.2.3", None),
    ],
)
def test_shares(written: str, hint: str | None, tmp_path: Path) -> None:
    assert problem("digits_cnn", f"data.validation={written}", cwd=tmp_path).hint == hint


# === a config that is none =================================================================================


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
        ("cat.png", "bm init . drafts a config for a folder of pictures"),
        ("phots.yaml", "did you mean photos.yaml?"),
        ("runs/x-v1", "did you mean runs/x-v1/config.yaml, or --resume runs/x-v1/ to go on with that run?"),
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


# === init_from ==============================================================================================


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
    from bmcli.config import checks

    for kind, name in checks._MODELS.items():
        assert kind in registry_of("model").get(name).kinds  # type: ignore[attr-defined]
