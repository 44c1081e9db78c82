"""Inputs of `bm predict`."""

from __future__ import annotations

import os

from tests.faults.hostile.case import CONFIG, DATA, Place, hostile, simple
from tests.faults.hostile.images import blank


@hostile("predict: images of 89 million transparent pixels", 0, "2.png", slow=True)
def _(place: Place) -> list[str]:
    place.run()
    data = blank(9400, 9400, 6)
    for i in range(4):
        place.file(f"many/{i}.png", data)
    return ["predict", "many", "--run", "trial"]


@hostile("predict: a folder with a pipe, a device and a hole", DATA, "pipe.png", "zero.png", "hole.png")
def _(place: Place) -> list[str]:
    place.run()
    (place.work / "mixed").mkdir()
    os.mkfifo(place.work / "mixed/pipe.png")
    (place.work / "mixed/zero.png").symlink_to("/dev/zero")
    (place.work / "mixed/up").symlink_to("..")
    place.file("mixed/hole.png")
    os.truncate(place.work / "mixed/hole.png", 10**11)
    return ["predict", "mixed", "--run", "trial"]


@hostile(
    "predict: a folder of texts with a pipe, a device and a hole", DATA, "pipe.txt", "zero.txt", "hole.txt"
)
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("texts/good.txt", "good")
    os.mkfifo(place.work / "texts/pipe.txt")
    (place.work / "texts/zero.txt").symlink_to("/dev/zero")
    place.file("texts/hole.txt")
    os.truncate(place.work / "texts/hole.txt", 10**11)
    return ["predict", "texts", "--run", "words"]


@hostile("predict: texts that are no text", DATA, "bytes.txt", "not UTF-8")
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("bytes.txt", bytes(range(256)) * 100)
    place.file("long.txt", "good " * 4_000_000)
    return ["predict", "bytes.txt", "long.txt", "--run", "words"]


@hostile("predict: a text of terminal codes", 0, "good")
def _(place: Place) -> list[str]:
    place.make_text_run()
    return ["predict", "--text", "\x1b[31mgood\x1b]0;x\x07\u202e", "[red]bad", "--run", "words"]


@hostile("predict: what it reads is not overwritten", CONFIG, "t.csv")
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("t.csv", "body\ngood\nbad\n")
    return ["predict", "t.csv", "--run", "words", "--output", "t.csv"]


@hostile("predict: what it reads is not overwritten through a link", CONFIG, "out.csv", slow=True)
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("t.csv", "body\ngood\nbad\n")
    os.link(place.work / "t.csv", place.work / "out.csv")
    return ["predict", "t.csv", "--run", "words", "--output", "out.csv"]


@hostile("predict: what it reads in a folder is not overwritten", CONFIG, "t.csv")
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("texts/t.csv", "body\ngood\nbad\n")
    return ["predict", "texts", "--run", "words", "--output", "texts/t.csv"]


@hostile("predict: an output elsewhere is the user's own wish", 0, writes=("outside/",))
def _(place: Place) -> list[str]:
    place.run()
    return place.predict("--output", "../outside/x.csv")


simple("predict: a table that is a bomb", DATA, "d.jsonl", make=lambda p: _predict_table(p))


def _predict_table(place: Place) -> list[str]:
    place.make_text_run()
    place.file("d.jsonl", "[" * 1_000_000 + "\n{\n")
    return ["predict", "d.jsonl", "--run", "words"]
