from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from bmcli.core.errors import DataError, IntegrityError, ResourceError
from bmcli.files import download
from bmcli.files.download import File, fetch
from tests.server import Server

CONTENT = bytes(range(256)) * 4096
FILE = File(
    "set/data.bin", "http://unreachable.invalid/data.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT)
)


@pytest.fixture
def home(tmp_path: Path, server: Server) -> Path:
    server.files["set/data.bin"] = CONTENT
    return tmp_path / "home"


def test_a_file_arrives_whole_and_is_reported(home: Path, server: Server) -> None:
    seen: list[tuple[str, int, int]] = []
    path = fetch(FILE, home, lambda *step: seen.append(step))
    assert path == home / "set/data.bin" and path.read_bytes() == CONTENT
    assert seen[-1] == ("set/data.bin", len(CONTENT), len(CONTENT))
    assert not path.with_name("data.bin.part").exists()
    fetch(FILE, home)
    assert len(server.requests) == 1, "what is there is not fetched again"


def test_a_broken_connection_is_resumed_where_it_stopped(home: Path, server: Server) -> None:
    server.cut_after = 300_000
    assert fetch(FILE, home).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-"]


def test_a_partial_file_of_an_earlier_process_is_resumed(home: Path, server: Server) -> None:
    (home / "set").mkdir(parents=True)
    (home / "set/data.bin.part").write_bytes(CONTENT[:1000])
    assert fetch(FILE, home).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-"]


def test_a_server_without_range_starts_from_the_beginning(home: Path, server: Server) -> None:
    server.ranges = False
    server.cut_after = 300_000
    assert fetch(FILE, home).read_bytes() == CONTENT


@pytest.mark.parametrize("start", [b"wrong" * 1000, CONTENT + b"longer", bytes(len(CONTENT))])
def test_a_spoilt_partial_file_is_fetched_anew(home: Path, start: bytes) -> None:
    (home / "set").mkdir(parents=True)
    (home / "set/data.bin.part").write_bytes(start)
    assert fetch(FILE, home).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"!", CONTENT + b"more"])
def test_wrong_content_is_refused_and_nothing_stays(home: Path, server: Server, content: bytes) -> None:
    server.files["set/data.bin"] = content
    with pytest.raises(IntegrityError, match="SHA-256") as error:
        fetch(FILE, home)
    assert error.value.exit_code == 4
    assert [p.name for p in (home / "set").iterdir() if not p.name.endswith(".lock")] == []


def test_content_that_is_too_short_says_so_and_stays_for_the_next_time(home: Path, server: Server) -> None:
    server.files["set/data.bin"] = CONTENT[:5000]
    with pytest.raises(DataError, match="cannot download"):
        fetch(FILE, home)
    assert not (home / "set/data.bin").exists()


def test_a_missing_file_or_a_dead_server_is_a_data_error(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files.clear()
    with pytest.raises(DataError, match="404") as refused:
        fetch(FILE, home)
    # Another attempt would end like this one.
    assert len(server.requests) == 1 and "again" not in (refused.value.hint or "")
    assert "must have it as set/data.bin" in (refused.value.hint or "")
    monkeypatch.setenv("BM_DATA_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="cannot download") as error:
        fetch(FILE, home)
    assert str(home / "set/data.bin") in (error.value.hint or "")
    monkeypatch.setenv("BM_DATA_MIRROR", "no url")
    with pytest.raises(DataError, match="cannot download"):
        fetch(FILE, home)


def test_offline_nothing_is_asked_and_the_error_says_what_to_put_where(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BM_OFFLINE", "1")
    with pytest.raises(DataError) as error:
        fetch(FILE, home)
    hint = error.value.hint or ""
    assert str(home / "set/data.bin") in hint and FILE.sha256 in hint
    assert server.requests == [] and not home.exists()


def test_the_origin_is_used_without_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BM_DATA_MIRROR", raising=False)
    assert download.address(FILE) == FILE.url
    monkeypatch.setenv("BM_DATA_MIRROR", "http://mirror/sets/")
    assert download.address(FILE) == "http://mirror/sets/set/data.bin"


def test_a_home_that_cannot_be_written_is_a_resource_error(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file in the way")
    with pytest.raises(ResourceError, match="cannot write"):
        fetch(FILE, home)


def test_two_at_once_fetch_it_once(home: Path, server: Server) -> None:
    threads = [threading.Thread(target=fetch, args=(FILE, home)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (home / "set/data.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1
