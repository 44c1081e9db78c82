"""The table of runs, and what `bm runs show` says of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from bmcli.cli.command import Session

if TYPE_CHECKING:
    from bmcli.core.plain import Document
    from bmcli.runs.run import Run


_HEAD = ("run", "status", "created", "time", "model", "data", "best", "test", "tags")
_RIGHT = ("time",)
MOST_NAMED = 10
"""Largest number of damaged runs described, one line each."""
_MOST_LISTED = 12
"""Names in a list; beyond, only their number."""
_LEAST_IMPORTANT = ("tags", "data", "model", "created", "time", "best")
"""Columns dropped on a narrow terminal, in this order."""


class RunRow(TypedDict):
    """A run in the table and in `--json`; fields as in `RunRecord`, None or empty if run.json is damaged.

    killed: whether its process ended without a word; error: a line, also of a damaged run.
    """

    run: str
    path: str
    name: str
    version: int
    status: str
    killed: bool
    created: str | None
    seconds: float | None
    model: str | None
    data: str | None
    task: str | None
    monitor: str | None
    best_epoch: int | None
    best_value: float | None
    headline: str | None
    metrics: dict[str, dict[str, float | None]]
    tags: list[str]
    error: str | None


def row_of(run: Run) -> RunRow:
    """Its row."""
    from bmcli.core.errors import IntegrityError

    try:
        record = run.record
        killed = run.killed
    except IntegrityError as error:
        return {
            "run": run.path.name,
            "path": str(run.path),
            "name": run.name,
            "version": run.version,
            "status": "damaged",
            "killed": False,
            "created": None,
            "seconds": None,
            "model": None,
            "data": None,
            "task": None,
            "monitor": None,
            "best_epoch": None,
            "best_value": None,
            "headline": None,
            "metrics": {},
            "tags": [],
            "error": error.message,
        }
    return {
        "run": run.path.name,
        "path": str(run.path),
        "name": run.name,
        "version": run.version,
        "status": "failed" if killed else record.status,
        "killed": killed,
        "created": record.created,
        "seconds": record.seconds,
        "model": record.model,
        "data": record.data,
        "task": record.task,
        "monitor": record.monitor,
        "best_epoch": record.best_epoch,
        "best_value": record.best_value,
        "headline": record.headline,
        "metrics": record.metrics,
        "tags": list(record.tags),
        "error": "its process was killed" if killed else record.error,
    }


def sorted_rows(rows: list[RunRow], key: str) -> list[RunRow]:
    """Rows sorted by this key; those without a value last."""
    from bmcli.core.errors import UsageError, did_you_mean

    if key == "created":
        return rows
    fields = {"time": "seconds", "name": "name", "status": "status", "model": "model", "data": "data"}
    metrics = {metric for row in rows for metric in row["metrics"].get("test", {})}
    known = ["created", "best", *fields, *sorted(metrics)]
    if key not in known and rows:
        raise UsageError(
            f"cannot sort by '{key}'", hint=did_you_mean(key, known) or f"known: {', '.join(known)}"
        )

    def value(row: RunRow) -> float | str | None:
        if key in fields:
            found = dict(row)[fields[key]]
            return found if isinstance(found, str | float | int) else None
        found = row["best_value"] if key == "best" else row["metrics"].get("test", {}).get(key)
        metric = (row["monitor"] or "").removeprefix("val_") if key == "best" else key
        return -found if found is not None and _greater_is_better(row["task"], metric) else found

    def order(row: RunRow) -> tuple[str, float]:
        found = value(row)
        return (found, 0.0) if isinstance(found, str) else ("", found or 0.0)

    valued = [row for row in rows if value(row) is not None]
    return sorted(valued, key=order) + [row for row in rows if value(row) is None]


def _greater_is_better(task: str | None, metric: str) -> bool:
    from bmcli.tasks import TASKS, of

    return task is not None and task in TASKS and of(task).metrics.get(metric, True)


def table_of(session: Session, rows: list[RunRow]) -> str | None:
    from bmcli.core import streams
    from bmcli.terminal import render

    if not rows:
        session.note(f"no runs in {session.runs_dir}/; bm train CONFIG creates one")
        return None
    shown = len(_HEAD) - (not any(row["tags"] for row in rows))
    cells = [_HEAD[:shown], *(_cells(row)[:shown] for row in rows)]
    lines = render.narrowed(cells, _LEAST_IMPORTANT, streams.out(), right=_RIGHT)
    return render.Painted("\n".join(_painted(lines, rows)))


def _painted(lines: list[str], rows: list[RunRow]) -> list[str]:
    """A bold header, and each status in its colour."""
    from bmcli.core import streams
    from bmcli.core.sanitize import one_line
    from bmcli.terminal import render

    head, *others = lines
    painted = [render.paint(head, render.STRONG, streams.out())]
    for line, row in zip(others, rows, strict=True):
        status = row["status"]
        after = line.index(f"  {status}", len(one_line(row["run"]))) + 2  # in the second column
        word = render.paint(status, _style(status), streams.out())
        painted.append(line[:after] + word + line[after + len(status) :])
    return painted


def _style(status: str) -> str:
    """The colour of a run's status."""
    from bmcli.terminal import render

    styles = {"completed": render.GOOD, "running": render.STRONG, "interrupted": render.WARNING}
    return styles.get(status, render.ERROR)


