"""Shell completion beyond options: runs, configs, keys and values of a config, metrics.

Nothing here raises, as the error would be invisible, and nothing loads more than `bm check` does. bash ends a
word at `=`, so after it only the value is completed; zsh and others complete the whole KEY=VALUE.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from bmcli.config.reference.json_schema import Schema
    from bmcli.runs.run import Run
    from bmcli.runs.store import RunStore

Offer = tuple[str, str]
"""A completion and its description."""

_CONFIG_SUFFIXES = (".yaml", ".yml")
_MOST_FILES = 200
_DEEPEST = 8
_MOST_LETTERS = 60
_SORTS = ("created", "name", "status", "time", "model", "data", "best")

C = TypeVar("C", bound=Callable[..., object])


def _quietly(complete: C) -> C:
    """On any error (a damaged run, an unreadable folder, a broken plugin), offer nothing."""
    import functools

    @functools.wraps(complete)
    def offers(*args: object, **values: object) -> object:
        try:
            return complete(*args, **values)
        except Exception:
            return []

    return offers  # type: ignore[return-value]


# === runs ===================================================================================================


@_quietly
def complete_run(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Ids, names, tags and `latest` of the runs in the runs folder."""
    # The only RUN that `bm train` takes is one to resume.
    return _run_offers(ctx, incomplete, resumes=ctx.info_name == "train")


def _run_offers(ctx: typer.Context, incomplete: str, *, resumes: bool) -> list[Offer]:
    """A name and `latest` are offered if they refer to a run: a completed one, or, to resume, an unfinished
    one."""
    from bmcli.runs.listing import status_of

    runs = _runs(ctx)
    offers: dict[str, str] = {run.path.name: status_of(run) for run in runs}
    completed = [run for run in runs if offers[run.path.name] == "completed"]
    meant = (
        [run for run in runs if offers[run.path.name] in ("interrupted", "failed")] if resumes else completed
    )
    what = "unfinished" if resumes else "completed"
    offers |= {run.name: f"its newest {what} run" for run in meant}
    if not resumes:
        tags = {tag for run in completed for tag in run.record.tags}
        offers |= {f"@{tag}": "the newest completed run with this tag" for tag in sorted(tags)}
    if meant:
        offers["latest"] = f"the newest {what} run"
    return _beginning(offers.items(), incomplete)


def _runs(ctx: typer.Context) -> list[Run]:
    from bmcli.core.errors import BmError

    try:
        return _store(ctx).all()
    except (BmError, OSError):
        return []


def _store(ctx: typer.Context) -> RunStore:
    from bmcli.runs.store import RunStore

    given = ctx.params.get("runs_dir") or ctx.find_root().params.get("runs_dir")
    return RunStore(Path(given or os.environ.get("BM_RUNS_DIR") or "runs"))


@_quietly
def complete_sort(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Sort keys of `bm runs`: its columns, and the metrics of its runs."""
    metrics = {name for run in _runs(ctx) for name in run.record.metrics.get("test", {})}
    return _beginning([(name, "") for name in (*_SORTS, *sorted(metrics))], incomplete)


@_quietly
def complete_bound(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """`accuracy=` and its value in the run: for the bounds of `bm gate`."""
    if "=" in incomplete or _current_word() == "=":
        return []
    reference = ctx.params.get("run")
    found = [_store(ctx).find(reference)] if reference else _runs(ctx)
    values: dict[str, object] = {}
    for run in found:
        values |= run.record.metrics.get(ctx.params.get("split") or "test", {})
    if not values:
        from bmcli.config.reference.catalogue import kind_of, names

        values = dict.fromkeys(names(kind_of("metrics")))
    offers = [(f"{name}=", f"now {value}" if reference else "") for name, value in sorted(values.items())]
    return _with_value(_beginning(offers, incomplete), values)


def _with_value(offers: list[Offer], values: dict[str, object]) -> list[Offer]:
    """For a single KEY=, also offer a value, so that the shell stops after the `=` instead of adding a
    space."""
    if len(offers) != 1:
        return offers
    value = values.get(offers[0][0].rstrip("="))
    return [*offers, (f"{offers[0][0]}{0 if value is None else value}", "")]


# === configs ================================================================================================


@_quietly
def complete_config(incomplete: str) -> list[Offer]:
    """Config files, folders that may contain some, and the configs that ship with bm."""
    return [*_files(incomplete, lambda name: name.endswith(_CONFIG_SUFFIXES)), *_shipped(incomplete)]


@_quietly
def complete_source(incomplete: str) -> list[Offer]:
    """For `bm init`: the configs that ship with bm, and any data."""
    return [*_shipped(incomplete), *_files(incomplete, lambda name: True)]


def _shipped(incomplete: str) -> list[Offer]:
    from bmcli.config import shipped

    return _beginning([(name, "comes with bm") for name in shipped.names()], incomplete)


def _files(incomplete: str, wanted: Callable[[str], bool], deep: int = 0) -> list[Offer]:
    """Files and folders with this prefix. A single folder is listed too, because shells end a single word."""
    head, tail = os.path.split(incomplete)
    found: list[Offer] = []
    for entry in sorted(os.scandir(Path(head or ".").expanduser()), key=lambda entry: entry.name):
        if not entry.name.startswith(tail) or (entry.name.startswith(".") and not tail.startswith(".")):
            continue
        path = os.path.join(head, entry.name)  # noqa: PTH118 (as it was begun: ./ stays)
        if entry.is_dir():
            found.append((f"{path}/", "folder"))
        elif wanted(entry.name):
            found.append((path, "file"))
        if len(found) >= _MOST_FILES:
            break
    if len(found) == 1 and found[0][0].endswith("/") and deep < _DEEPEST:
        inside = _files(found[0][0], wanted, deep + 1)
        return [*found, *inside] if inside else found
    return found


# === keys and values ========================================================================================


@_quietly
def complete_change(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """KEY= of the config's schema, and the choices after the `=`."""
    in_bash = os.environ.get("_BM_COMPLETE") == "complete_bash"
    given = [str(one) for one in ctx.params.get("overrides") or ()]
    if in_bash:  # `key`, `=` and the value are separate words
        if _current_word() == "=" and given:
            return _values(ctx, given[-1], "", "")
        if given[-1:] == ["="] and len(given) > 1:
            return _values(ctx, given[-2], incomplete, "")
    key, equals, value = incomplete.partition("=")
    if equals:
        return _values(ctx, key, value, "" if in_bash else f"{key}=")
    every = dict(_keys(ctx))
    offers = _beginning([(f"{path}=", _in_a_line(schema)) for path, schema in every.items()], key)
    if len(offers) != 1:
        return offers
    path = offers[0][0].rstrip("=")
    values = [name for name, _ in _values(ctx, path, "", "")]
    return [*offers, *((f"{path}={name}", "") for name in values or [_default(every[path])])]


def _current_word() -> str:
    """The word that bash completes, unchanged: the parser drops a lone `=`."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    position = os.environ.get("COMP_CWORD", "")
    return words[int(position)] if position.isdecimal() and int(position) < len(words) else ""


def _in_a_line(schema: Schema) -> str:
    """The beginning of the description: folding would break zsh's list, and brackets are markup to Typer."""
    text = str(schema.get("description", "")).replace("[", "(").replace("]", ")")
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 3].rstrip() + "..."


