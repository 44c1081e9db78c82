from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bmcli.config.schema import DataConfig
from bmcli.core.errors import ConfigError, DataError
from bmcli.core.spec import DataSpec
from bmcli.data import read_labelled
from bmcli.data.bundle import DataBundle
from tests.images import write_image

Load = Callable[..., DataBundle]


def places(error: pytest.ExceptionInfo[DataError]) -> dict[str, str]:
    return {str(p.place): p.message for p in error.value.problems}


def test_a_folder_per_class(flowers: Path, load: Load) -> None:
    bundle = load(path=flowers)
    assert (bundle.kind, bundle.task, bundle.classes) == ("image", "multiclass", ("aster", "daisy", "rose"))
    assert [len(s or ()) for s in (bundle.train, bundle.validation, bundle.test)] == [22, 2, 6]
    assert all(
        i.split("/")[0] == bundle.classes[t]
        for i, t in zip(bundle.train.ids, bundle.train.targets, strict=True)
    )
    examples = bundle.train.examples
    assert examples.sizes.tolist() == [[8, 8]] * 22 and not examples.grey.any()  # type: ignore[union-attr]
    assert bundle.skipped == ()


def test_split_folders_are_used_and_validation_is_cut_from_train(
    flowers: Path, load: Load, tmp_path: Path
) -> None:
    root = tmp_path / "split"
    root.mkdir()
    flowers.rename(root / "Train")
    for i in range(2):
        write_image(root / "testing/rose" / f"{i}.jpg", seed=100 + i)
    bundle = load(path=root)
    assert [len(s or ()) for s in (bundle.train, bundle.validation, bundle.test)] == [27, 3, 2]
    assert bundle.splits_from["train"] == "folder Train/" and bundle.splits_from["test"] == "folder testing/"
    write_image(root / "val/daisy/1.png")
    assert len(load(path=root).validation or ()) == 1


def test_classes_are_called_train_and_test_only_where_the_config_says_so(load: Load, tmp_path: Path) -> None:
    for i in range(6):
        write_image(tmp_path / "p/train" / f"{i}.png", i)
        write_image(tmp_path / "p/plane" / f"{i}.png", i + 10)
    with pytest.raises(DataError, match="class folder") as error:
        load(path=tmp_path / "p")
    assert "data.split_folders: false" in (error.value.hint or "")
    assert load(path=tmp_path / "p", split_folders=False).classes == ("plane", "train")


def test_useless_levels_and_split_names(flowers: Path, load: Load, tmp_path: Path) -> None:
    (tmp_path / "a/data/seg_train").mkdir(parents=True)
    flowers.rename(tmp_path / "a/data/seg_train/seg_train")
    for name in ("aster", "daisy", "rose"):
        write_image(tmp_path / "a/data/seg_test" / name / "1.png", 50)
    bundle = load(path=tmp_path / "a")
    assert bundle.classes == ("aster", "daisy", "rose") and len(bundle.test or ()) == 3
    assert bundle.splits_from["train"] == "folder data/seg_train/seg_train/"
    assert sum("skipped" in note or "splits by the names" in note for note in bundle.notes) == 2


@pytest.mark.parametrize("skip_unusable", [False, True])
def test_a_test_folder_without_class_folders(
    flowers: Path, load: Load, tmp_path: Path, skip_unusable: bool
) -> None:
    (tmp_path / "p").mkdir()
    flowers.rename(tmp_path / "p/train")
    for i in range(4):
        write_image(tmp_path / "p/test" / f"{i}.png", i)
    bundle = load(path=tmp_path / "p", skip_unusable=skip_unusable)
    assert [len(s or ()) for s in (bundle.train, bundle.validation, bundle.test)] == [22, 2, 6]
    assert not bundle.skipped and bundle.splits_from["test"].startswith("cut 0.2")
    assert any("test/ holds 4 images without class folders: not used" in note for note in bundle.notes)


