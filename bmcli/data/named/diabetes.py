"""Diabetes progression, a small regression table that comes with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bmcli.data.named import DATASETS, Dataset, Progress

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts


@DATASETS.register("diabetes")
class Diabetes(Dataset):
    """442 patients, 10 measurements, disease progression after a year; bundled with scikit-learn."""

    kind: ClassVar[Kind] = "table"
    task: ClassVar[Task] = "regression"
    columns: ClassVar[tuple[str, ...]] = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
    sizes: ClassVar[dict[str, int]] = {"all": 442}
    licence: ClassVar[str] = "none stated"
    homepage: ClassVar[str] = "https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html"
    source: ClassVar[str] = "B. Efron et al., Least Angle Regression, Annals of Statistics 32, 2004"
    forms: ClassVar[tuple[str, ...]] = ("bundled with scikit-learn",)

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """Features in their own units (years, kg/m², mmHg, ...); the target is 'progression'."""
        import numpy as np
        from sklearn.datasets import load_diabetes

        from bmcli.data.bundle import Parts, Split
        from bmcli.modalities.table.examples import Table

        data = load_diabetes(scaled=False)
        table = Table({name: data.data[:, i].astype(np.float64) for i, name in enumerate(self.columns)})
        ids = tuple(f"all/{i}" for i in range(len(table)))
        split = Split(table, data.target.astype(np.float64), ids)
        return Parts("table", "regression", (), split, target_name="progression")