def _default(schema: Schema) -> str:
    from bmcli.config.parsing.messages import as_written

    return as_written(schema.get("default"))


def _keys(ctx: typer.Context) -> Iterator[tuple[str, Schema]]:
    """Every path that takes a value, with its schema, including options of the config's components."""
    from bmcli.config.parsing.merge import shape_of
    from bmcli.config.reference.json_schema import options, sections
    from bmcli.core.registry import registry_of

    named = _named(ctx)
    for before, section in sections():
        for key, schema in options(section)[0].items():
            path = f"{before}.{key}".lstrip(".")
            shape = shape_of(section, key)
            if shape.section is None:
                yield path, schema
            if shape.chosen is not None and not shape.many:
                name = named.get(path) or shape.chosen.default
                registry = registry_of(shape.chosen.kind)
                if name is not None and name in registry:
                    for option, inner in options(registry.get(name))[0].items():
                        yield f"{path}.{option}", inner


def _named(ctx: typer.Context) -> dict[str, str]:
    """The components of the config file, by their paths; none if it cannot be read."""
    from bmcli.config.parsing.merge import merged

    source = ctx.params.get("config")
    if not source:
        return {}
    try:
        tree, _ = merged(source, (), Path.cwd())
    except Exception:
        return {}
    plain = tree.plain()
    found: dict[str, str] = {}
    for path in ("model", "training.optimizer", "training.schedule"):
        value: object = plain
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        name = value.get("name") if isinstance(value, dict) else value
        if isinstance(name, str):
            found[path] = name
    return found


def _values(ctx: typer.Context, key: str, incomplete: str, before: str) -> list[Offer]:
    """The possible values of a key, if they can be listed: names of a registry, choices, files."""
    from bmcli.config.parsing import messages as words
    from bmcli.config.reference import catalogue

    kinds = {kind.place: kind for kind in catalogue.KINDS}
    names: list[str] = []
    if key == "data":
        names = catalogue.names(kinds["data.name"])
    elif key in kinds and kinds[key].name == "metric":
        names = ["loss", *(f"val_{name}" for name in catalogue.names(kinds[key]))]
    elif key in kinds and kinds[key].name in ("model", "dataset", "optimizer", "schedule"):
        names = catalogue.names(kinds[key])
    elif key.endswith(".name") and key.removesuffix(".name") in kinds:
        names = catalogue.names(kinds[key.removesuffix(".name")])
    elif key == "data.augment":
        names = [f"[{name}]" for name in catalogue.names(kinds[key])]
    elif key in ("data.path", "data.test", "data.validation"):
        return [(before + path, about) for path, about in _files(incomplete, lambda name: True)]
    elif key in ("init_from", "init_from.run"):
        return [(before + run, about) for run, about in _run_offers(ctx, incomplete, resumes=False)]
    else:
        schema = dict(_keys(ctx)).get(key, {})
        names = words.choices(schema)
        if any(one.get("type") == "boolean" for one in words.alternatives(schema)):
            names = ["true", "false"]
        for one in words.alternatives(schema):
            if isinstance(one.get("items"), dict):
                names += [f"[{name}]" for name in words.choices(one["items"])]
    return _beginning([(before + name, "") for name in names], before + incomplete)


# === lists ==================================================================================================


@_quietly
def complete_kind(incomplete: str) -> list[Offer]:
    """What `bm list` lists."""
    from bmcli.config.reference.catalogue import KINDS

    return _beginning([(kind.plural, kind.summary) for kind in KINDS], incomplete)


@_quietly
def complete_entry(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Names of the kind that was given before."""
    from bmcli.config.reference.catalogue import kind_of, names

    return _beginning([(name, "") for name in names(kind_of(ctx.params.get("kind") or ""))], incomplete)


def _beginning(offers: Iterable[Offer], incomplete: str) -> list[Offer]:
    return [offer for offer in offers if offer[0].startswith(incomplete)]