def test_classes_in_file_names(load: Load, tmp_path: Path) -> None:
    for i in range(8):
        write_image(tmp_path / "p/train" / f"cat.{i}.png", i)
        write_image(tmp_path / "p/train" / f"dog.{i}.png", i + 20)
        write_image(tmp_path / "p/test" / f"{i}.png", i + 40)
    with pytest.raises(DataError, match="16 images, and no class folder"):
        load(path=tmp_path / "p")
    bundle = load(path=tmp_path / "p", class_pattern="^(cat|dog)")
    assert bundle.classes == ("cat", "dog") and bundle.train.ids[0] == "train/cat.0.png"
    assert [len(s or ()) for s in (bundle.train, bundle.validation, bundle.test)] == [12, 1, 3]
    assert any("does not match: not used" in note for note in bundle.notes)
    write_image(tmp_path / "p/train/horse.png")
    with pytest.raises(DataError) as error:
        load(path=tmp_path / "p", class_pattern="^(cat|dog)")
    assert places(error) == {"train/horse.png": "data.class_pattern does not match 'horse.png'"}
    with pytest.raises(ConfigError, match="class_pattern is not a regular expression"):
        load(path=tmp_path / "p", class_pattern="(")


def test_links_are_followed_where_the_config_allows_it(flowers: Path, load: Load, tmp_path: Path) -> None:
    for file in flowers.rglob("*.png"):
        link = tmp_path / "links" / file.relative_to(flowers)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    with pytest.raises(DataError, match="30 files or folders are links that leave the folder"):
        load(path=tmp_path / "links", skip_unusable=True)
    followed = load(path=tmp_path / "links", follow_links=True)
    assert followed.fingerprint == load(path=flowers).fingerprint
    (tmp_path / "links/rose/0.png").unlink()
    write_image(tmp_path / "links/rose/0.png", 20)
    with pytest.raises(DataError) as error:
        load(path=tmp_path / "links")
    assert "data.follow_links: true" in (error.value.hint or "")
    assert "class without" not in str(places(error))


def test_classes_sort_naturally(load: Load, tmp_path: Path) -> None:
    for name in ("10", "9", "x"):
        for i in range(4):
            write_image(tmp_path / "p" / name / f"{i}.png", i)
    assert load(path=tmp_path / "p", test=0.3).classes == ("9", "10", "x")


def test_everything_unusable_is_named_at_once(flowers: Path, load: Load, tmp_path: Path) -> None:
    (flowers / "rose/empty.jpg").touch()
    (flowers / "rose/notes.txt").write_text("hello")
    (flowers / "loose.png").write_bytes((flowers / "rose/0.png").read_bytes())
    (flowers / "daisy/cut.png").write_bytes((flowers / "rose/0.png").read_bytes()[:90])
    os.mkfifo(flowers / "daisy/pipe.png")
    (flowers / "daisy/dangling.png").symlink_to(flowers / "gone.png")
    outside = write_image(tmp_path / "outside/secret.png")
    (flowers / "aster/link.png").symlink_to(outside)
    (flowers / "aster/loop").symlink_to(flowers)
    (flowers / "aster/inside.png").symlink_to(flowers / "rose/1.png")
    for hidden in (".DS_Store", "aster/.hidden.png", "Thumbs.db", "__MACOSX/aster/0.png"):
        (flowers / hidden).parent.mkdir(exist_ok=True, parents=True)
        (flowers / hidden).write_bytes(b"x")
    expected = {
        "rose/notes.txt": "not one of",
        "loose.png": "class folder",
        "daisy/pipe.png": "regular",
        "daisy/dangling.png": "nothing",
        "aster/link.png": "leaves the folder",
        "aster/loop": "back to a folder above",
    }
    undecodable = {"rose/empty.jpg": "empty", "daisy/cut.png": "decoded"}
    with pytest.raises(DataError) as error:
        load(path=flowers)
    found = places(error)
    assert error.value.exit_code == 3 and "skip_unusable" in (error.value.hint or "")
    everything = expected | undecodable
    assert found.keys() == everything.keys()
    assert all(text in found[name] for name, text in everything.items()), found
    bundle = load(path=flowers, skip_unusable=True)
    assert sum(map(len, (bundle.train, bundle.validation or (), bundle.test or ()))) == 31
    assert len(bundle.skipped) == 8 and any("left out" in note for note in bundle.notes)