def _cells(row: RunRow) -> tuple[str, ...]:
    from bmcli.core.number_format import decimals, duration, moment

    best = f"{row['monitor']} {decimals(row['best_value'])}" if row["best_value"] is not None else "–"
    headline = row["headline"]
    measured = row["metrics"].get("test", {}).get(headline or "")
    return (
        row["run"],
        f"{row['status']} (killed)" if row["killed"] else row["status"],
        moment(row["created"]),
        duration(row["seconds"]),
        row["model"] or "–",
        row["data"] or "–",
        best,
        f"{headline} {decimals(measured)}" if measured is not None else "–",
        " ".join(row["tags"]),
    )


def details_of(run: Run) -> str:
    from bmcli.core import streams
    from bmcli.core.number_format import count, decimals, duration, moment, size
    from bmcli.terminal import render

    record = run.record
    took = f", took {duration(record.seconds)}" if record.seconds is not None else ""
    git = record.git or {}
    hardware = record.hardware
    onnx = record.onnx or {}
    epochs = f"{record.epochs} epochs, {record.precision}, seed {record.seed}" if record.epochs else None
    best = f"epoch {record.best_epoch}, {record.monitor} {decimals(record.best_value)}"
    lines = [
        ("status", run.status + (" (killed)" if run.killed else "")),
        ("error", record.error),
        ("created", moment(record.created) + took),
        ("tags", " ".join(record.tags)),
        ("command", " ".join(record.command)),
        ("data", record.data),
        ("splits", "  ".join(f"{name} {number:,}" for name, number in record.splits.items())),
        ("classes", abridged(record.classes)),
        ("model", record.model),
        ("pretrained", _pretrained(record.pretrained or {})),
        ("parameters", count(record.parameters) if record.parameters is not None else None),
        ("training", epochs),
        ("best", best if record.best_epoch else None),
        *(
            (split, "  ".join(f"{name} {decimals(value)}" for name, value in metrics.items()))
            for split, metrics in record.metrics.items()
        ),
        ("onnx", ("published" if onnx.get("published") else f"none: {onnx.get('reason')}") if onnx else None),
        ("weights", record.weights_sha256),
        ("git", f"{str(git['commit'])[:12]}{', with changes' if git.get('dirty') else ''}" if git else None),
        ("machine", f"{hardware['cpu']}, {hardware['cores']} cores" if "cpu" in hardware else None),
        ("versions", "  ".join(f"{name} {version}" for name, version in record.versions.items())),
        ("notes", "; ".join(record.notes)),
        ("files", f"{run.path}, {size(run.size())}"),
    ]
    title, state, *others = [run.id, *render.columns([(label, str(text)) for label, text in lines if text])]
    label = state[: -len(state.split(maxsplit=1)[1])]
    state = label + render.paint(state.removeprefix(label), _style(run.status), streams.out())
    return render.Painted("\n".join([render.paint(title, render.STRONG, streams.out()), state, *others]))


def _pretrained(facts: Document) -> str | None:
    """The weights from elsewhere that a run began with, in a line."""
    if not facts:
        return None
    licence = facts.get("licence")
    name = f"{facts['name']}@{facts['revision']}" if facts.get("revision") else facts["name"]
    return f"{name}, SHA-256 {facts['sha256']}" + (f", licence {licence}" if licence else "")


def abridged(names: tuple[str, ...]) -> str:
    rest = f" … ({len(names):,})" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + rest
