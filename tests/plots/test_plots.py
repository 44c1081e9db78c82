"""Plots: the same bytes each time, whatever the names and however odd the metrics."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bmcli.data.bundle import Images, Table, Texts
from bmcli.evaluation.metrics import evaluate
from bmcli.modalities.image.thumbnail import thumbnail
from bmcli.plots import evaluation
from bmcli.plots.samples import sample_predictions
from bmcli.plots.style import cut

pytestmark = pytest.mark.draws

HOSTILE = ("$x^2$", "\\frac{", "two\nlines", "\x1b[31mred", "long " * 40, "日本", "_under_", "", " ")


@pytest.fixture(autouse=True)
def _no_warnings() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def size_of(png: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert not {"Software", "Creation Time", "date"} & set(image.info)
    return image.size


def measured(classes: tuple[str, ...], n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(len(classes), 0.3), n).astype(np.float32)
    return np.where(random.random(n) < 0.8, p.argmax(axis=1), random.integers(0, len(classes), n)), p


@pytest.mark.parametrize(
    "classes", [("no", "yes"), HOSTILE, tuple(f"class {i}" for i in range(100))], ids=["2", "hostile", "100"]
)
def test_confusion_matrices_are_readable_and_repeat(classes: tuple[str, ...]) -> None:
    y, p = measured(classes, 300)
    found = evaluate("multiclass", classes, y, p, split="test")
    png = evaluation.confusion_matrix(found)
    width, height = size_of(png)
    assert 500 < width < 2500 and 500 < height < 2500
    assert evaluation.confusion_matrix(found) == png


def test_a_users_matplotlibrc_changes_nothing() -> None:
    import matplotlib

    y, p = measured(("a", "b"), 30)
    found = evaluate("binary", ("a", "b"), y, p, split="test")
    png = evaluation.confusion_matrix(found)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 10}):
        assert evaluation.confusion_matrix(found) == png
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("epochs", [1, 2, 90])
@pytest.mark.parametrize("validation", [True, False])
def test_learning_curves_of_any_length(epochs: int, validation: bool) -> None:
    records = [{"epoch": e, "loss": 2.0 ** -(e / 5), "accuracy": None} for e in range(1, epochs + 1)]
    if validation:
        records = [r | {"val_loss": r["loss"] + 0.1, "val_accuracy": 0.5} for r in records]
    png = evaluation.learning_curves(records, "accuracy", best_epoch=epochs)
    size_of(png)
    assert evaluation.learning_curves(records, "accuracy", best_epoch=epochs) == png


def test_learning_curves_of_nothing_are_an_empty_plot() -> None:
    size_of(evaluation.learning_curves([{"epoch": 1, "loss": None}], "accuracy"))


@pytest.mark.parametrize("n", [1, 300, 30_000])
def test_regression(n: int) -> None:
    y = np.random.default_rng(0).normal(size=n)
    found = evaluate("regression", (), y, y[:, None] * 0.9, split="test")
    size_of(evaluation.regression(found, y, y[:, None] * 0.9, "$price$ " * 9))


@pytest.mark.parametrize("labels", [1, 60])
def test_metrics_of_labels(labels: int) -> None:
    random = np.random.default_rng(0)
    y = (random.random((80, labels)) < 0.3).astype(np.float32)
    p = random.random((80, labels)).astype(np.float32)
    names = tuple(f"$l_{i}$" for i in range(labels))
    size_of(evaluation.class_figures(evaluate("multilabel", names, y, p, split="test")))


@pytest.mark.parametrize("kind", ["grey", "colour", "files", "texts", "rows"])
@pytest.mark.parametrize("right", ["some", "all", "none"])
def test_samples_of_every_kind(kind: str, right: str, tmp_path: Path) -> None:
    n, random = 20, np.random.default_rng(0)
    y, p = measured(HOSTILE, n)
    if right != "some":
        y = p.argmax(axis=1) if right == "all" else (p.argmax(axis=1) + 1) % len(HOSTILE)
    pixels = random.integers(0, 256, (n, 9, 12, 1 if kind == "grey" else 3), dtype=np.uint8)
    if kind == "files":
        for i in range(n):
            Image.fromarray(pixels[i]).save(tmp_path / f"{i}.jpg")
    examples = {
        "grey": lambda: Images(arrays=pixels),
        "colour": lambda: Images(arrays=pixels),
        "files": lambda: Images(paths=tuple(str(tmp_path / f"{i}.jpg") for i in range(n))),
        "texts": lambda: Texts(tuple(HOSTILE[i % 9] * 20 for i in range(n))),
        "rows": lambda: Table({"$a$": random.normal(size=n), "b": np.array([None] * n, dtype=object)}),
    }[kind]()
    ids = [f"id {i}" for i in range(n)]
    png = sample_predictions("multiclass", HOSTILE, examples, y, p, ids, "test")
    size_of(png)
    assert sample_predictions("multiclass", HOSTILE, examples, y, p, ids, "test") == png


def test_samples_of_multilabel_images() -> None:
    random = np.random.default_rng(0)
    y = (random.random((30, 3)) < 0.5).astype(np.float32)
    images = Images(arrays=random.integers(0, 256, (30, 8, 8, 1), dtype=np.uint8))
    p = random.random((30, 3)).astype(np.float32)
    size_of(sample_predictions("multilabel", ("a", "b", "c"), images, y, p, [""] * 30, "test"))


def test_cut_keeps_one_printable_line() -> None:
    assert cut("a\n\tb\x1b[0m", 20) == "a b [0m"
    assert cut("x" * 50, 10) == "x" * 9 + "…"


def test_samples_show_an_image_as_the_model_sees_it(tmp_path: Path) -> None:
    wide, clear = tmp_path / "16 bit.png", tmp_path / "transparent.png"
    Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)).save(wide)
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(clear)
    images = Images(paths=(str(wide), str(clear)))
    assert thumbnail(images, 0).tolist() == [[128] * 4] * 4
    assert thumbnail(images, 0, (0, 128 * 257)).tolist() == [[255] * 4] * 4, "by the run's window"
    assert thumbnail(images, 1).tolist() == [[[255] * 3] * 4] * 4
    arrays = Images(arrays=np.array([[[[0.25], [0.5]]]], np.float32))
    assert thumbnail(arrays, 0, (0.25, 0.5)).tolist() == [[0, 255]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_samples_are_upright(tmp_path: Path, mode: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new(mode, (8, 4)).save(tmp_path / "turned.png", exif=exif)
    assert thumbnail(Images(paths=(str(tmp_path / "turned.png"),)), 0).shape[:2] == (8, 4)
