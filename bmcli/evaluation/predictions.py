"""Every prediction of a split, as a CSV that spreadsheets, pandas and polars read; docs/evaluation.md has
the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.core.errors import IntegrityError
from bmcli.core.sanitize import safe_cell
from bmcli.metrics.predictions import Predictions
from bmcli.runs import layout

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Task
    from bmcli.runs.run import Run


def read(run: Run, split: str, task: Task, classes: Sequence[str]) -> Predictions:
    """Read what `to_csv` wrote into the run. IntegrityError if it is lost or damaged."""
    import numpy as np

    asked, name = tasks.stored(task), layout.predictions_of(split)
    try:
        if asked.keeps_arrays(len(classes)):
            name = name.removesuffix(".csv") + ".npz"
            with np.load(io.BytesIO(run.read_bytes(name)), allow_pickle=False) as arrays:
                ids = tuple(arrays["ids"].tolist())
                return Predictions(ids, arrays["targets"], arrays["probabilities"])
        rows = list(csv.reader(io.StringIO(run.read_text(name), newline="")))[1:]
        cells = asked.read_rows([row[1:] for row in rows], [safe_cell(label) for label in classes])
        return Predictions(tuple(row[0] for row in rows), *cells)
    except (ValueError, KeyError, IndexError, csv.Error) as error:
        raise IntegrityError(f"{run.path / name} is damaged: {error}") from error


def fit(found: Predictions, task: Task, classes: int, examples: int) -> bool:
    """Whether they are what `to_csv` writes for this number of examples and classes, all numbers finite."""
    import numpy as np

    targets, outputs = found.targets, found.outputs
    if len(outputs) != examples or len(found.ids) != examples:
        return False
    if not tasks.of(task).fits_shapes(targets, outputs, classes):
        return False
    return all(of.dtype.kind in "fiu" and bool(np.isfinite(of).all()) for of in (targets, outputs))


def to_csv(
    task: Task, classes: tuple[str, ...], ids: Sequence[str], targets: np.ndarray, outputs: np.ndarray
) -> tuple[str, bytes | None]:
    """The CSV text (RFC 4180: CRLF, quotes where needed), and of many classes an .npz too.

    targets: as in `Split.targets`; outputs: float32 of the finished model. Numbers have 9 significant
    digits, enough to give every float32 back exactly. The .npz holds `ids`, `classes`, `targets` and
    `probabilities` float32 [N, C].
    """
    asked, names = tasks.of(task), [safe_cell(name) for name in classes]
    cells = asked.rows(targets, outputs, names)
    rows = ([safe_cell(name), *row] for name, row in zip(ids, cells, strict=True))
    arrays = _npz(classes, ids, targets, outputs) if asked.keeps_arrays(len(classes)) else None
    return _text(["id", *asked.header(names)], rows), arrays


def _text(header: list[str], rows: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


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
