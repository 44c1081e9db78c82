from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bmcli.cli.app import run as bm
from tests.linear_run import MakeRun

GOLDEN = Path(__file__).parent / "golden"
UPDATE = bool(os.environ.get("BM_UPDATE_GOLDEN"))  # read here: tests run without BM_ variables
DIGITS: dict[str, Any] = {"data": {"name": "digits", "limit": 150}}


def shape(value: Any) -> Any:
    """A document's shape: keys, and the types of what they hold; of a list, its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return {"bool": "boolean", "str": "text", "NoneType": "null"}.get(type(value).__name__, "number")


def check_golden(name: str, document: dict[str, Any]) -> None:
    """Compare with the golden file; BM_UPDATE_GOLDEN=1 writes it anew."""
    path = GOLDEN / f"{name}.json"
    text = json.dumps({"format": document["format"], "shape": shape(document)}, indent=2) + "\n"
    if UPDATE:
        path.write_text(text)
    assert text == path.read_text()


def plain(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.fixture(autouse=True)
def _runs(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BM_RUNS_DIR", str(store.root))


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_json_is_one_strict_document(
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    make_run({"data": {"name": name, "limit": 150}})
    assert bm(["evaluate", "latest", "--json"]) == 0
    out = capsys.readouterr().out
    document = json.loads(out, parse_constant=lambda c: pytest.fail(c))
    assert document["run"] == "trial-v1" and document["split"] == "test"
    check_golden(f"evaluate_{name}", document)


def test_the_table_is_plain_in_a_pipe(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(DIGITS)
    assert bm(["evaluate", "trial", "--split", "validation"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("validation, 144 examples     95 % interval\n")
    assert "accuracy" in captured.out and "always '" in captured.out
    assert plain(captured.out) and plain(captured.err)
    assert "evaluation/validation.json" in captured.err
    assert bm(["evaluate", "trial", "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_hostile_class_names_stay_text(
    make_run: MakeRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = ["x,kind"]
    for i in range(40):
        lines += [f"{i % 7},[red]\x1b[31mrose[/]", f"{i % 5},=1+1"]
    path = tmp_path / "hostile.csv"
    path.write_text("\n".join(lines) + "\n")
    make_run({"data": {"path": str(path), "target": "kind"}})
    assert bm(["evaluate", "trial"]) == 0
    captured = capsys.readouterr()
    assert "[red]\\x1b[31mrose[/]" in captured.out
    assert plain(captured.out + captured.err)


def test_errors_have_their_exit_codes(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(DIGITS)
    assert bm(["evaluate", "nobody"]) == 2
    assert bm(["evaluate", "trial", "--split", "holdout"]) == 2
    assert bm(["evaluate", "trial", "--data", "nowhere.csv"]) == 3
    capsys.readouterr()
    (run.path / "model.onnx").write_bytes(b"")
    assert bm(["evaluate", "trial", "--json"]) == 4
    captured = capsys.readouterr()
    assert json.loads(captured.out or captured.err)["error"]["code"] == "integrity"


def test_untrusted_code_is_asked_about(
    make_run: MakeRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.py").write_text("X = 1\n")
    make_run({**DIGITS, "code": ["mine.py"]})
    assert bm(["evaluate", "trial"]) == 2
    assert "--trust-code" in capsys.readouterr().err
    assert bm(["evaluate", "trial", "--trust-code"]) == 0


def test_evaluating_through_onnx_imports_no_tensorflow(make_run: MakeRun) -> None:
    make_run(DIGITS)
    code = (
        "import sys; from bmcli.cli.app import run; assert run(['evaluate', 'trial', '--json']) == 0; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
