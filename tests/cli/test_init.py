"""`bm init`: what it writes passes `bm check`, and is never written over anything."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bmcli.config import shipped
from bmcli.config.resolve import load


def rows(make: Callable[[int, random.Random], list[Any]], count: int = 200) -> list[list[str]]:
    generator = random.Random(0)
    return [[str(cell) for cell in make(i, generator)] for i in range(count)]


def flowers(i: int, r: random.Random) -> list[Any]:
    return [f"{r.random():.3f}", f"{r.random():.3f}", f"c{i % 20}", i, r.choice(["iris", "rose", "=evil"])]


def reviews(i: int, r: random.Random) -> list[Any]:
    return [f"the film number {i} was {r.random()} for me", r.choice(["good", "bad"])]


def houses(i: int, r: random.Random) -> list[Any]:
    return [f"{r.random() * 100:.2f}", i % 5, f"{r.random() * 1e5:.2f}"]


def lines(table: list[list[str]], delimiter: str, head: list[str] | None = None) -> str:
    return "".join(delimiter.join(row) + "\n" for row in ([head] if head else []) + table)


def jsonl(table: list[list[str]], head: list[str]) -> str:
    return "".join(json.dumps(dict(zip(head, row, strict=True))) + "\n" for row in table)


HEAD = ["sepal", "petal", "customer", "row_id", "species"]
FILES: dict[str, tuple[str, dict[str, Any], str]] = {
    "f.csv": (
        lines(rows(flowers), ";", HEAD),
        {
            "target": "species",
            "delimiter": ";",
            "group": "customer",
            "features": ["sepal", "petal"],
            "task": "multiclass",
        },
        "mlp",
    ),
    "r.tsv": (
        lines(rows(reviews), "\t"),
        {"text": 0, "target": 1, "header": False, "task": "binary", "delimiter": None},
        "transformer",
    ),
    "h.csv": (
        lines(rows(houses), ",", ["area", "rooms", "price"]),
        {"target": "price", "task": "regression", "delimiter": None, "header": None},
        "linear",
    ),
    "q.jsonl": (
        jsonl(rows(reviews), ["body", "queue"]),
        {"text": "body", "target": "queue", "task": "binary"},
        "transformer",
    ),
    "no: #'x.csv": (
        lines(rows(houses), ",", ["a: b", "#", "y es"]),
        {"target": "y es", "task": "regression"},
        "linear",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_tables(invoke: Callable, tmp_path: Path, name: str) -> None:
    text, expected, model = FILES[name]
    (tmp_path / name).write_text(text)
    done = invoke("init", name, "--name", "mine")
    assert done.code == 0, done.err
    assert "200 rows" in done.out
    config = load(tmp_path / "mine.yaml")
    assert config.name == "mine"
    assert config.data.path == str(tmp_path / name)
    assert {key: getattr(config.data, key) for key in expected} == expected
    assert config.model.registry_name == model
    assert "# " in (tmp_path / "mine.yaml").read_text()


def test_rows_of_several_lines_are_counted_as_one(invoke: Callable, tmp_path: Path) -> None:
    cells = "".join(f'"a text,\nover {i} ""lines""\n",{"ab"[i % 2]}\n' for i in range(100))
    (tmp_path / "q.csv").write_text("body,topic\n" + cells)
    assert "100 rows, 2 columns" in invoke("init", "q.csv").out


def test_a_file_larger_than_the_sample_with_long_texts(invoke: Callable, tmp_path: Path) -> None:
    cells = "".join(f'"{"word " * 40_000}{i}",{"ab"[i % 2]}\n' for i in range(20))
    (tmp_path / "long.csv").write_text("text,label\n" + cells)
    assert "20 rows, 2 columns" in invoke("init", "long.csv").out


def test_json_lines_end_at_line_feeds_alone(invoke: Callable, tmp_path: Path) -> None:
    lines = [json.dumps({"body": f"a\u2028b c d {i}", "y": i % 2}, ensure_ascii=False) for i in range(40)]
    (tmp_path / "u.ndjson").write_text("\n".join(lines), encoding="utf-8")
    done = invoke("init", "u.ndjson")
    assert done.code == 0, done.err
    assert "40 rows" in done.out
    assert invoke("check", "u.yaml", "--build").code == 0


@pytest.mark.parametrize(
    ("cells", "delimiter"),
    [
        (["rain|wind", "sun", "", "rain", "wind|sun"], "|"),
        (["a; b", "a", "b", "b; a"], ";"),
        (["Bern, CH", "Paris, F", "Rome, I"], None),
        (["rain", "sun"], None),
    ],
)
def test_several_labels_in_a_cell(
    invoke: Callable, tmp_path: Path, cells: list[str], delimiter: str | None
) -> None:
    body = "".join(f'{i % 7}.5,"{cells[i % len(cells)]}"\n' for i in range(60))
    (tmp_path / "m.csv").write_text("x,tags\n" + body)
    assert invoke("init", "m.csv").code == 0
    data = load(tmp_path / "m.yaml").data
    assert data.label_delimiter == delimiter
    assert (data.task == "multilabel") == (delimiter is not None)
    assert invoke("check", "m.yaml", "--build").code == 0


def test_parquet(invoke: Callable, tmp_path: Path) -> None:
    import polars

    polars.DataFrame({"age": [1.5, 2.5, None] * 20, "y": ["a", "b", "c"] * 20}).write_parquet(
        tmp_path / "p.parquet"
    )
    assert invoke("init", "p.parquet").code == 0
    config = load(tmp_path / "p.yaml")
    assert (config.data.target, config.data.task) == ("y", "multiclass")


def test_npz(invoke: Callable, tmp_path: Path) -> None:
    import numpy as np

    images = np.zeros((40, 28, 28), np.uint8)
    np.savez(
        tmp_path / "i.npz", x_train=images, y_train=np.arange(40) % 2, x_test=images, y_test=np.arange(40) % 2
    )
    done = invoke("init", "i.npz")
    assert done.code == 0, done.err
    assert "x_train: 40 × 28 × 28" in done.out
    assert load(tmp_path / "i.yaml").model.registry_name == "cnn"


def write_images(folder: Path, count: int = 3) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (200 + i, 150)).save(folder / name / f"{i}.jpg")


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


def test_the_line_for_editors_where_the_schema_was_saved(invoke: Callable, tmp_path: Path) -> None:
    write_images(tmp_path / "photos")
    line = "# yaml-language-server: $schema=bm.schema.json\n"
    assert invoke("init", "digits_cnn", "--name", "without").code == 0
    (tmp_path / "bm.schema.json").write_text(invoke("schema").out)
    assert invoke("init", "photos").code == invoke("init", "digits_cnn").code == 0
    for name in ("photos", "digits_cnn"):
        assert (tmp_path / f"{name}.yaml").read_text().startswith(line)
        assert load(tmp_path / f"{name}.yaml")
    assert line not in (tmp_path / "without.yaml").read_text()


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


@pytest.mark.parametrize("name", shipped.names())
def test_templates(invoke: Callable, tmp_path: Path, name: str) -> None:
    done = invoke("init", name, "--name", "mine")
    assert done.code == 0, done.err
    config = load(tmp_path / "mine.yaml", paths_exist=False)
    assert config.name == "mine"
    rest = load(name, paths_exist=False).to_dict()
    assert {**config.to_dict(), "name": "", "data": ""} == {**rest, "name": "", "data": ""}


def test_lists_templates(bm: Callable) -> None:
    done = bm("init")
    assert done.code == 0
    assert "digits_cnn" in done.out
    assert "bm init PATH" in done.err
    listed = bm("init", "--json").json["templates"]
    assert [one["name"] for one in listed] == shipped.names()
    assert all(one["summary"] for one in listed)


def test_never_over_another(invoke: Callable, tmp_path: Path) -> None:
    (tmp_path / "digits_cnn.yaml").write_text("mine")
    done = invoke("init", "digits_cnn")
    assert done.code == 2
    assert "--name" in done.err
    assert (tmp_path / "digits_cnn.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("source", "code", "fragment"),
    [
        ("digits_cn", 2, "did you mean digits_cnn?"),
        ("empty.csv", 3, "empty"),
        ("one.csv", 3, "only one column"),
        ("broken.jsonl", 3, "not JSON"),
        ("broken.npz", 3, "not an .npz"),
        ("broken.parquet", 3, "Parquet"),
        ("folder", 3, "neither images nor"),
        ("x.docx", 3, "cannot tell"),
    ],
)
def test_what_is_no_data(invoke: Callable, tmp_path: Path, source: str, code: int, fragment: str) -> None:
    contents = {
        "empty.csv": b"",
        "one.csv": b"a\n1\n2\n",
        "broken.jsonl": b"{\n",
        "broken.npz": b"PK",
        "broken.parquet": b"PAR1",
        "x.docx": b"x",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    done = invoke("init", source, "--name", "mine")
    assert done.code == code, done.err
    assert fragment in done.err
    assert not (tmp_path / "mine.yaml").exists()


def test_illegal_name(invoke: Callable) -> None:
    done = invoke("init", "digits_cnn", "--name", "../x")
    assert done.code == 2
    assert "--name" in done.err


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


# === tables as people have them ===


def noisy(i: int) -> int:
    return (i * 37) % 101


TABLES: dict[str, tuple[list[str], Callable[[int], list[Any]], dict[str, Any], str]] = {
    "title and body": (
        ["title", "body", "queue"],
        lambda i: [f"about the thing {i}", f"it does not work since {noisy(i)} days now", "ab"[i % 2]],
        {"text": ["title", "body"], "target": "queue"},
        "",
    ),
    "names are not texts": (
        ["name", "age", "kind"],
        lambda i: [f"{('Anna', 'Ben', 'Carl')[i % 3]} {chr(65 + i % 26)}. Smith{i}", noisy(i), "ab"[i % 2]],
        {"text": None, "target": "kind", "features": ["age"]},
        "",
    ),
    "a column of splits": (
        ["x", "part", "kind"],
        lambda i: [noisy(i) / 10, ["train", "train", "valid", "test"][i % 4], "ab"[i % 3 % 2]],
        {"split": "part", "target": "kind", "features": None},
        "",
    ),
    "ids": (
        ["order_id", "x", "kind"],
        lambda i: [f"K{i:05d}", noisy(i) / 10, "ab"[i % 2]],
        {"id": "order_id", "features": None},
        "",
    ),
    "groups": (
        ["patient_id", "x", "kind"],
        lambda i: [f"p{i % 30}", noisy(i) / 10, "ab"[i % 7 % 2]],
        {"group": "patient_id", "features": ["x"]},
        "",
    ),
    "thousands or thousandths": (
        ["amount", "kind"],
        lambda i: [f'"{i % 9 + 1},{noisy(i) + 100}"', "ab"[i % 2]],
        {"target": "kind"},
        "columns: {amount: {type: number, decimal: .}}",
    ),
    "day or month": (
        ["when", "kind"],
        lambda i: [f"{i % 12 + 1:02d}/{i % 11 + 1:02d}/2024", "ab"[i % 2]],
        {"target": "kind"},
        "columns: {when: {type: date, day_first: true}}",
    ),
    "a unit": (
        ["weight", "kind"],
        lambda i: [f"{noisy(i)} kg", "ab"[i % 2]],
        {"target": "kind"},
        "columns: {weight: {type: number, unit: kg}}",
    ),
    "a unit that YAML would not read as a text": (
        ["weight", "kind"],
        lambda i: [f"~{noisy(i)}", "ab"[i % 2]],
        {"target": "kind"},
        "unit: '~'",
    ),
    "a price with a unit": (
        ["x", "price"],
        lambda i: [noisy(i), f"{noisy(i) * 3} pts"],
        {"target": "price", "task": "regression"},
        "unit: pts",
    ),
    "a word for missing numbers": (
        ["age", "kind"],
        lambda i: ["refused" if i % 6 == 0 else noisy(i), "ab"[i % 2]],
        {"missing": ["refused"], "skip_unusable": False},
        "texts that mean a missing value in 'age'",
    ),
    "a word for missing numbers that is a class": (
        ["age", "kind"],
        lambda i: ["refused" if i % 6 == 0 else noisy(i), ["refused", "b"][i % 2]],
        {"missing": [], "skip_unusable": True},
        "34 rows cannot be used",
    ),
    "odd cells with digits": (
        ["age", "kind"],
        lambda i: ["90+" if i % 20 == 0 else noisy(i) % 89, "ab"[i % 2]],
        {"missing": [], "skip_unusable": True},
        "10 rows cannot be used, such as those where 'age' says '90+'",
    ),
    "infinite numbers": (
        ["ratio", "kind"],
        lambda i: ["inf" if i % 20 == 0 else noisy(i) / 8, "ab"[i % 2]],
        {"missing": [], "skip_unusable": True},
        "10 rows cannot be used",
    ),
    "several labels, none of them in some rows": (
        ["text", "genres"],
        lambda i: [f"the story number {i} of a man in the city", ["a|b", "a", "", "b"][i % 4]],
        {"label_delimiter": "|", "task": "multilabel", "skip_unusable": False},
        "",
    ),
    "prices": (
        ["rooms", "price"],
        lambda i: [i % 6, f'"${noisy(i) * 1000:,}"'],
        {"target": "price", "task": "regression"},
        "",
    ),
    "codes": (
        ["plz", "x", "kind"],
        lambda i: [f"{1000 + noisy(i) % 9:05d}", noisy(i), "ab"[i % 2]],
        {"target": "kind"},
        "",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_draft_for_a_table_passes(invoke: Callable, tmp_path: Path, name: str) -> None:
    head, make, expected, said = TABLES[name]
    body = [",".join(str(cell) for cell in make(i)) for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(head), *body]) + "\n")
    done = invoke("init", "t.csv")
    assert done.code == 0, done.err
    config = load(tmp_path / "t.yaml")
    assert {key: getattr(config.data, key) for key in expected} == expected
    assert said in (tmp_path / "t.yaml").read_text()
    checked = invoke("check", "t.yaml", "--build")
    assert checked.code == 0, checked.err


@pytest.mark.parametrize("count", [5, 8, 12, 16, 25])
@pytest.mark.parametrize("target", ["year", "kind", "flag"])
def test_short_tables(invoke: Callable, tmp_path: Path, count: int, target: str) -> None:
    cells = {"year": lambda i: 1950 + i, "kind": lambda i: "ab"[i % 2], "flag": lambda i: i % 2}[target]
    lines = [f"{noisy(i)},{noisy(i + 7)},{cells(i)}" for i in range(count)]
    (tmp_path / "t.csv").write_text("\n".join([f"x,z,{target}", *lines]) + "\n")
    done = invoke("init", "t.csv")
    assert done.code == 0, done.err
    checked = invoke("check", "t.yaml", "--build")
    assert checked.code == 0, checked.err


@pytest.mark.parametrize("name", ["3", "1e5", "true", "null", "2024-01-01"])
def test_names_that_yaml_would_not_read_as_texts(invoke: Callable, tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{noisy(i)},{'ab'[i % 2]}\n" for i in range(60)))
    done = invoke("init", "t.csv", "--name", name)
    assert done.code == 0, done.err
    assert load(tmp_path / f"{name}.yaml").name == name
