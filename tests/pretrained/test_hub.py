"""Weights by name: fetched from a hub once, verified, and found again without it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bmcli.core.errors import BmError, ConfigError, DataError, IntegrityError, ResourceError
from bmcli.pretrained import tensors
from bmcli.pretrained.folder import architecture_of, weights_of
from bmcli.pretrained.hub import places, snapshot
from bmcli.pretrained.hub.names import HubName, parse
from bmcli.pretrained.hub.snapshot import fetch_snapshot
from tests.hub import COMMIT, HubServer
from tests.pretrained.architectures import BERT

NAME = "org/tiny-bert"
README = b"---\nlicense: apache-2.0\n---\n# Tiny\n"


@pytest.fixture
def repository(hub: HubServer) -> dict[str, bytes]:
    """Of NAME, as many a repository is: with files that are not needed."""
    hub.add(NAME, BERT, README__md=README, pytorch_model__bin=b"pickled")
    files = hub.repositories[NAME]
    files["onnx/model.onnx"] = b"not needed"
    files["1_Pooling/config.json"] = b'{"pooling_mode_mean_tokens": true}'
    return files


def test_a_name_is_read_strictly() -> None:
    assert parse("hf:org/name") == HubName("org/name")
    assert parse("hf:org/na.me_1@refs/pr/2") == HubName("org/na.me_1", "refs/pr/2")
    assert parse(f"hf:org/name@{COMMIT}").commit == COMMIT and parse("hf:org/name@v1").commit is None
    bad = ("name", "org/name/more", "../name", "org/..", "org/a--b", "org/name@", "org/name@../x")
    for text in (*bad, "org/name@a//b", "org/na me", "", "o/" + "n" * 97):
        text = f"hf:{text}"
        with pytest.raises(ConfigError):
            parse(text)
    with pytest.raises(ConfigError, match="did you mean hf:google-bert/bert-base-uncased"):
        parse("hf:bert-base-uncased")


def test_what_is_needed_is_fetched_once(hub: HubServer, repository: dict[str, bytes]) -> None:
    seen: list[tuple[str, int, int]] = []
    name = HubName(NAME)
    assert places.found(name) is None
    folder = fetch_snapshot(name, lambda *step: seen.append(step))
    needed = {"config.json", "tokenizer_config.json", "vocab.txt", "model.safetensors", "README.md"}
    needed.add("1_Pooling/config.json")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == needed
    assert set(hub.paths()) == needed
    assert all((folder / path).read_bytes() == repository[path] for path in needed)
    whole = sum(len(repository[path]) for path in needed)
    assert seen[-1] == (f"hf:{NAME}", whole, whole) and [step[1] for step in seen] == sorted(
        s[1] for s in seen
    )
    assert weights_of(folder, architecture_of(folder)).unused
    asked = len(hub.asked)
    assert places.found(name) == folder and places.found(name.at(COMMIT)) == folder
    assert len(hub.asked) == asked, "no network"
    assert fetch_snapshot(name) == folder and len(hub.asked) == asked + 1, "the hub says which commit it is"


def test_a_download_that_was_stopped_goes_on(hub: HubServer, repository: dict[str, bytes]) -> None:
    class Killed(BaseException):
        pass

    def kill(_: str, done: int, whole: int) -> None:
        if done > whole // 2:
            raise Killed

    with pytest.raises(Killed):
        fetch_snapshot(HubName(NAME), kill)
    assert places.found(HubName(NAME)) is None
    (part,) = places.own_home().rglob("model.safetensors.part")
    kept = repository["model.safetensors"][:20_000]
    part.write_bytes(kept)  # as if it had been killed there
    hub.asked.clear()
    folder = fetch_snapshot(HubName(NAME))
    assert (folder / "model.safetensors").read_bytes() == repository["model.safetensors"]
    assert hub.paths() == ["model.safetensors"], "what was whole is not fetched again"
    assert [one.headers["Range"] for one in hub.asked if one.host == "store"] == ["bytes=20000-"]
    assert not list(places.own_home().rglob("*.part"))


def test_a_connection_that_breaks_is_resumed(hub: HubServer, repository: dict[str, bytes]) -> None:
    hub.cut = 10_000
    folder = fetch_snapshot(HubName(NAME))
    assert (folder / "model.safetensors").read_bytes() == repository["model.safetensors"]
    assert [one.headers["Range"] for one in hub.asked if one.host == "store"] == [None, "bytes=10000-"]


@pytest.mark.parametrize("path", ["model.safetensors", "vocab.txt"])
@pytest.mark.parametrize("longer", [False, True])
def test_other_bytes_than_the_hubs_hash_are_refused(
    hub: HubServer, repository: dict[str, bytes], path: str, longer: bool
) -> None:
    data = repository[path]
    hub.changed[path] = data + b"more" if longer else b"!" + data[1:]
    with pytest.raises(IntegrityError, match="SHA-256" if "model" in path else "Git SHA-1") as error:
        fetch_snapshot(HubName(NAME))
    assert path in error.value.message
    assert places.found(HubName(NAME)) is None


def test_the_token_goes_to_the_hub_alone(
    hub: HubServer, repository: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(DataError, match="HTTP 401") as refused:
        fetch_snapshot(HubName(NAME))
    assert "HF_TOKEN" in (refused.value.hint or "")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.asked.clear()
    fetch_snapshot(HubName(NAME))
    sent = {one.host: one.headers["Authorization"] for one in hub.asked}
    assert sent == {"hub": "Bearer hf_secret", "store": None}
    assert not any("hf_secret" in one.path for one in hub.asked)
    assert not any("hf_secret" in str(one.headers) for one in hub.asked if one.host == "store")


@pytest.mark.parametrize(
    ("status", "advice"),
    [(403, "access has to be asked for"), (404, "check the name"), (429, "too many requests"), (503, "")],
)
def test_a_refusal_says_what_to_do(
    hub: HubServer, repository: dict[str, bytes], status: int, advice: str
) -> None:
    hub.status = status
    with pytest.raises(DataError, match=f"HTTP {status} .* for hf:{NAME}") as error:
        fetch_snapshot(HubName(NAME))
    assert advice in (error.value.hint or "")
    assert len(hub.asked) == (1 if status in (403, 404) else 4)
    assert not list(places.own_home().rglob("*.safetensors"))


def test_a_repository_or_revision_that_is_not_there(hub: HubServer, repository: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match="HTTP 404"):
        fetch_snapshot(HubName("org/other"))
    with pytest.raises(DataError, match="no revision v9"):
        fetch_snapshot(HubName(NAME, "v9"))


def test_a_hub_that_is_not_there(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"cannot reach http://127\.0\.0\.1:9"):
        fetch_snapshot(HubName(NAME))
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    with pytest.raises(ConfigError, match="HF_ENDPOINT"):
        fetch_snapshot(HubName(NAME))


def test_offline_says_what_to_put_where(
    hub: HubServer, repository: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BM_OFFLINE", "1")
    with pytest.raises(DataError, match=f"hf:{NAME} is not on this machine") as error:
        fetch_snapshot(HubName(NAME))
    hint = error.value.hint or ""
    assert f"bm models get hf:{NAME}" in hint and str(places.own_home() / "models--org--tiny-bert") in hint
    assert hub.asked == []


def test_a_simple_mirror(hub: HubServer, repository: dict[str, bytes]) -> None:
    """It knows no HEAD, and does not redirect; or does not say sizes."""
    hub.linked_size = False
    fetch_snapshot(HubName(NAME))
    shutil.rmtree(places.own_home())
    hub.head = hub.redirects = False
    folder = fetch_snapshot(HubName(NAME))
    assert (folder / "model.safetensors").read_bytes() == repository["model.safetensors"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "/org/tiny-bert/resolve/main/model.safetensors"])
def test_redirects_to_nowhere_are_not_followed(
    hub: HubServer, repository: dict[str, bytes], target: str
) -> None:
    hub.target = target
    with pytest.raises(DataError, match=r"is not followed|too many redirects|cannot download"):
        fetch_snapshot(HubName(NAME))
    assert places.found(HubName(NAME)) is None


def test_shards_are_fetched_with_their_index(hub: HubServer, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(BERT, tmp_path / "sharded")
    folder = tmp_path / "sharded"
    weights = load_file(folder / tensors.WEIGHTS)
    (folder / tensors.WEIGHTS).unlink()
    half = dict(list(weights.items())[::2])
    names = {name: f"model-0000{1 if name in half else 2}-of-00002.safetensors" for name in weights}
    save_file(half, folder / "model-00001-of-00002.safetensors")
    rest = {name: one for name, one in weights.items() if name not in half}
    save_file(rest, folder / "model-00002-of-00002.safetensors")
    (folder / tensors.INDEX).write_text(json.dumps({"weight_map": names}))
    hub.add(NAME, folder)
    found = fetch_snapshot(HubName(NAME))
    assert len(tensors.files_of(found)) == 2 and weights_of(found, architecture_of(found))
    shutil.rmtree(places.own_home())
    wrong = {"../../evil.safetensors": "not a safetensors file beside it", "x.safetensors": "has no x"}
    for bad, error in wrong.items():
        index = {"weight_map": {**names, "more": bad}}
        hub.repositories[NAME][tensors.INDEX] = json.dumps(index).encode()
        with pytest.raises(IntegrityError, match=error):
            fetch_snapshot(HubName(NAME))


def test_pickled_weights_are_refused_with_the_command(hub: HubServer, repository: dict[str, bytes]) -> None:
    del repository["model.safetensors"]
    with pytest.raises(ConfigError, match=r"has only pytorch_model\.bin, which is pickled") as error:
        fetch_snapshot(HubName(NAME))
    assert f"from_pretrained('{NAME}').save_pretrained('tiny-bert')" in (error.value.hint or "")
    del repository["pytorch_model.bin"]
    repository["tf_model.h5"] = b""
    with pytest.raises(ConfigError, match=r"has no model\.safetensors; tf_model\.h5 cannot be read"):
        fetch_snapshot(HubName(NAME))
    assert hub.paths() == []


def said(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: {**document, **changes}


def listing(path: object, **about: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: {
        **document, "siblings": [*document["siblings"], {"rfilename": path, **about}],
    }  # fmt: skip


WEIGHTS, ZEROS = "model.safetensors", "0" * 64
HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], Any], type[BmError], str]] = {
    "a path that escapes": (listing("../../etc/passwd"), IntegrityError, "not the path of a file"),
    "an absolute path": (listing("/etc/passwd"), IntegrityError, "not the path of a file"),
    "a backslash": (listing("..\\x"), IntegrityError, "not the path of a file"),
    "no path": (listing(""), IntegrityError, "not the path of a file"),
    "no files": (said(siblings=None), IntegrityError, "does not list files"),
    "a commit that escapes": (said(sha="../../../evil"), IntegrityError, "names no commit"),
    "no commit": (said(sha=None), IntegrityError, "names no commit"),
    "a huge config": (listing("config.json", size=2**40, blobId=ZEROS), IntegrityError, "config.json of"),
    "huge weights": (listing(WEIGHTS, size=2**50, lfs={"sha256": ZEROS}), IntegrityError, f"{WEIGHTS} of"),
    "no room": (listing(WEIGHTS, size=2**35, lfs={"sha256": ZEROS}), ResourceError, "are free"),
    "no map": (lambda _: [], IntegrityError, "does not answer with a map"),  # type: ignore[dict-item, return-value]
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_listing_is_refused(
    hub: HubServer, repository: dict[str, bytes], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, error, message = HOSTILE[case]
    hub.listing = change
    usage = shutil.disk_usage
    monkeypatch.setattr(snapshot.shutil, "disk_usage", lambda path: usage(path)._replace(free=2**30))
    with pytest.raises(error, match=message):
        fetch_snapshot(HubName(NAME))
    assert hub.paths() == [] and places.found(HubName(NAME)) is None


def test_what_cannot_be_used_is_refused_before_the_weights(
    hub: HubServer, repository: dict[str, bytes]
) -> None:
    def examine(folder: Path) -> None:
        assert (folder / "vocab.txt").is_file()
        raise ConfigError("not supported")

    with pytest.raises(ConfigError, match="not supported"):
        fetch_snapshot(HubName(NAME), None, examine)
    assert "model.safetensors" not in hub.paths()


def cached(folder: Path, files: dict[str, bytes], ref: str | None = "main", commit: str = COMMIT) -> Path:
    """As huggingface_hub keeps them."""
    repository = folder / "hub" / "models--org--tiny-bert"
    for path, data in files.items():
        file = repository / "snapshots" / commit / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    if ref is not None:
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / ref).write_text(commit)
    return repository / "snapshots" / commit


def test_the_users_cache_is_read(
    hub: HubServer, repository: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    files = {path: repository[path] for path in ("config.json", "model.safetensors", "vocab.txt")}
    folder = cached(tmp_path / "hf", files)
    assert places.found(HubName(NAME)) == folder and places.is_cached(folder)
    assert places.repositories() == {NAME: folder}
    assert hub.asked == []
    # On demand, what another program has left out is fetched, and nothing else.
    own = fetch_snapshot(HubName(NAME))
    assert own != folder and (own / "1_Pooling/config.json").is_file()
    assert not set(hub.paths()) & set(files)
    assert places.found(HubName(NAME)) == own
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert places.cache() == tmp_path / "elsewhere"


def test_half_a_cache_is_none(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    cached(tmp_path / "hf", {"config.json": b"{}"})
    assert places.found(HubName(NAME)) is None
    (tmp_path / "hf/hub/models--org--tiny-bert/refs/main").write_text("../../../..")
    assert places.found(HubName(NAME)) is None and places.repositories() == {}
