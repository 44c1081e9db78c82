"""Configs."""

from __future__ import annotations

import os

from tests.faults.hostile.case import CONFIG, Place, hostile, simple


def _bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    return "\n".join(lines)


def _merge_bomb() -> str:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}" for i in range(1, 40)]
    return "\n".join(lines)


TAG = "data: !!python/object/apply:os.mkdir ['{}']\n"

simple("yaml: alias bomb", CONFIG, "aliases written out", make=lambda p: p.check(_bomb()))
simple("yaml: merge-key bomb", CONFIG, "merge keys", lines=100, make=lambda p: p.check(_merge_bomb()))
simple("yaml: 100,000 levels", CONFIG, "deeper than", make=lambda p: p.check("a: " + "[" * 100_000))
simple("yaml: huge key", CONFIG, "unknown", make=lambda p: p.check("? " + "k" * 900_000 + "\n: 1\n"))
simple("yaml: huge name", CONFIG, "name", slow=True, make=lambda p: p.check("name: " + "k" * 900_000))
simple("yaml: huge list", CONFIG, "values", make=lambda p: p.check("a: [" + "1," * 450_000 + "]"))
simple("yaml: python tag", CONFIG, "tag", make=lambda p: p.check(TAG.format(p.canary)))
simple(
    "yaml: python tag in an override",
    CONFIG,
    "tag",
    make=lambda p: p.check("data: digits\n", f"model=!!python/object/apply:os.mkdir ['{p.canary}']"),
)
simple(
    "yaml: the same key 10,000 times",
    CONFIG,
    "twice",
    lines=100,
    make=lambda p: p.check("seed: 1\n" * 10_000),
)
simple("yaml: NUL bytes", CONFIG, "NUL", make=lambda p: p.check(b"seed: 1\n" + b"\0" * 1000))
simple("yaml: UTF-16", CONFIG, "UTF-8", make=lambda p: p.check("data: digits\n".encode("utf-16")))
simple("yaml: not UTF-8", CONFIG, "0xff", make=lambda p: p.check(b"data: d\xff\n"))
simple("yaml: 50 MB", CONFIG, "larger", make=lambda p: p.check(b"# x\n" * (50_000_000 // 4)))
simple("yaml: terminal codes", CONFIG, r"\x1b[31m", make=lambda p: p.check('"\\e[31m\\e]0;x\\a": 1\n'))
simple(
    "yaml: text that turns round",
    CONFIG,
    r"\u202e",
    slow=True,
    make=lambda p: p.check("data: digits\nx\u202ey: 1\n"),
)
simple(
    "yaml: a name with dots",
    CONFIG,
    "name",
    slow=True,
    make=lambda p: p.check("name: ../../x\ndata: digits\n"),
)
simple(
    "override: a name with dots",
    CONFIG,
    "name",
    make=lambda p: p.check("data: digits\n", "name=../../x"),
)
simple(
    "override: a key with dots and slashes",
    CONFIG,
    "KEY=VALUE",
    make=lambda p: p.check("data: digits\n", "training.../../x=1"),
)
simple("extends: itself", CONFIG, "extends", make=lambda p: p.check("extends: c.yaml\n"))
simple("extends: /dev/zero", CONFIG, "/dev/zero", make=lambda p: p.check("extends: /dev/zero\n"))
simple("extends: a folder", CONFIG, "../outside", make=lambda p: p.check("extends: ../outside\n"))


@hostile("extends: a pipe", CONFIG, "pipe.yaml")
def _(place: Place) -> list[str]:
    os.mkfifo(place.work / "pipe.yaml")
    return place.check("extends: pipe.yaml\n")


@hostile("extends: a circle of three", CONFIG, "extends", slow=True)
def _(place: Place) -> list[str]:
    place.file("b.yaml", "extends: d.yaml\n")
    place.file("d.yaml", "extends: c.yaml\n")
    return place.check("extends: b.yaml\n")


@hostile("extends: thirty files that each name the next twice", CONFIG, "extends")
def _(place: Place) -> list[str]:
    for i in range(30):
        place.file(f"{i}.yaml", f"extends: [{i + 1}.yaml, {i + 1}.yaml]\n")
    place.file("30.yaml", "seed: 1\n")
    return place.check("extends: 0.yaml\ndata: digits\nnonsense: 1\n")


simple("config: a device", CONFIG, "/dev/zero", make=lambda p: ["check", "/dev/zero"])
simple("config: a folder", CONFIG, "folder", make=lambda p: ["check", "../outside"])


@hostile("config: a pipe", CONFIG, "pipe.yaml")
def _(place: Place) -> list[str]:
    os.mkfifo(place.work / "pipe.yaml")
    return ["check", "pipe.yaml"]


@hostile("config: a link to itself", CONFIG, "loop.yaml")
def _(place: Place) -> list[str]:
    (place.work / "loop.yaml").symlink_to("loop.yaml")
    return ["check", "loop.yaml"]


simple("config: a name of 100,000 letters", CONFIG, "", make=lambda p: ["check", "x" * 100_000 + ".yaml"])