def test_a_class_without_examples_is_named(flowers: Path, load: Load) -> None:
    (flowers / "tulip").mkdir()
    (flowers / ".cache").mkdir()
    with pytest.raises(DataError) as error:
        load(path=flowers)
    assert places(error) == {"tulip": "a class without examples"}
    assert load(path=flowers, skip_unusable=True).classes == ("aster", "daisy", "rose")


def test_a_name_that_is_not_utf8_is_reported_readably(flowers: Path, load: Load) -> None:
    data = (flowers / "rose/0.png").read_bytes()
    Path(os.fsdecode(os.fsencode(flowers) + b"/rose/caf\xe9.png")).write_bytes(data)
    with pytest.raises(DataError) as error:
        load(path=flowers)
    assert places(error) == {"rose/caf\\xe9.png": "its name is not UTF-8"}


def test_files_that_belong_nowhere(load: Load, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        load(path=tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither images nor"):
        load(path=tmp_path / "empty")
    write_image(tmp_path / "flat/1.png")
    with pytest.raises(DataError, match="class folder") as error:
        load(path=tmp_path / "flat")
    assert "one folder per class" in (error.value.hint or "")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/train.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError) as error:
        load(path=tmp_path / "tables")
    assert "train.csv" in (error.value.hint or "")
    (tmp_path / "model.h5").touch()
    with pytest.raises(DataError, match="unsupported data format"):
        load(path=tmp_path / "model.h5")


def test_one_class_is_no_task(load: Load, tmp_path: Path) -> None:
    for i in range(5):
        write_image(tmp_path / "p/only" / f"{i}.png", i)
    with pytest.raises(DataError, match=r"only one class.*only"):
        load(path=tmp_path / "p")


def test_a_class_without_training_examples(flowers: Path, load: Load, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    flowers.rename(tmp_path / "s/train")
    write_image(tmp_path / "s/test/tulip/0.png")
    with pytest.raises(DataError, match="no training example has the class 'tulip'"):
        load(path=tmp_path / "s")


def test_groups_by_file_name(load: Load, tmp_path: Path) -> None:
    for person in range(12):
        for shot in range(3):
            write_image(
                tmp_path / "p" / ("a", "b")[person % 2] / f"person{person:02}_{shot}.png", person * 5 + shot
            )
    bundle = load(path=tmp_path / "p", group=r"(person\d+)_", test=0.25, validation=0.2)
    sides = [
        {i.split("/")[1][:8] for i in s.ids} for s in (bundle.train, bundle.validation, bundle.test) if s
    ]
    assert len(set.union(*sides)) == sum(map(len, sides)) == 12
    assert "grouped" in bundle.splits_from["test"]
    with pytest.raises(ConfigError, match="regular expression"):
        load(path=tmp_path / "p", group="(")
    with pytest.raises(DataError, match=r"group 'horse' matches none of 36 file names, such as 'person00_0"):
        load(path=tmp_path / "p", group="horse")


@pytest.mark.parametrize(
    ("group", "groups", "alone"),
    [
        (r"clip([rw]\d+)", 10, 0),
        (r"^clip[^/]*", 10, 0),
        (r"[^/]+", 10, 0),
        (r"^clip(r\d+)", 5, 20),
        (r"(frame_000\d)", 10, 20),
    ],
)
def test_groups_by_a_folder_inside_the_class(
    load: Load, tmp_path: Path, group: str, groups: int, alone: int
) -> None:
    for name in ("run", "walk"):
        for i in range(20):
            write_image(tmp_path / f"p/{name}/clip{name[0]}{i % 5:02}/frame_{i:04}.png", i)
    bundle = load(path=tmp_path / "p", group=group, validation=0, test=0.3)
    assert any(note.startswith(f"{groups} groups by data.group in {40 - alone}") for note in bundle.notes)
    assert any(f"{alone} others are groups of their own" in note for note in bundle.notes) == bool(alone)
    if not alone:
        sides = [{i.split("/")[1] for i in s.ids} for s in (bundle.train, bundle.test) if s]
        assert sum(map(len, sides)) == 10, "no clip is on both sides"
    with pytest.raises(DataError, match=r"such as 'clipr00/frame_0000\.png'") as error:
        load(path=tmp_path / "p", group="^frame")
    assert "path inside the class folder" in (error.value.hint or "")


def test_groups_ask_nothing_of_splits_that_are_not_cut(flowers: Path, load: Load, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    flowers.rename(tmp_path / "p/train")
    for name in ("aster", "daisy", "rose"):
        write_image(tmp_path / "p/test" / name / "odd.png", 9)
    assert len(load(path=tmp_path / "p", group=r"^(\d)", validation=0.2).test or ()) == 3


def test_limit_looks_at_no_more_files_than_it_uses(flowers: Path, load: Load) -> None:
    bundle = load(path=flowers, limit=3)
    assert [len(s or ()) for s in (bundle.train, bundle.validation, bundle.test)] == [3, 2, 3]
    assert set(bundle.train.targets.tolist()) == {0, 1, 2}
    assert "at most 3" in bundle.splits_from["test"]
    assert load(path=flowers, limit=3).fingerprint == bundle.fingerprint
    assert len(load(path=flowers, limit=10, examples=2).train) == 2


def test_the_fingerprint_sees_contents_names_and_splits(flowers: Path, load: Load, tmp_path: Path) -> None:
    before = load(path=flowers).fingerprint
    flowers.rename(tmp_path / "moved")
    assert load(path=tmp_path / "moved").fingerprint == before, "where the folder lies is not content"
    write_image(tmp_path / "moved/rose/3.png", seed=999)
    changed = load(path=tmp_path / "moved").fingerprint
    (tmp_path / "moved/rose/3.png").rename(tmp_path / "moved/rose/33.png")
    assert len({before, changed, load(path=tmp_path / "moved").fingerprint}) == 3


def test_text_folders(load: Load, tmp_path: Path) -> None:
    for label in ("ham", "spam"):
        (tmp_path / "t" / label).mkdir(parents=True)
        for i in range(8):
            (tmp_path / "t" / label / f"{i}.txt").write_text(f"{label} Ω {i}", encoding="utf-8")
    (tmp_path / "t/ham/bom.txt").write_bytes(b"\xef\xbb\xbfhello")
    bundle = load(path=tmp_path / "t")
    assert (bundle.kind, bundle.task) == ("text", "binary")
    texts = {
        i: t
        for s in (bundle.train, bundle.validation, bundle.test)
        for i, t in zip(s.ids, s.examples.texts, strict=True)
    }  # type: ignore[union-attr]
    assert texts["ham/bom.txt"] == "hello" and texts["spam/3.txt"] == "spam Ω 3"
    (tmp_path / "t/ham/noise.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (tmp_path / "t/ham/blank.txt").write_text(" \n")
    with pytest.raises(DataError) as error:
        load(path=tmp_path / "t")
    assert places(error) == {
        "ham/noise.txt": "not UTF-8, nor a text in another known encoding",
        "ham/blank.txt": "the file is empty",
    }


def test_texts_in_other_encodings_are_read_and_said(load: Load, tmp_path: Path) -> None:
    said = {"ham": "Très bon café, à bientôt", "spam": "Achetez maintenant ! 5 € l’unité, déjà livré"}
    codecs = ["utf-8", "utf-8-sig", "cp1252", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
    for label, text in said.items():
        (tmp_path / label).mkdir()
        for i, codec in enumerate(codecs):
            (tmp_path / label / f"{i}.txt").write_bytes(f"{text} {i}".encode(codec))
    bundle = load(path=tmp_path)
    assert {
        text
        for split in (bundle.train, bundle.validation, bundle.test)
        for text in split.examples.texts  # type: ignore[union-attr]
    } == {f"{text} {i}" for text in said.values() for i in range(len(codecs))}
    notes = [note for note in bundle.notes if "not UTF-8" in note]
    assert "4 files are read as Windows-1252, not UTF-8: ham/2.txt, ..." in notes
    assert "2 files are read as UTF-32, not UTF-8: ham/7.txt, ..." in notes
    assert len(notes) == 5  # UTF-16 by its mark, and in either order of bytes


def test_files_of_one_folder_are_read_in_the_encoding_that_they_show_together(
    load: Load, tmp_path: Path
) -> None:
    words = "příliš žluťoučký kůň úpěl ďábelské ódy večer přišel domů a uvařil čaj s medem"
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for i, word in enumerate(words.split()):  # alone, most of these could be anything
            (tmp_path / label / f"{i}.txt").write_bytes(f"{word} {label} {i}".encode("cp1250"))
    bundle = load(path=tmp_path)
    texts = [
        text for split in (bundle.train, bundle.validation, bundle.test) for text in split.examples.texts
    ]
    assert {text.split()[0] for text in texts} == set(words.split())
    assert next(note for note in bundle.notes if "not UTF-8" in note).endswith(
        "files are read as Windows-1250, not UTF-8: a/0.txt, ..."
    )


def test_validation_and_test_as_folders(flowers: Path, load: Load, tmp_path: Path) -> None:
    for name in ("aster", "daisy"):
        write_image(tmp_path / "more" / name / "0.png", seed=77)
    bundle = load(path=flowers, test=tmp_path / "more", validation=0)
    assert bundle.test is not None
    assert bundle.test.ids == ("test/aster/0.png", "test/daisy/0.png"), "the names alone would be taken twice"
    assert len(bundle.train) == 30 and bundle.splits_from["test"] == "given: more"
    every = [i for s in (bundle.train, bundle.test) for i in s.ids]
    assert len(set(every)) == len(every)


def test_labelled_folders_for_scoring(flowers: Path, load: Load) -> None:
    spec = DataSpec.single("image", "multiclass", (8, 8, 3), ("x", "rose", "daisy", "aster"))
    config = DataConfig(path="elsewhere")
    split = read_labelled(flowers, config, spec)
    assert len(split) == 30 and split.targets[0] == 3 and split.targets[-1] == 1
    with pytest.raises(DataError) as error:
        read_labelled(flowers, config, DataSpec.single("image", "multiclass", (8, 8, 3), ("aster", "rose")))
    assert len(error.value.problems) == 10 and "unknown class 'daisy'" in error.value.problems[0].message
    assert np.array_equal(np.unique(split.targets), [1, 2, 3])


def test_labelled_folders_with_useless_levels(flowers: Path, tmp_path: Path) -> None:
    spec = DataSpec.single("image", "multiclass", (8, 8, 3), ("aster", "daisy", "rose"))
    config = DataConfig(path="elsewhere", group="never")
    (tmp_path / "seg_test").mkdir()
    flowers.rename(tmp_path / "seg_test/seg_test")
    notes: list[str] = []
    split = read_labelled(tmp_path / "seg_test", config, spec, notes.append)
    assert len(split) == 30 and split.ids[0] == "seg_test/aster/0.png"
    assert any("skipped: seg_test/" in note for note in notes)
    one = tmp_path / "one"
    one.mkdir()
    (tmp_path / "seg_test/seg_test/daisy").rename(one / "daisy")
    assert set(read_labelled(one, config, spec).targets.tolist()) == {1}


def test_other_encodings_are_said_wherever_files_come_from(load: Load, tmp_path: Path) -> None:
    for split, codec in (("data", "utf-8"), ("held", "utf-16")):
        for label in ("a", "b"):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(6):
                (tmp_path / split / label / f"{i}.txt").write_bytes(f"{label} ù {i}".encode(codec))
    bundle = load(path=tmp_path / "data", validation=tmp_path / "held", test=0)
    assert "12 files are read as UTF-16, not UTF-8: a/0.txt, ..." in bundle.notes
    said: list[str] = []
    spec = DataSpec.single("text", "binary", (None,), ("a", "b"))
    split = read_labelled(tmp_path / "held", DataConfig(path=str(tmp_path / "data")), spec, said.append)
    assert split.examples.texts[0] == "a ù 0"  # type: ignore[union-attr]
    assert said == ["12 files are read as UTF-16, not UTF-8: a/0.txt, ..."]
