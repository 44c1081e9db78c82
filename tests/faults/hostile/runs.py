"""References to runs, and run directories that came from elsewhere."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import Any

from tests.faults.hostile.case import CONFIG, DAMAGED, Place, hostile, seal, simple

simple("run: dots", CONFIG, "", make=lambda p: ["runs", "show", "../../etc"])
simple("run: dots inside", CONFIG, "", slow=True, make=lambda p: ["runs", "show", "a/b/../.."])
simple("run: an option", CONFIG, "", slow=True, make=lambda p: ["runs", "show", "-x"])
simple("run: an option after --", CONFIG, "", make=lambda p: ["runs", "show", "--", "-x"])
simple(
    "run: markup", CONFIG, "[red]x[/red]", make=lambda p: [str(p.run() and "runs"), "show", "[red]x[/red]"]
)
simple(
    "run: terminal codes",
    CONFIG,
    r"\x1b[31m",
    make=lambda p: [str(p.run() and "runs"), "show", "\x1b[31m\x07"],
)
simple("run: nothing", CONFIG, "", slow=True, make=lambda p: ["runs", "show", ""])
simple("run: 100,000 letters", CONFIG, "", make=lambda p: ["runs", "show", "x" * 100_000])
simple(
    "run: a path of 100,000 letters",
    CONFIG,
    "",
    make=lambda p: ["runs", "show", "./" + "x" * 100_000],
)
simple("run: a version of 200 digits", CONFIG, "", slow=True, make=lambda p: ["evaluate", "x-v" + "9" * 200])
simple("run: removing dots", CONFIG, "", make=lambda p: ["runs", "remove", "--yes", "../outside"])
simple(
    "run: a device",
    CONFIG,
    "/dev/zero",
    make=lambda p: ["evaluate", "/dev/zero"],
)


NESTED = "[" * 200_000


def show(place: Place) -> list[str]:
    """`bm runs show`."""
    return ["runs", "show", "trial-v1"]


simple(
    "run.json: nested 200,000 deep",
    DAMAGED,
    "run.json",
    make=lambda p: p.spoiled("run.json", NESTED) and show(p),
)
simple(
    "run.json: nested, in the table of runs",
    0,
    "damaged",
    make=lambda p: p.spoiled("run.json", NESTED) and ["runs"],
)
simple(
    "run.json: wrong types", DAMAGED, "metrics", make=lambda p: p.edited("run.json", metrics=[1]) and show(p)
)
simple(
    "run.json: wrong types deeper down",
    DAMAGED,
    "",
    make=lambda p: (
        p.edited("run.json", metrics={"test": 3}, tags=[{"a": 1}], versions={"a": [1]}) and show(p)
    ),
)
simple(
    "run.json: NaN",
    DAMAGED,
    "",
    make=lambda p: (
        p.edited("run.json", best_value=float("nan"), seconds=float("inf")) and [*show(p), "--json"]
    ),
)
simple(
    "run.json: an id that leaves the folder",
    2,
    "trial-v1 is damaged",
    make=lambda p: p.edited("run.json", id="../../x", name="../../x") and p.predict(),
)
simple(
    "run.json: terminal codes",
    0,
    r"\x1b[31m",
    make=lambda p: (
        p.edited("run.json", tags=["\x1b[31m"], classes=["\x1b]0;x\x07"], notes=["[red]"], error="\x9b31m")
        and show(p)
    ),
)
simple(
    "run.json: terminal codes in the table of runs",
    0,
    r"\x1b[31m",
    make=lambda p: p.edited("run.json", tags=["\x1b[31m"], model="\x1b]0;x\x07") and ["runs"],
)


@hostile("run.json: a link out of the run", DAMAGED, "")
def _(place: Place) -> list[str]:
    path = place.run()
    (path / "run.json").unlink()
    (path / "run.json").symlink_to(place.root / "outside" / "secret.txt")
    return show(place)


@hostile(
    "run.json: a link to a device",
    DAMAGED,
    "",
    slow=True,
)
def _(place: Place) -> list[str]:
    path = place.run()
    (path / "run.json").unlink()
    (path / "run.json").symlink_to("/dev/zero")
    return show(place)


@hostile("run.json: a pipe", 0, "damaged", slow=True)
def _(place: Place) -> list[str]:
    path = place.run()
    (path / "run.json").unlink()
    os.mkfifo(path / "run.json")
    return ["runs"]


def manifest(place: Place, **files: str) -> list[str]:
    """`bm runs verify` of a run whose manifest names these too."""
    path = place.run()
    document = json.loads((path / "manifest.json").read_text())
    document["files"] |= files
    (path / "manifest.json").write_text(json.dumps(document))
    return ["runs", "verify", "trial-v1"]


simple(
    "manifest: files outside",
    DAMAGED,
    "outside the run",
    make=lambda p: manifest(
        p, **{"../../outside/secret.txt": sha256(b"do not read me").hexdigest(), "/etc/passwd": "0" * 64}
    ),
)
simple(
    "manifest: terminal codes",
    DAMAGED,
    r"\x1b[31m",
    slow=True,
    make=lambda p: manifest(p, **{"\x1b[31m": "0"}),
)


@hostile(
    "manifest: nested 200,000 deep",
    DAMAGED,
    "manifest.json",
)
def _(place: Place) -> list[str]:
    (place.run() / "manifest.json").write_text(NESTED)
    return ["runs", "verify", "trial-v1"]


@hostile(
    "run: files that are pipes and links out",
    DAMAGED,
    "",
    slow=True,
)
def _(place: Place) -> list[str]:
    path = place.run()
    os.mkfifo(path / "pipe")
    (path / "metrics.jsonl").unlink()
    (path / "metrics.jsonl").symlink_to("/dev/zero")
    return ["runs", "verify", "trial-v1"]


def preprocessing(place: Place, **changes: Any) -> list[str]:
    """`bm predict` with other values in preprocessing.json."""
    place.edited("preprocessing.json", **changes)
    return place.predict()


simple(
    "preprocessing: images of 10^9 pixels a side",
    DAMAGED,
    "preprocessing.json",
    make=lambda p: preprocessing(p, image__size=[10**9, 10**9], input_shape=[10**9, 10**9, 1]),
)
simple(
    "preprocessing: images of 60,000 pixels a side",
    DAMAGED,
    "",
    make=lambda p: preprocessing(p, image__size=[60_000, 60_000], input_shape=[60_000, 60_000, 1]),
)
simple(
    "preprocessing: images of another size than the model's",
    DAMAGED,
    "",
    make=lambda p: preprocessing(p, image__size=[9, 9], input_shape=[9, 9, 1]),
)
simple(
    "preprocessing: fewer classes than the model's",
    DAMAGED,
    "",
    make=lambda p: preprocessing(p, classes=["one", "two"]),
)
simple(
    "preprocessing: text instead of numbers",
    DAMAGED,
    "preprocessing.json",
    slow=True,
    make=lambda p: preprocessing(p, image__scale=["x"]),
)
simple(
    "preprocessing: nested 200,000 deep",
    DAMAGED,
    "preprocessing.json",
    slow=True,
    make=lambda p: p.spoiled("preprocessing.json", NESTED) and p.predict(),
)
simple(
    "preprocessing: classes of terminal codes",
    0,
    r"\x1b[31m",
    make=lambda p: preprocessing(p, classes=[f"\x1b[31m{i}" for i in range(10)]),
)


def tokenizer(place: Place, content: str) -> list[str]:
    """`bm predict` with another tokenizer.json."""
    path = place.make_text_run().path
    (path / "tokenizer.json").write_text(content)
    seal(path)
    return ["predict", "--text", "good", "--run", "words"]


simple("tokenizer: garbage", DAMAGED, "", slow=True, make=lambda p: tokenizer(p, "garbage"))
simple("tokenizer: nested 200,000 deep", DAMAGED, "", make=lambda p: tokenizer(p, NESTED))
simple(
    "tokenizer: 50 MB of a regular expression",
    DAMAGED,
    "",
    slow=True,
    make=lambda p: tokenizer(
        p,
        json.dumps(
            {
                "version": "1.0",
                "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a*)*" * 10_000_000}},
                "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
            }
        ),
    ),
)
