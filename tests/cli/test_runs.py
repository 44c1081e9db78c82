from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.runs import layout
from bmcli.runs.store import RunStore
from tests.conftest import Done

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Four runs: two of digits, one that was interrupted, one that is damaged."""
    store = RunStore(tmp_path / "runs")
    for accuracy, status, tags in (
        (0.9, "completed", ["good"]),
        (0.8, "completed", []),
        (0, "interrupted", []),
    ):
        run = store.create("digits", tags, model="cnn", data="digits", task="multiclass", seed=0)
        run.write_text(layout.CONFIG, "name: digits\n")
        run.seal(
            status,  # type: ignore[arg-type]
            monitor="val_loss",
            best_epoch=2,
            best_value=1 - accuracy,
            epochs=3,
            headline="accuracy",
            metrics={"test": {"accuracy": accuracy, "loss": 1 - accuracy}} if accuracy else {},
        )
    damaged = store.create("hurt")
    damaged.seal("completed")
    (damaged.path / layout.RECORD).write_text("{")
    return store


def shape(value: object) -> object:
    """A document with every leaf replaced by its type's name: what the golden files hold."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def assert_golden(name: str, document: object) -> None:
    expected = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    assert shape(document) == expected, json.dumps(shape(document), indent=2)


def ids(done: Done) -> list[str]:
    assert done.code == 0, done.err
    return [row["run"] for row in done.json["runs"]]


def test_the_table(store: RunStore, invoke: Callable[..., Done]) -> None:
    done = invoke("runs")
    head, *rows = done.out.splitlines()
    assert head.split() == ["run", "status", "created", "time", "model", "data", "best", "test", "tags"]
    assert [row.split()[0] for row in rows] == ["digits-v3", "digits-v2", "digits-v1", "hurt-v1"]
    assert "accuracy 0.900" in rows[2] and rows[2].endswith("good")
    assert "damaged" in rows[3]
    assert "\x1b" not in done.out


def test_a_narrow_terminal_does_without_the_less_important(
    store: RunStore, invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = invoke("runs").out.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].split()[0] == "run" and "tags" not in lines[0] and "test" in lines[0]


def test_filters_and_order(store: RunStore, invoke: Callable[..., Done]) -> None:
    assert ids(invoke("runs", "--json")) == ["digits-v3", "digits-v2", "digits-v1", "hurt-v1"]
    assert ids(invoke("runs", "--json", "--name", "digits")) == ["digits-v3", "digits-v2", "digits-v1"]
    assert ids(invoke("runs", "--json", "--status", "completed")) == ["digits-v2", "digits-v1"]
    assert ids(invoke("runs", "--json", "--status", "damaged")) == ["hurt-v1"]
    assert ids(invoke("runs", "--json", "--tag", "good")) == ["digits-v1"]
    assert ids(invoke("runs", "--json", "--sort", "accuracy"))[:2] == ["digits-v1", "digits-v2"]
    assert ids(invoke("runs", "--json", "--sort", "best"))[:2] == ["digits-v1", "digits-v2"]
    done = invoke("runs", "--sort", "acuracy")
    assert done.code == 2 and "did you mean accuracy?" in done.err


def test_no_runs_is_no_error(invoke: Callable[..., Done]) -> None:
    done = invoke("runs")
    assert (done.code, done.out) == (0, "") and "no runs in runs" in done.err
    assert invoke("runs", "--json").json == {"format": 1, "runs_dir": "runs", "runs": []}


def test_show(store: RunStore, invoke: Callable[..., Done]) -> None:
    lines = invoke("runs", "show", "digits").out.splitlines()
    assert lines[0] == "digits-v2"
    assert any(line.split() == ["best", "epoch", "2,", "val_loss", "0.200"] for line in lines)
    assert invoke("runs", "show", str(store.root / "digits-v1")).out.startswith("digits-v1\n")
    assert invoke("runs", "show", "hurt-v1").code == 4
    assert_golden("runs_show", invoke("runs", "show", "digits-v1", "--json").json | {"record": {}})


def test_json_shapes(store: RunStore, invoke: Callable[..., Done]) -> None:
    assert_golden("runs", invoke("runs", "--json", "--tag", "good").json)
    assert_golden("runs_verify", invoke("runs", "verify", "digits-v1", "--json").json)
    assert_golden("runs_prune", invoke("runs", "prune", "--keep", "1", "--dry-run", "--json").json)
    assert_golden("runs_remove", invoke("runs", "remove", "digits-v1", "--yes", "--json").json)


