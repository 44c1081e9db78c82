"""Handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bmcli.data.named import DATASETS, Dataset, Progress

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts


@DATASETS.register("digits")
class Digits(Dataset):
    """1,797 handwritten digits, 8 × 8 grey; bundled with scikit-learn, no download."""

    kind: ClassVar[Kind] = "image"
    task: ClassVar[Task] = "multiclass"
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    shape: ClassVar[tuple[int, int, int] | None] = (8, 8, 1)
    sizes: ClassVar[dict[str, int]] = {"all": 1797}
    licence: ClassVar[str] = "CC BY 4.0"
    homepage: ClassVar[str] = "https://archive.ics.uci.edu/dataset/80"
    source: ClassVar[str] = (
        "E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, "
        "1998 (its test set)"
    )
    forms: ClassVar[tuple[str, ...]] = ("bundled with scikit-learn",)

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """Grey levels 0 to 16 are scaled to 0 to 255."""
        import numpy as np
        from sklearn.datasets import load_digits

        from bmcli.data.bundle import Parts, Split
        from bmcli.modalities.image.examples import Images

        data = load_digits()
        pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None]
        ids = tuple(f"all/{i}" for i in range(len(pixels)))
        split = Split(Images(arrays=pixels), data.target.astype(np.int64), ids)
        return Parts("image", "multiclass", self.classes, split)
