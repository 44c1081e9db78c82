"""The Python API: what the command line does, without the terminal. Reached as `bmcli.train` and so on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bmcli.errors import UsageError

if TYPE_CHECKING:
    import keras
    import numpy as np

    from bmcli.data.bundle import Examples
    from bmcli.display import Display
    from bmcli.evaluation.evaluate import Evaluation
    from bmcli.inference.predict import Prediction, Predictor
    from bmcli.runs.run import Run as StoredRun
    from bmcli.runs.store import RunStore

__all__ = ["Run", "evaluate", "load", "train"]


class Run:
    """A run, to look at and to use."""

    def __init__(self, stored: StoredRun) -> None:
        self._stored = stored
        self._predictor: Predictor | None = None

    def __repr__(self) -> str:
        return f"<bmcli.Run {self.id}: {self.status}>"

    @property
    def id(self) -> str:
        """`<name>-v<N>`."""
        return self._stored.id

    @property
    def path(self) -> Path:
        """The run directory."""
        return self._stored.path

    @property
    def status(self) -> str:
        """'completed', 'interrupted', 'failed', 'diverged' or 'running'."""
        return self._stored.status

    @property
    def record(self) -> dict[str, Any]:
        """All of run.json, as it is now."""
        document: dict[str, Any] = json.loads(self._stored.reload().record.to_text())
        return document

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Split -> metric -> value, of every split that was evaluated."""
        return self._stored.reload().record.metrics

    def predict(
        self,
        inputs: str | Path | Sequence[str | Path] | np.ndarray | Mapping[str, Sequence[Any]],
        *,
        top_k: int | None = None,
    ) -> list[Prediction]:
        """One prediction per input, in order.

        inputs: for pictures, files (a path or several) or an array, uint8 [N, height, width(, channels)],
        or other numbers where the run was trained on such as go beyond; for texts, the texts themselves; for
        tables, columns by name, each of length N, or a data frame. top_k: classes in `top`.

        DataError listing all inputs that cannot be used.
        """
        from bmcli.data.inputs import Inputs
        from bmcli.inference.predict import open_predictor, unreadable

        if self._predictor is None:
            self._predictor = open_predictor(self._stored)
        prepared = self._predictor.preprocessing
        windowed = getattr(getattr(prepared, "manner", None), "window", None) is not None
        examples, names = _examples(inputs, prepared.kind, beyond_bytes=windowed)
        predictions, problems = self._predictor.predict(Inputs(examples, names), top_k=top_k)
        if problems:
            raise unreadable(problems, len(names))
        return predictions

    def evaluate(
        self,
        split: Literal["train", "validation", "test"] | None = None,
        *,
        data: str | Path | None = None,
        trust_code: bool = False,
    ) -> Evaluation:
        """Measure it on one of its splits (default test) or on labelled files, as `bm evaluate` does."""
        from bmcli.evaluation.run import evaluate_run
        from bmcli.report.page import refresh

        where = Path(data) if data is not None else None
        evaluation = evaluate_run(self._stored, split, data=where, trust_code=trust_code)
        refresh(self._stored)
        return evaluation

    def keras_model(self, *, trust_code: bool = False) -> keras.Model:
        """The model with its best weights, in float32: preprocessed inputs to probabilities or values."""
        from bmcli.inference.keras_model import rebuild

        return rebuild(self._stored, trust_code=trust_code)


