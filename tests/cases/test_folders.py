"""The folder cases: each kind of folder, and at least three relatives of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cases.conftest import Understand, Understood

Drafted = Callable[[str], Understood]
WriteImages = Callable[..., None]
EACH = 12
"""Images of each class."""


@pytest.fixture
def write_images(tmp_path: Path) -> WriteImages:
    """`EACH` small images under names with the number in place of {}."""

    def made(*names: str, each: int = EACH) -> None:
        dice = np.random.default_rng(0)
        for name in names:
            for i in range(each):
                path = tmp_path / name.format(i)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(dice.integers(0, 255, (8, 8, 3), np.uint8)).save(path)

    return made


@pytest.mark.parametrize(
    ("suffix", "kind", "low", "high"),
    [
        ("png", np.uint16, 1000, 1072),
        ("tif", np.uint16, 1000, 1072),
        ("png", np.uint16, 0, 60_000),
        ("tif", np.float32, -0.5, 3.5),
    ],
)
def test_more_than_eight_bits_are_scaled_by_what_training_holds(
    suffix: str, kind: type, low: float, high: float, tmp_path: Path, understand: Understand
) -> None:
    dice = np.random.default_rng(0)
    for name in ("left", "right"):
        (tmp_path / "xray" / name).mkdir(parents=True)
        for i in range(EACH):
            values = dice.uniform(low, high, (8, 8)).astype(kind)
            values[0, 0], values[0, 1] = low, high
            Image.fromarray(values).save(tmp_path / "xray" / name / f"{i}.{suffix}")
    found = understand({"path": "xray"})
    assert (found.code, found.classes) == (0, ["left", "right"])
    assert found.says(f"values {low:,g} to {high:,g} scaled to 0 to 255 \\(seen in training\\)")


@pytest.mark.parametrize(
    "train", ["train/cat.{}.png", "train/dog-{}.png", "Training/a_{}.png", "train_data/x{}.png"]
)
def test_classes_in_file_names_are_no_class_folders(
    train: str, write_images: WriteImages, understand: Understand, drafted: Drafted
) -> None:
    write_images(train, "/".join((train.split("/")[0], "bird.{}.png")), "test/{}.png")
    write_images(*(name.replace("train", "photos/train") for name in ()))
    found = understand({"path": "."})
    assert found.code in (2, 3) and found.says("no class folders|class folder")
    assert not found.build


def test_a_pattern_takes_classes_from_names(write_images: WriteImages, understand: Understand) -> None:
    write_images("dvc/train/cat.{}.png", "dvc/train/dog.{}.png", "dvc/test/{}.png")
    found = understand({"path": "dvc", "class_pattern": "^(cat|dog)"})
    assert (found.code, found.classes) == (0, ["cat", "dog"])


@pytest.mark.parametrize("level", ["seg_{0}/seg_{0}", "{0}/{0}", "data/{0}", "archive/dataset/{0}"])
def test_a_level_too_many_is_skipped(
    level: str, write_images: WriteImages, understand: Understand, drafted: Drafted
) -> None:
    for split in ("train", "test"):
        write_images(*(f"scenes/{level.format(split)}/{name}/{{}}.png" for name in ("forest", "sea")))
    found = understand({"path": "scenes"})
    assert (found.code, found.classes) == (0, ["forest", "sea"])
    assert found.examples["test"] == 2 * EACH
    found = drafted("scenes")
    assert (found.code, found.classes) == (0, ["forest", "sea"])


@pytest.mark.parametrize(
    ("train", "test"),
    [("Training", "Testing"), ("train_data", "test_data"), ("trainSet", "testSet"), ("TRAIN", "Val2017")],
)
def test_split_folders_by_many_names(
    train: str, test: str, write_images: WriteImages, understand: Understand, drafted: Drafted
) -> None:
    write_images(*(f"mri/{split}/{name}/{{}}.png" for split in (train, test) for name in ("glioma", "none")))
    for found in (understand({"path": "mri"}), drafted("mri")):
        assert (found.code, found.classes) == (0, ["glioma", "none"])
        assert found.examples["validation" if "Val" in test else "test"] == 2 * EACH


@pytest.mark.parametrize("test", ["test", "test/images", "Testing", "test/test"])
def test_a_test_folder_without_classes_is_said_and_not_used(
    test: str, write_images: WriteImages, understand: Understand, drafted: Drafted
) -> None:
    write_images("half/train/a/{}.png", "half/train/b/{}.png", f"half/{test}/{{}}.png")
    for found in (
        understand({"path": "half"}),
        understand({"path": "half", "skip_unusable": True}),
        drafted("half"),
    ):
        assert (found.code, found.classes) == (0, ["a", "b"])
        assert sum(found.examples.values()) == 2 * EACH
        assert found.says(f"{test.split('/')[0]}.*not used")


@pytest.mark.parametrize("where", ["train/cat", "train", "cat", "."])
def test_links_out_of_the_folder_are_refused_as_links(
    where: str, write_images: WriteImages, understand: Understand, tmp_path: Path
) -> None:
    write_images("orig/cat/{}.png", "orig/dog/{}.png")
    root = tmp_path / "linked"
    if where in ("train/cat", "cat"):  # single files
        for name in ("cat", "dog"):
            folder = root / where.replace("cat", name)
            folder.mkdir(parents=True)
            for i in range(EACH):
                (folder / f"{i}.png").symlink_to(tmp_path / "orig" / name / f"{i}.png")
    elif where == "train":  # whole folders
        (root / "train").mkdir(parents=True)
        for name in ("cat", "dog"):
            (root / "train" / name).symlink_to(tmp_path / "orig" / name)
    else:
        root.mkdir()
        for name in ("cat", "dog"):
            (root / name).symlink_to(tmp_path / "orig" / name)
    found = understand({"path": "linked"})
    assert found.code == 3 and found.says("link")
    found = understand({"path": "linked", "follow_links": True})
    assert (found.code, found.classes) == (0, ["cat", "dog"])


@pytest.mark.parametrize(
    ("group", "groups"), [("clip([rw]\\d+)", 8), ("clip[rw](\\d+)", 4), ("(\\d)/", 4), ("^clip.+(?=/)", 8)]
)
def test_groups_by_a_folder_inside_the_class(
    group: str, groups: int, write_images: WriteImages, understand: Understand
) -> None:
    for i in range(4):
        write_images(f"clips/run/clipr{i:02d}/frame_{{}}.png", f"clips/walk/clipw{i:02d}/frame_{{}}.png")
    found = understand({"path": "clips", "group": group})
    assert found.says(f"{groups} groups by data.group in {8 * EACH} file names")
    found = understand({"path": "clips", "group": "patient(\\d+)"})
    assert found.code == 3 and found.says("matches none of .* such as 'clip[rw]0\\d/frame_")
