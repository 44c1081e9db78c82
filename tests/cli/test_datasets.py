from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bmcli.cli.app import run as bm
from bmcli.data.named import DATASETS
from bmcli.files.download import File
from tests.cli.test_evaluate import check_golden, plain
from tests.server import Server


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BM_OFFLINE", "1")
    monkeypatch.delenv("BM_DATA_MIRROR", raising=False)


def document(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    assert bm([*args, "--json"]) == 0
    out: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=lambda c: pytest.fail(c))
    return out


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert bm(["datasets"]) == 0
    out = capsys.readouterr().out
    assert plain(out) and all(name in out for name in DATASETS.names())
    listed = document(capsys, "datasets")
    assert [each["name"] for each in listed["datasets"]] == DATASETS.names()
    assert {each["name"] for each in listed["datasets"] if each["available"]} >= {"digits", "diabetes"}
    check_golden("datasets", {**listed, "datasets": [d for d in listed["datasets"] if d["name"] == "mnist"]})


def test_one_in_detail(capsys: pytest.CaptureFixture[str]) -> None:
    assert bm(["datasets", "cifar100"]) == 0
    out = capsys.readouterr().out
    for part in (
        "labels: fine | coarse = fine",
        "Krizhevsky",
        "cifar-100-python.tar.gz",
        "SHA-256",
        "bm datasets get",
    ):
        assert part in out
    check_golden("datasets_name", document(capsys, "datasets", "cifar100"))


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert bm(["datasets", "minst"]) == 2
    assert "did you mean mnist?" in capsys.readouterr().err


def test_getting_what_needs_no_download(capsys: pytest.CaptureFixture[str]) -> None:
    assert bm(["datasets", "get", "digits"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "needs no download" in shown.err


def test_getting_offline_says_what_to_put_where(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert bm(["datasets", "get", "mnist"]) == 3
    assert str(tmp_path / "home/mnist.npz") in capsys.readouterr().err


def test_getting(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.files["mnist.npz"] = content = b"as if" * 1000
    small = File("mnist.npz", "http://x.invalid/", hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setattr(DATASETS.get("mnist"), "files", (small,))
    monkeypatch.setenv("BM_OFFLINE", "")
    monkeypatch.setenv("BM_DATA_MIRROR", server.url)
    found = document(capsys, "datasets", "get", "mnist")
    check_golden("datasets_get", found)
    assert Path(found["downloaded"][0]["path"]).read_bytes() == content
    assert bm(["datasets", "get", "mnist"]) == 0
    assert "is already in" in capsys.readouterr().err and len(server.requests) == 1
    server.http.shutdown()


def test_the_list_needs_no_numpy() -> None:
    code = (
        "import sys; from bmcli.cli.app import run; run(['datasets', '--json'])\n"
        "found = [m for m in ('numpy', 'tensorflow', 'keras', 'PIL', 'polars') if m in sys.modules]\n"
        "print(found, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
