"""`bm init` of folders: its draft passes `bm check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.config.resolve import load
from tests.cli.test_init import write_images

pytestmark = pytest.mark.usefixtures("nothing_pretrained")


def test_image_folder(invoke: Callable, tmp_path: Path) -> None:
    write_images(tmp_path / "My Photos")
    (tmp_path / "My Photos" / ".hidden").mkdir()
    done = invoke("init", "My Photos")
    assert done.code == 0, done.err
    assert "6 images of 2 classes: cat 3 · dog 3" in done.out
    assert "few images: expect little; no pretrained models are available" in done.out
    assert "150×200 to 150×202 pixels" in done.out
    config = load(tmp_path / "my-photos.yaml")
    assert config.preprocessing.image.size == 96
    assert invoke("check", "my-photos.yaml", "--build").code == 0


def test_images_that_training_cannot_read_are_none(invoke: Callable, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "scans" / name).mkdir(parents=True)
        (tmp_path / "scans" / name / "1.svg").touch()
    done = invoke("init", "scans")
    assert done.code == 3
    assert "neither images nor .txt files, but 2 .svg" in done.err


def tree(root: Path, paths: str) -> None:
    """Small images and texts; '{}' in a path stands for 0 to 5, and 'a -> b' is a link."""
    from PIL import Image

    for line in paths.split():
        path, _, target = line.partition("->")
        for name in [path.replace("{}", str(i)) for i in range(6)] if "{}" in path else [path]:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if target:
                file.symlink_to(target)
            elif name.endswith((".png", ".jpg")) and "bad" not in name:
                Image.new("RGB", (16, 16), (hash(name) % 255, 9, 9)).save(file)
            elif not name.endswith("/"):
                file.write_text("bad" if file.suffix != ".txt" else f"the text {name}")
            else:
                file.mkdir(exist_ok=True)


FOLDERS = {
    "Training and Testing": ("Training/{a,b}/{}.png Testing/{a,b}/{}.png", 2, ""),
    "train_data": ("train_data/{a,b}/{}.png test_data/{a,b}/{}.png", 2, "train_data/ is train"),
    "val2017": ("train2017/{a,b}/{}.png val2017/{a,b}/{}.png", 2, "val2017/ is validation"),
    "one level deeper": ("seg_train/seg_train/{a,b}/{}.png seg_test/seg_test/{a,b}/{}.png", 2, "skipped"),
    "one around everything": ("archive/set/{a,b}/{}.png README.md", 2, "README.md"),
    "a flat test folder": ("train/{a,b}/{}.png test/{}.png", 2, "6 images without class folders"),
    "a flat validation folder": ("train/{a,b}/{}.png valid/{}.png", 2, "6 images without class folders"),
    "classes in names": ("train/{cat,dog}.{}.png test/{}.png", 2, "class_pattern"),
    "classes in names, flat": ("{cat,dog}_{}.png", 2, ""),
    "other suffixes": ("{a,b}/{}.png a/x{}.svg b/y.psd b/none", 2, "6 .svg, 1 .psd, 1 without suffix"),
    "broken images": ("{a,b}/{}.png a/bad.png", 2, "1 of those looked at cannot be read"),
    "other suffixes, texts": ("{a,b}/{}.txt a/x.pdf a/y.pdf README.txt", 2, "2 .pdf"),
    "mixed": ("{a,b}/{}.png a/{}.txt", 2, "6 .txt"),
    "some links": ("{a,b}/{}.png a/l.png->/etc/hostname", 2, "link that leaves"),
    "an empty class": ("{a,b}/{}.png c/", 2, "a class without examples"),
    "stray": ("train/{a,b}/{}.png test/{a,b}/{}.png extra/x.png", 2, "is beside the split folders"),
    "only in train": ("train/{a,b,c}/{}.png test/{a,b}/{}.png", 3, "no example of the class 'c'"),
    "digits": ("{0,1,2}/{}.png", 3, ""),
    "odd names": ("{=cmd(),#1,'q'}/{}.png", 3, ""),
}

UNFIT = {
    "no classes": ("train/{}.png test/{}.png", "no class folder"),
    "two for one": ("train/{a,b}/{}.png training/{a,b}/{}.png", "both the train split"),
    "no train": ("{a,b}/{}.png test/{}.png", "no folder for training"),
    "all links": ("a/0.png->/etc/hostname b/0.png->/etc/hostname", "links that leave the folder"),
    "only in test": ("train/{a,b}/{}.png test/{a,c}/{}.png", "no training example has the class 'c'"),
    "one class": ("only/{}.png", "only one class"),
    "empty": ("a/ b/", "neither images nor"),
    "no images": ("a/x.svg b/y.svg", "neither images nor"),
    "splits inside": ("{a,b}/train/{}.png {a,b}/test/{}.png", "split folders of their own"),
    "one table": ("t.csv", "neither images nor"),
    "one table and images": ("t.csv images/{}.png", "no class folder"),
}


def braces(paths: str) -> str:
    """'{a,b}/x' -> 'a/x b/x', as in a shell."""
    found = []
    for path in paths.split():
        head, brace, rest = path.partition("{")
        inside, _, tail = rest.partition("}")
        found += [f"{head}{one}{tail}" for one in inside.split(",")] if brace and "," in inside else [path]
    return " ".join(found)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_draft_for_a_folder_passes(invoke: Callable, tmp_path: Path, name: str) -> None:
    paths, classes, said = FOLDERS[name]
    tree(tmp_path / "data", braces(paths))
    done = invoke("init", "data")
    assert done.code == 0, done.err
    assert f"{classes} classes" in done.out
    assert said in done.out or said in (tmp_path / "data.yaml").read_text()
    assert (tmp_path / "data.yaml").read_text().count("skipped") == done.out.count("skipped")
    checked = invoke("check", "data.yaml", "--build")
    assert checked.code == 0, checked.err
    assert f"classes   {classes}:" in checked.out


@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_be_trained_on_ends_alike(invoke: Callable, tmp_path: Path, name: str) -> None:
    paths, said = UNFIT[name]
    tree(tmp_path / "data", braces(paths))
    (tmp_path / "c.yaml").write_text("data: {path: data}\nmodel: cnn\n")
    ends = [
        invoke(*words) for words in (("init", "data"), ("check", "c.yaml"), ("check", "c.yaml", "--build"))
    ]
    for done in ends:
        assert done.code == 3 and said in done.err, done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "data.yaml").exists()


def test_split_folder_keeps_its_splits(invoke: Callable, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_images(tmp_path / "p" / split)
    assert invoke("init", "p").code == 0
    text = (tmp_path / "p.yaml").read_text()
    assert "test:" not in text
    assert "validation:" in text


def test_text_folder(invoke: Callable, tmp_path: Path) -> None:
    for name in ("pos", "neg"):
        (tmp_path / "t" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "t" / name / f"{i}.txt").write_text("fine")
    assert invoke("init", "t").code == 0
    assert load(tmp_path / "t.yaml").model.registry_name == "transformer"


@pytest.mark.parametrize(
    ("classes", "flips"),
    [
        (("cat", "dog"), True),
        (("left", "right"), False),
        (("turn-left", "straight"), False),
        (("eye_L", "eye_R"), False),
        (("R", "other"), True),
        (("3", "7", "b"), False),
        (("daisy", "bd"), True),
    ],
)
def test_no_flip_where_mirror_images_are_of_another_class(
    invoke: Callable, tmp_path: Path, classes: tuple[str, ...], flips: bool
) -> None:
    from PIL import Image

    for split in ("", "train"):
        root = tmp_path / f"p{split}"
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(60):
                Image.new("L", (8, 8), i).save(root / split / name / f"{i}.png")
        assert invoke("init", root.name).code == 0
        assert [one.registry_name for one in load(tmp_path / f"{root.name}.yaml").data.augment] == [
            "flip"
        ] * flips
