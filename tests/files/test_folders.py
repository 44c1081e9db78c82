"""Folders as people have them: what is read into their names, what is refused, and that it is said."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.core.errors import ConfigError, DataError
from bmcli.files import folder_layout, folder_listing, folder_scan, patterns
from bmcli.files.folders import Rules, Scan

Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Empty files at these paths ('a/{0..3}.jpg' makes four; a slash at the end a folder); the root."""

    def make_(paths: str) -> Path:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for path in paths.split("\n"):
            path = path.strip()
            names = [path.replace("{}", str(i)) for i in range(3)] if "{}" in path else [path]
            for name in filter(None, names):
                if name.endswith("/"):
                    (root / name).mkdir(parents=True, exist_ok=True)
                    continue
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).touch()
        return root

    return make_


def scan(root: Path, **rules: object) -> Scan:
    return folder_scan.scan(folder_layout.layout(root, Rules(**rules)))  # type: ignore[arg-type]


def classes(found: Scan) -> dict[str, list[str]]:
    return {split: sorted({file.label for file in files}) for split, files in found.files.items()}


# === Splits ===

SPLITS = {
    "Kaggle's MRI": "Training/a/{}.jpg\nTraining/b/{}.jpg\nTesting/a/{}.jpg\nTesting/b/{}.jpg",
    "data": "train_data/a/{}.jpg\ntrain_data/b/{}.jpg\ntest_data/a/{}.jpg\ntest_data/b/{}.jpg",
    "sets": "training_set/a/{}.jpg\ntraining_set/b/{}.jpg\ntest_set/a/{}.jpg\ntest_set/b/{}.jpg",
    "prefix": "seg_train/a/{}.jpg\nseg_train/b/{}.jpg\nseg_test/a/{}.jpg\nseg_test/b/{}.jpg",
    "twice": "seg_train/seg_train/a/{}.jpg\nseg_train/seg_train/b/{}.jpg\nseg_test/seg_test/a/{}.jpg"
    "\nseg_test/seg_test/b/{}.jpg\nseg_pred/seg_pred/{}.jpg",
    "around": "archive/Train/a/{}.jpg\narchive/Train/b/{}.jpg\narchive/Test/a/{}.jpg\narchive/Test/b/{}.jpg",
    "inside": "train/images/a/{}.jpg\ntrain/images/b/{}.jpg\ntest/images/a/{}.jpg\ntest/images/b/{}.jpg",
    "mixed": "Train_images/a/{}.jpg\nTrain_images/b/{}.jpg\ntest 2/a/{}.jpg\ntest 2/b/{}.jpg",
    "unlike": "chest_train/a/{}.jpg\nchest_train/b/{}.jpg\nchests_test/a/{}.jpg\nchests_test/b/{}.jpg",
}


@pytest.mark.parametrize("paths", SPLITS.values(), ids=SPLITS)
def test_splits_by_folders(make: Make, paths: str) -> None:
    found = scan(make(paths))
    assert classes(found) == {"train": ["a", "b"], "test": ["a", "b"]}
    assert not found.problems
    plain = {name.rsplit("/", 1)[-1].lower() for name in found.folders.values()}
    assert found.notes or plain <= {"train", "training", "test", "testing"}, "what is inferred is said"


