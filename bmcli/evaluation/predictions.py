"""Every prediction of a split, as a CSV that spreadsheets, pandas and polars read; docs/evaluation.md has
the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bmcli.core.errors import IntegrityError
from bmcli.core.sanitize import safe_cell
from bmcli.metrics.predictions import Predictions
from bmcli.runs import layout

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Task
    from bmcli.runs.run import Run

MOST_COLUMNS = 50
"""Up to so many classes or labels, each has its own column."""
TOP = 5


def read(run: Run, split: str, task: Task, classes: Sequence[str]) -> Predictions:
    """What `to_csv` wrote into the run. IntegrityError where it is lost or damaged."""
    import numpy as np

    name = layout.predictions_of(split)
    try:
        if task != "regression" and len(classes) > MOST_COLUMNS:
            name = name.removesuffix(".csv") + ".npz"
            with np.load(io.BytesIO(run.read_bytes(name)), allow_pickle=False) as arrays:
                ids = tuple(arrays["ids"].tolist())
                return Predictions(ids, arrays["targets"], arrays["probabilities"])
        rows = list(csv.reader(io.StringIO(run.read_text(name), newline="")))[1:]
        ids = tuple(row[0] for row in rows)
        if task == "regression":
            numbers = np.array([row[1:3] for row in rows], np.float64).reshape(-1, 2)
            return Predictions(ids, numbers[:, 0], numbers[:, 1:].astype(np.float32))
        if task == "multilabel":
            both = np.array([row[1:] for row in rows], np.float32).reshape(len(rows), -1)
            return Predictions(ids, both[:, : len(classes)], both[:, len(classes) :])
        index = {safe_cell(label): i for i, label in enumerate(classes)}
        targets = np.array([index[row[1]] for row in rows], np.int64)
        outputs = np.array([row[3:] for row in rows], np.float32).reshape(len(rows), len(classes))
        return Predictions(ids, targets, outputs)
    except (ValueError, KeyError, IndexError, csv.Error) as error:
        raise IntegrityError(f"{run.path / name} is damaged: {error}") from error


def fit(found: Predictions, task: Task, classes: int, examples: int) -> bool:
    """Whether they are what `to_csv` writes of so many examples and classes, every number of them finite."""
    import numpy as np

    width = {"regression": 1}.get(task, classes)
    targets, outputs = found.targets, found.outputs
    if outputs.shape != (examples, width) or len(found.ids) != examples:
        return False
    if targets.shape != ((examples, classes) if task == "multilabel" else (examples,)):
        return False
    if not all(of.dtype.kind in "fiu" and np.isfinite(of).all() for of in (targets, outputs)):
        return False
    if task in ("binary", "multiclass"):
        return targets.dtype.kind in "iu" and bool(((targets >= 0) & (targets < classes)).all())
    return True


def to_csv(
    task: Task, classes: tuple[str, ...], ids: Sequence[str], targets: np.ndarray, outputs: np.ndarray
) -> tuple[str, bytes | None]:
    """The CSV text (RFC 4180: CRLF, quotes where needed), and beyond MOST_COLUMNS classes an .npz too.

    targets: as in `Split.targets`; outputs: float32 of the finished model. Numbers have 9 significant
    digits, enough to give every float32 back exactly. The .npz holds `ids`, `classes`, `targets` and
    `probabilities` float32 [N, C].
    """
    if task == "regression":
        return _text(["id", "true", "predicted"], _values(ids, targets, outputs)), None
    names = [safe_cell(name) for name in classes]
    if len(classes) > MOST_COLUMNS:
        header = ["id", "true", "predicted"]
        header += [column for k in range(1, TOP + 1) for column in (f"top_{k}", f"p_top_{k}")]
        rows = _best(task, names, ids, targets, outputs)
        return _text(header, rows), _npz(classes, ids, targets, outputs)
    if task == "multilabel":
        header = ["id", *_numbered("true", classes), *_numbered("p", classes)]
        return _text(header, _labels(ids, targets, outputs)), None
    header = ["id", "true", "predicted", *_numbered("p", classes)]
    return _text(header, _probabilities(names, ids, targets, outputs)), None


def _numbered(prefix: str, classes: Sequence[str]) -> list[str]:
    return [f"{prefix}_{index}" for index in range(len(classes))]


def _text(header: list[str], rows: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def _digits(values: Iterable[float]) -> list[str]:
    return ["%.9g" % value for value in values]  # noqa: UP031 - twice as fast as format() here


def _values(ids: Sequence[str], targets: np.ndarray, outputs: np.ndarray) -> Iterable[Sequence[str]]:
    true, predicted = _digits(targets.tolist()), _digits(outputs.reshape(-1).tolist())
    return zip(map(safe_cell, ids), true, predicted, strict=True)


def _probabilities(
    names: list[str], ids: Sequence[str], targets: np.ndarray, outputs: np.ndarray
) -> Iterable[Sequence[str]]:
    best = outputs.argmax(axis=1).tolist()
    for name, true, predicted, row in zip(ids, targets.tolist(), best, outputs.tolist(), strict=True):
        yield [safe_cell(name), names[true], names[predicted], *_digits(row)]


def _labels(ids: Sequence[str], targets: np.ndarray, outputs: np.ndarray) -> Iterable[Sequence[str]]:
    truth = (targets > 0.5).astype(int).tolist()
    for name, labels, row in zip(ids, truth, outputs.tolist(), strict=True):
        yield [safe_cell(name), *map(str, labels), *_digits(row)]


def _best(
    task: Task, names: list[str], ids: Sequence[str], targets: np.ndarray, outputs: np.ndarray
) -> Iterable[Sequence[str]]:
    """Rows of the TOP most probable; a multilabel cell holds the indices of the labels, between spaces."""
    import numpy as np

    # Stable on the negated values: of equals the first comes first, as argmax has it.
    order = np.argsort(-outputs, axis=1, kind="stable")[:, :TOP]
    for row, name in enumerate(ids):
        if task == "multilabel":
            true = " ".join(map(str, np.flatnonzero(targets[row] > 0.5)))
            predicted = " ".join(map(str, np.flatnonzero(outputs[row] >= 0.5)))
        else:
            true, predicted = names[int(targets[row])], names[int(order[row, 0])]
        cells = [safe_cell(name), true, predicted]
        for index in order[row].tolist():
            cells += [names[index], "%.9g" % outputs[row, index]]  # noqa: UP031
        yield cells


def _npz(classes: tuple[str, ...], ids: Sequence[str], targets: np.ndarray, outputs: np.ndarray) -> bytes:
    import numpy as np

    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        ids=np.array(ids, dtype=np.str_),
        classes=np.array(classes, dtype=np.str_),
        targets=targets,
        probabilities=np.asarray(outputs, np.float32),
    )
    return stream.getvalue()