def train(
    config: str | Path | dict[str, Any],
    overrides: Sequence[str] = (),
    *,
    tags: Sequence[str] = (),
    device: str = "auto",
    runs_dir: str | Path | None = None,
    display: Display | None = None,
    trust_code: bool = False,
) -> Run:
    """Train, evaluate and keep a new run.

    config: a file, the name of one that comes with bm, or the same as a dict; overrides: 'KEY=VALUE'.
    display: who is told what happens (`bmcli.display.Display`); nobody by default.
    trust_code: whether `code` files that lie in a run directory may run; UsageError where they may not.
    """
    from bmcli import pipeline, quiet
    from bmcli.config import resolve
    from bmcli.runs.run import came_with_a_run

    quiet.prepare()

    def refuse_foreign(files: Sequence[str]) -> None:
        foreign = [file for file in files if not trust_code and came_with_a_run(file)]
        if foreign:
            raise UsageError(
                f"{foreign[0]} came with a run, and would be run", hint="trust_code=True runs it"
            )

    resolved = resolve.load(config, overrides, run_code=True, before_code=refuse_foreign)
    return Run(pipeline.train(resolved, _store(runs_dir), tags=tags, device=device, display=display))


def load(reference: str | Path, *, runs_dir: str | Path | None = None) -> Run:
    """A run by its id, its name, 'latest', or the path of its directory."""
    if isinstance(reference, Path):
        from bmcli.runs.store import open_path

        return Run(open_path(reference))
    return Run(_store(runs_dir).find(reference))


def evaluate(
    run: Run | str | Path, split: Literal["train", "validation", "test"] | None = None
) -> Evaluation:
    """Measure a run, given as `load` takes it, on one of its splits (default test)."""
    return (run if isinstance(run, Run) else load(run)).evaluate(split)


def _store(runs_dir: str | Path | None) -> RunStore:
    from bmcli.runs.store import RunStore

    return RunStore(Path(runs_dir or os.environ.get("BM_RUNS_DIR") or "runs"))


def _examples(inputs: Any, kind: str, *, beyond_bytes: bool = False) -> tuple[Examples, tuple[str, ...]]:
    """Raw examples and a name for each."""
    import numpy as np

    from bmcli.data.bundle import Images, Texts

    if kind == "table":
        return _table(inputs)
    if kind == "image" and isinstance(inputs, np.ndarray):
        known = inputs.dtype == np.uint8 or (beyond_bytes and inputs.dtype.kind in "uif")
        if not known or inputs.ndim not in (3, 4):
            raise UsageError(
                f"pictures come as uint8 [N, height, width(, channels)], not {inputs.dtype} {inputs.shape}"
            )
        pictures = inputs if inputs.ndim == 4 else inputs[..., np.newaxis]
        return Images(arrays=pictures), tuple(map(str, range(len(pictures))))
    several = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    names = tuple(map(str, several))
    return (Images(paths=names) if kind == "image" else Texts(names)), names


def _cell(value: Any) -> Any:
    """A number as it is, None for what says missing (NaN, NaT, NA), all else as text."""
    import numpy as np

    if isinstance(value, str | bool | np.bool_):
        return str(value)
    if isinstance(value, int | float | np.number):
        return None if value != value else value
    missing = value is None or str(value) in ("NaT", "<NA>")  # of NumPy and pandas
    return None if missing else str(value)


def _table(inputs: Any) -> tuple[Examples, tuple[str, ...]]:
    import numpy as np

    from bmcli.data.bundle import Table

    names = getattr(inputs, "columns", None)
    if not isinstance(inputs, Mapping) and names is not None and hasattr(inputs, "__getitem__"):
        inputs = {name: inputs[name] for name in names}  # of polars or pandas
    if not isinstance(inputs, Mapping):
        raise UsageError("a table comes as columns by name: {'age': [31, 45], 'city': ['Bern', 'Basel']}")
    columns = {}
    for name, cells in inputs.items():
        array = np.asarray(cells)
        if array.ndim != 1:
            raise UsageError(f"column '{name}' has {array.ndim} axes: a value for each row is wanted")
        if array.dtype.kind in "biuf":
            columns[str(name)] = array.astype(np.float64)
        else:
            column = np.empty(len(array), object)
            column[:] = [_cell(cell) for cell in cells]
            columns[str(name)] = column
    table = Table(columns)
    if len({len(column) for column in columns.values()}) > 1:
        raise UsageError("the columns are of different lengths")
    return table, tuple(map(str, range(len(table))))
