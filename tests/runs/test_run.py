from __future__ import annotations

import json
from pathlib import Path

import pytest

from bmcli.core.errors import IntegrityError
from bmcli.runs import layout
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return RunStore(tmp_path / "runs").create("digits")


def test_growing_files_join_the_manifest_with_the_seal(run: Run) -> None:
    run.append_line(layout.METRICS, '{"epoch": 1}')
    run.append_line(layout.METRICS, '{"epoch": 2}')
    assert layout.METRICS not in run.manifest()
    run.seal("completed", best_epoch=2)
    assert run.read_text(layout.METRICS) == '{"epoch": 1}\n{"epoch": 2}\n'
    assert layout.METRICS in run.manifest()
    assert (run.status, run.record.best_epoch) == ("completed", 2)
    assert run.record.seconds is not None and run.record.finished is not None
    run.append_line(layout.METRICS, '{"epoch": 3}')
    assert not run.verify().problems and not run.verify().unverified


def test_a_resumed_run_grows_on(run: Run) -> None:
    run.append_line(layout.METRICS, "1")
    run.seal("interrupted")
    again = Run(run.path)
    again.open()
    again.append_line(layout.METRICS, "2")
    assert again.read_text(layout.METRICS) == "1\n2\n"
    again.seal("completed")
    assert not Run(run.path).verify().problems


def test_update_keeps_keys_of_other_versions(run: Run) -> None:
    document = json.loads(run.read_text(layout.RECORD))
    run.write_text(layout.RECORD, json.dumps({**document, "from_the_future": [1, 2]}))
    run.update(precision="bfloat16")
    found = json.loads(run.read_text(layout.RECORD))
    assert (found["from_the_future"], found["precision"]) == ([1, 2], "bfloat16")
    with pytest.raises(TypeError):
        run.update(no_such_field=1)


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"status": "odd"}, {"tags": "x"}, {"id": None}, {"seconds": "1"}, {"version": True}],
)
def test_a_record_that_cannot_be_trusted(run: Run, change: dict[str, object]) -> None:
    document = json.loads(run.read_text(layout.RECORD))
    run.write_text(layout.RECORD, json.dumps({**document, **change}))
    with pytest.raises(IntegrityError):
        _ = Run(run.path).record