def test_a_killed_run_says_so(store: RunStore, invoke: Callable[..., Done]) -> None:
    killed = store.create("lost")
    killed._lock.release()  # as the kernel does when a process dies
    (line,) = [line for line in invoke("runs").out.splitlines() if line.startswith("lost-v1")]
    assert "failed (killed)" in line
    assert "failed (killed)" in invoke("runs", "show", "lost-v1").out
    assert [run["run"] for run in invoke("runs", "--status", "failed", "--json").json["runs"]] == ["lost-v1"]


def test_verify(store: RunStore, invoke: Callable[..., Done]) -> None:
    assert invoke("runs", "verify", "digits-v1").out == "✓ digits-v1: 2 files checked, all intact\n"
    (store.root / "digits-v1" / layout.CONFIG).write_text("name: other\n")
    done = invoke("runs", "verify", "digits-v1")
    assert done.code == 4 and "config.yaml is damaged or changed" in done.err
    assert invoke("runs", "verify", "digits-v1", "--json").json["error"]["code"] == "integrity"
    assert invoke("runs", "verify", "hurt-v1").code == 4
    assert invoke("runs", "verify", f"{store.root}/hurt-v1").code == 4


def test_remove_takes_ids_only_and_all_or_none(store: RunStore, invoke: Callable[..., Done]) -> None:
    done = invoke("runs", "remove", "digits", "--yes")
    assert done.code == 2 and "give a run id: digits-v3" in done.err
    assert invoke("runs", "remove", "digits-v1", "digits-v9", "--yes").code == 2
    assert invoke("runs", "remove", "../x-v1", "--yes").code == 2
    assert len(store.all()) == 4
    assert invoke("runs", "remove", "digits-v1", "hurt-v1", "--yes").out == "removed digits-v1, hurt-v1\n"
    assert [run.id for run in store.all()] == ["digits-v3", "digits-v2"]


def test_prune_keeps_the_newest_of_each_name_and_running_ones(
    store: RunStore, invoke: Callable[..., Done]
) -> None:
    running = store.create("digits")
    done = invoke("runs", "prune", "--keep", "1", "--dry-run")
    assert done.out == "would remove digits-v3, digits-v2, digits-v1\n"
    assert len(store.all()) == 5
    assert invoke("runs", "prune", "--keep", "2", "--name", "digits", "--yes").code == 0
    assert {run.path.name for run in store.all()} == {"digits-v4", "digits-v3", "hurt-v1"}
    assert invoke("runs", "prune", "--keep", "0", "--yes").code == 0
    assert [run.id for run in store.all()] == [running.id]
    assert invoke("runs", "prune", "--keep", "0", "--yes").out == "nothing to remove\n"
    assert invoke("runs", "prune").code == 2


def test_the_table_is_cut_after_n_and_list_is_the_same(store: RunStore, invoke: Callable[..., Done]) -> None:
    where = ("--json", "--runs-dir", str(store.root))
    every = ids(invoke("runs", *where))
    assert ids(invoke("runs", "list", *where)) == every
    assert ids(invoke("runs", "-n", "2", *where)) == every[:2]
    assert invoke("runs", "-n", "0", *where).code == 2


def test_colour_is_for_who_can_show_it(
    store: RunStore, invoke: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--runs-dir", str(store.root))
    plain = invoke("runs", *where).out
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = invoke("runs", *where).out
    assert "\x1b[32mcompleted\x1b[0m" in coloured and "\x1b[1;31mdamaged\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b[1;31merror: \x1b[0m" in invoke("runs", "show", "nothing", *where).err
    monkeypatch.setenv("NO_COLOR", "1")
    assert invoke("runs", *where).out == plain


def test_labels_are_given_and_taken_away(store: RunStore, invoke: Callable[..., Done]) -> None:
    where = ("--runs-dir", str(store.root))
    done = invoke("runs", "tag", "digits-v2", "good", "try", *where)
    assert (done.code, done.out) == (0, "digits-v2: good try\n"), done.err
    assert ids(invoke("runs", "--tag", "good", "--json", *where)) == ["digits-v2", "digits-v1"]
    assert invoke("runs", "tag", "digits-v2", "good", "--remove", "--json", *where).json["tags"] == ["try"]
    assert invoke("runs", "verify", "digits-v2", "--files-only", *where).code == 0
    absent = invoke("runs", "tag", "digits-v2", "good", "--remove", *where)
    assert absent.code == 2 and "no tag 'good'" in absent.err and "tags: try" in absent.err
    assert invoke("runs", "tag", "digits-v2", "x" * 5000, *where).code == 2
    assert store.exact("digits-v2").record.tags == ("try",)