def test_pairs_of_class_names_are_no_splits(make: Make) -> None:
    found = scan(make("steam_train/{}.jpg\nbullet_train/{}.jpg\ntram/{}.jpg"))
    assert classes(found) == {"train": ["bullet_train", "steam_train", "tram"]}
    found = scan(make("train_station/{}.jpg"))
    assert "train_station" in classes(found)["train"]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ("train/a/{}.jpg\nTraining/a/{}.jpg", "Training and train are both the train split"),
        ("train_1/a/{}.jpg\ntrain_2/a/{}.jpg\ntest/a/{}.jpg", "train_1 and train_2 are both"),
        ("train/a/{}.jpg\ntrain/b/{}.jpg\nval/a/{}.jpg\nvalidation/a/{}.jpg", "val and validation are both"),
        ("train/{}.jpg\nplane/{}.jpg", "no class folder"),
        ("train/{}.jpg\ntest/{}.jpg", "train/ holds 3 images, and no class folder"),
        ("a/{}.jpg\nb/{}.jpg\ntest/{}.jpg", "test/ has the name of a split"),
        ("valid/{}.jpg\ninvalid/{}.jpg", "valid/ has the name of a split"),
        ("test/a/{}.jpg\nval/a/{}.jpg", "have names of splits"),
    ],
)
def test_splits_that_cannot_be_told(make: Make, paths: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        scan(make(paths))
    assert "data.split_folders: false" in (error.value.hint or "")
    root = make("")
    labels = classes(scan(root, split_folders=False))["train"]
    assert labels == sorted(entry.name for entry in root.iterdir())


def test_splits_inside_the_class_folders_are_refused(make: Make) -> None:
    root = make("cat/train/{}.jpg\ncat/test/{}.jpg\ndog/train/{}.jpg\ndog/test/{}.jpg")
    with pytest.raises(DataError, match="hold split folders of their own"):
        scan(root)
    assert classes(scan(root, split_folders=False)) == {"train": ["cat", "dog"]}


def test_the_parts_of_a_run_s_data_are_read_by_its_classes(make: Make) -> None:
    root = make("seg_test/seg_test/a/{}.jpg\nseg_test/seg_test/b/{}.jpg")
    for folder in (root, root / "seg_test", root / "seg_test/seg_test"):
        assert classes(scan(folder, classes=("a", "b", "c"))) == {"train": ["a", "b"]}
    one = make("x/").parent / "one"
    (one / "a/clip1").mkdir(parents=True)
    (one / "a/clip1/0.jpg").touch()
    assert classes(scan(one, classes=("a", "b"))) == {"train": ["a"]}, "one class is no useless level"


# === Useless levels ===


@pytest.mark.parametrize("level", ["archive", "archive/dataset", "images", "cats_and_dogs/cats_and_dogs"])
def test_useless_levels(make: Make, level: str) -> None:
    found = scan(make(f"{level}/a/{{}}.jpg\n{level}/b/{{}}.jpg\narchive.csv\n"))
    assert classes(found) == {"train": ["a", "b"]}
    assert any(f"{level}/" in note and "skipped" in note for note in found.notes)
    assert any("archive.csv" in note for note in found.notes)
    assert found.files["train"][0].name == f"{level}/a/0.jpg", "an id is the path in the folder"


@pytest.mark.parametrize(
    "paths",
    [
        "images/a/{}.jpg\nimages/b/{}.jpg\nannotations/a{}.xml",
        "data/images/a/{}.jpg\ndata/images/b/{}.jpg\ndata/labels/a/{}.txt\ndata/code/x.py",
        "photos/a/{}.jpg\nphotos/b/{}.jpg\nempty/",
    ],
)
def test_folders_without_examples_beside_the_images(make: Make, paths: str) -> None:
    found = scan(make(paths))
    assert classes(found) == {"train": ["a", "b"]} and not found.problems
    assert any(note.startswith("not used, as") for note in found.notes)


@pytest.mark.parametrize("parts", ["images masks", "train/images train/labels", "img gt", "images Masks_png"])
def test_parts_of_examples_are_no_classes(make: Make, parts: str) -> None:
    root = make("\n".join(f"{part}/{{}}.jpg" for part in parts.split()))
    with pytest.raises(DataError, match="not the names of classes"):
        scan(root)
    assert len(classes(scan(root, split_folders=False))["train"]) == 2


def test_an_archive_unpacked_into_itself(make: Make) -> None:
    found = scan(make("a/{}.jpg\nb/{}.jpg\ncells/a/{}.jpg\ncells/b/{}.jpg"))
    (problem,) = found.problems
    assert problem.place is not None and problem.place.file == "cells" and "a copy" in problem.message
    assert classes(found) == {"train": ["a", "b"]}


# === Test folders without classes ===


@pytest.mark.parametrize(
    "paths",
    ["test/{}.jpg", "Testing/test/{}.jpg", "test/images/{}.jpg", "test/unknown/{}.jpg", "test_data/{}.jpg"],
)
def test_a_test_folder_without_class_folders(make: Make, paths: str) -> None:
    found = scan(make(f"train/a/{{}}.jpg\ntrain/b/{{}}.jpg\n{paths}"), cuts=("test",))
    assert classes(found) == {"train": ["a", "b"]} and not found.problems
    (note,) = [note for note in found.notes if "3 images without class folders: not used" in note]
    assert "cut from training instead" in note


def test_a_class_called_unknown(make: Make) -> None:
    found = scan(make("train/a/{}.jpg\ntrain/unknown/{}.jpg\ntest/unknown/{}.jpg"))
    assert classes(found) == {"train": ["a", "unknown"], "test": ["unknown"]}


def test_an_empty_test_folder(make: Make) -> None:
    found = scan(make("train/a/{}.jpg\ntrain/b/{}.jpg\ntest/\nval/a/"))
    assert classes(found) == {"train": ["a", "b"]}
    assert len([note for note in found.notes if "empty" in note]) == 2


# === Classes in names ===


@pytest.mark.parametrize(
    "paths",
    ["{}", "train/{}", "train/train/{}", "Training/{}\nTesting/cat.9.jpg\nTesting/dog.9.jpg"],
)
def test_classes_in_file_names(make: Make, paths: str) -> None:
    lines = [
        line.replace("{}", f"{name}.{i}.jpg")
        for line in paths.split("\n")
        for name in ("cat", "dog")
        for i in range(3)
    ]
    root = make("\n".join(lines))
    with pytest.raises(DataError, match="class folder") as error:
        scan(root)
    assert "data.class_pattern: '^(cat|dog)'" in (error.value.hint or "")
    found = scan(root, class_pattern="^(cat|dog)")
    assert all(labels == ["cat", "dog"] for labels in classes(found).values()) and not found.problems
    with pytest.raises(DataError, match=r"matches none of 6 names, such as 'cat\.0\.jpg'"):
        scan(root, class_pattern="horse")


def test_a_pattern_on_nested_folders_and_what_it_does_not_match(make: Make) -> None:
    root = make("2019/cat-{}.jpg\n2020/dog-{}.jpg\n2020/horse.jpg\nnotes.md")
    found = scan(root, class_pattern=r"\d+/(cat|dog)-")
    assert classes(found) == {"train": ["cat", "dog"]}
    assert found.files["train"][0].inner == "2019/cat-0.jpg"
    (problem,) = found.problems
    assert problem.message == "data.class_pattern does not match '2020/horse.jpg'"


@pytest.mark.parametrize("pattern", ["(", "[", "*a", "a" * 2000, "(?:" * 400 + "a" + ")*" * 400])
def test_patterns_that_are_none(make: Make, pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.class_pattern"):
        scan(make("cat.{}.jpg"), class_pattern=pattern)


def test_a_pattern_that_would_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.05)
    matcher = patterns.NamePattern(r"^(([a-z])+.)+[A-Z]([a-z])+$", "data.group")
    with pytest.raises(ConfigError, match="takes too long"):
        for _ in range(100):
            matcher.find("a" * 3000)


# === Links ===


@pytest.fixture
def linked(make: Make) -> Path:
    """Images, and beside them a folder of links to them."""
    return make("orig/cat/{}.jpg\norig/dog/{}.jpg\nlinks/")


def test_links_out_of_the_folder(linked: Path) -> None:
    links = linked / "links"
    for name in ("cat", "dog"):
        (links / name).mkdir()
        for i in range(3):
            (links / name / f"{i}.jpg").symlink_to(f"../../orig/{name}/{i}.jpg")
    with pytest.raises(
        DataError, match=r"6 files or folders are links that leave the folder \(cat/0"
    ) as error:
        scan(links)
    assert "data.follow_links: true" in (error.value.hint or "")
    found = scan(links, follow_links=True)
    assert classes(found) == {"train": ["cat", "dog"]} and not found.problems


@pytest.mark.parametrize("level", ["cat", "train", "train/cat"])
def test_linked_folders(linked: Path, level: str) -> None:
    links = linked / "links"
    (links / level).parent.mkdir(exist_ok=True)
    (links / level).symlink_to(linked / ("orig" if level == "train" else "orig/cat"))
    if level != "train":
        (links / level).with_name("dog").symlink_to(linked / "orig/dog")
    with pytest.raises(DataError, match=r"links? that leaves? the folder") as error:
        scan(links)
    assert "data.follow_links: true" in (error.value.hint or "")
    assert classes(scan(links, follow_links=True)) == {"train": ["cat", "dog"]}


def test_some_links_are_named_and_never_a_class_without_examples(make: Make, linked: Path) -> None:
    root = make("links/a/{}.jpg\nlinks/b/{}.jpg\nlinks/cat/") / "links"
    (root / "cat/0.jpg").symlink_to(linked / "orig/cat/0.jpg")
    found = scan(root)
    assert [(p.message, str(p.place)) for p in found.problems] == [(folder_listing.LEAVES, "cat/0.jpg")]


def test_links_in_circles_end(linked: Path) -> None:
    root = linked / "links"
    root.rmdir()
    (linked / "orig/cat/up").symlink_to(linked)
    (linked / "orig/cat/self").symlink_to(linked / "orig")
    found = scan(linked / "orig", follow_links=True)
    assert [p.message for p in found.problems] == ["a link back to a folder above it"] * 2
    assert len(found.files["train"]) == 6


# === Classes ===


def test_a_class_that_only_one_split_has(make: Make) -> None:
    root = make("train/a/{}.jpg\ntrain/b/{}.jpg\ntest/a/{}.jpg\nval/a/{}.jpg\nval/b/{}.jpg")
    assert any("test/ has no example of the class 'b'" in note for note in scan(root).notes)
    make("val/tulip/{}.jpg")
    with pytest.raises(DataError, match=r"no training example has the class 'tulip': only val/ has"):
        scan(root)


def test_a_class_that_test_writes_otherwise(make: Make) -> None:
    root = make("train/Cat/{}.jpg\ntrain/Dog/{}.jpg\ntest/cat/{}.jpg\ntest/Dog/{}.jpg")
    with pytest.raises(DataError, match="no training example has the class 'cat'") as error:
        scan(root)
    assert "'Cat'" in (error.value.hint or "")


def test_classes_that_differ_in_case_or_spaces(make: Make) -> None:
    root = make("a/{}.jpg\nA/{}.jpg\nb/{}.jpg")
    found = scan(root)
    assert classes(found) == {"train": ["A", "a", "b"]}, "letters are such classes"
    assert any("'A' and 'a'" in note for note in found.notes)
    (root / "b ").mkdir()
    (root / "b /1.jpg").touch()
    with pytest.raises(DataError, match="'b' and 'b ' differ only in spaces"):
        scan(root)


def test_two_ways_to_write_a_letter_are_one_class(make: Make) -> None:
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    root = make(f"train/{composed}/{{}}.jpg\ntrain/b/{{}}.jpg\ntest/{apart}/{{}}.jpg\ntest/b/{{}}.jpg")
    found = scan(root)
    assert classes(found) == {"train": ["b", composed], "test": ["b", composed]}
    assert any("Unicode" in note for note in found.notes)
    alone = scan(make("").parent / "root/test", classes=(composed, "b"))
    assert classes(alone) == {"train": ["b", composed]}, "as the run writes it"


def test_a_name_that_unicode_takes_apart_stays_where_it_is_alone(make: Make) -> None:
    apart = unicodedata.normalize("NFD", "é")
    assert classes(scan(make(f"{apart}/{{}}.jpg\nb/{{}}.jpg"))) == {"train": ["b", apart]}


@pytest.mark.parametrize("name", ["=cmd()", "[red]", "a b", "100%", "x.y", "-1", "$HOME", "#1", "雨", "'q'"])
def test_odd_names_are_classes(make: Make, name: str) -> None:
    assert classes(scan(make(f"{name}/{{}}.jpg\nb/{{}}.jpg")))["train"] == sorted(["b", name])


def test_numbers_are_classes(make: Make) -> None:
    found = scan(make("\n".join(f"{i}/{{}}.jpg" for i in range(10))))
    assert classes(found)["train"] == [str(i) for i in range(10)]


# === What else lies there ===


@pytest.mark.parametrize(
    "name", ["README.md", "readme.txt", "LICENSE", "labels.csv", "classes.txt", "x.yaml"]
)
@pytest.mark.parametrize("suffix", [".jpg", ".txt"])
def test_documents_beside_the_class_folders(make: Make, name: str, suffix: str) -> None:
    found = scan(make(f"a/{{}}{suffix}\nb/{{}}{suffix}\n{name}"))
    if name.endswith(".txt") or suffix == ".jpg" or not name.endswith(suffix):
        assert not found.problems and any(name in note for note in found.notes)
    assert classes(found) == {"train": ["a", "b"]}


def test_examples_beside_the_class_folders_are_problems(make: Make) -> None:
    found = scan(make("a/{}.jpg\nb/{}.jpg\nloose.jpg"))
    assert [p.message for p in found.problems] == ["is not in a class folder"]
    found = scan(make("train/a/{}.jpg\ntrain/b/{}.jpg"))
    assert {str(p.place) for p in found.problems} == {"a", "b", "loose.jpg"}


def test_mixed_kinds_are_what_most_files_are(make: Make) -> None:
    root = make("a/{}.jpg\nb/{}.jpg\na/0.txt")
    found = scan(root)
    assert folder_layout.kind_of(root) == "image" and [str(p.place) for p in found.problems] == ["a/0.txt"]
    assert found.suffixes == {".txt": 1}


@pytest.mark.parametrize(
    ("paths", "said", "hint"),
    [
        ("", "neither images nor .txt files", "images are"),
        ("t.csv\nu.csv", "neither images nor", "data.path: .*t.csv"),
        ("a/{}.svg\nb/x\nb/{}.psd", r"3 \.psd, 3 \.svg, 1 without suffix", ".jpg"),
        ("a/\nb/", "neither images nor", ""),
        ("{}.jpg", "3 images are not in a class folder", "one folder per class"),
        ("images/{}.jpg\nlabels.csv", "images/ holds 3 images, and no class folder", "class_pattern"),
    ],
)
def test_what_cannot_be_trained_on(make: Make, paths: str, said: str, hint: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        scan(make(paths))
    assert re.search(hint, error.value.hint or "")


def test_a_bounded_scan_says_that_it_stopped(make: Make) -> None:
    root = make("a/{}.jpg\nb/{}.jpg")
    assert not folder_scan.scan(folder_layout.layout(root), 4).complete
    assert folder_scan.scan(folder_layout.layout(root), 6).complete


def test_a_folder_that_cannot_be_read(make: Make) -> None:
    root = make("a/{}.jpg\nb/{}.jpg")
    (root / "a").chmod(0)
    try:
        if os.access(root / "a", os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(DataError, match="cannot be read"):
            scan(root)
    finally:
        (root / "a").chmod(0o755)
