"""Sample predictions: some right ones, and the most confident mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.core.number_format import probability
from bmcli.core.sanitize import safe_cell
from bmcli.modalities.base import modality_of
from bmcli.modalities.values import BETWEEN, NEXT_TEXT
from bmcli.plots.style import BLUE, GREY, INK, ORANGE, cut, figure, style, to_png

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from bmcli.core.examples import Examples
    from bmcli.core.spec import Task
    from bmcli.data.bundle import Split

COLUMNS = 6
SIDE = 1.72
"""Inches of an image."""
RIGHT_IMAGES, WRONG_IMAGES = 6, 12
RIGHT_ROWS, WRONG_ROWS = 4, 10
WORST, EXCERPT = 20, 300
"""Number of worst answers, and of characters kept of each."""


@dataclass(frozen=True)
class _Sample:
    position: int
    right: bool
    true: str
    predicted: str
    probability: float


def sample_predictions(
    task: Task,
    classes: tuple[str, ...],
    examples: Examples,
    targets: np.ndarray,
    outputs: np.ndarray,
    ids: Sequence[str],
    split: str = "",
    window: tuple[float, float] | None = None,
) -> bytes:
    """A plot of right predictions, evenly spaced, and of the most confident wrong ones; classification.

    Images become a grid; texts and rows of a table a list. window: of the run, for images of more than 8
    bits. PNG bytes.
    """
    as_images = modality_of(examples.kind).excerpt(examples, 0) is None
    right, wrong = (RIGHT_IMAGES, WRONG_IMAGES) if as_images else (RIGHT_ROWS, WRONG_ROWS)
    hits = tasks.of(task).right(targets, outputs)
    assert hits is not None, "only answers that are right or wrong are drawn"
    chosen = _choose(tasks.of(task), classes, targets, outputs, hits, right, wrong)
    mistakes = sum(not one.right for one in chosen)
    total = int((~hits).sum())
    blocks = [
        (
            f"{cut(split, 24)}: the {mistakes} most confident of {total:,} mistakes",
            [s for s in chosen if not s.right],
        ),
        ("right", [s for s in chosen if s.right]),
    ]
    shown = [(title, samples) for title, samples in blocks if samples]
    with style():
        if as_images:
            return _grid(shown, examples, window)
        return _list(shown, examples, ids)


def worst_contents(task: Task, split: Split, outputs: np.ndarray) -> dict[str, str]:
    """Of the worst answers (see `Task.worst_first`), id as in the CSV -> how the text or row begins; nothing
    of images."""
    if modality_of(split.examples.kind).excerpt(split.examples, 0) is None:
        return {}
    chosen = tasks.of(task).worst_first(split.targets, outputs)[:WORST]
    return {safe_cell(split.ids[i]): _content(split.examples, i, EXCERPT) for i in chosen.tolist()}


def _choose(
    task: tasks.Task,
    classes: tuple[str, ...],
    targets: np.ndarray,
    outputs: np.ndarray,
    hits: np.ndarray,
    right: int,
    wrong: int,
) -> list[_Sample]:
    """The surest mistakes, surest first, then right ones evenly over the split."""
    import numpy as np

    sure = task.sureness(targets, outputs)
    misses = np.flatnonzero(~hits)
    worst = misses[np.argsort(-sure[misses], kind="stable")][:wrong]
    good = np.flatnonzero(hits)
    good = good[np.unique(np.linspace(0, len(good) - 1, right).astype(int))] if len(good) else good

    samples = []
    for position in (*worst.tolist(), *good.tolist()):
        true, predicted = task.named(targets[position], outputs[position], classes)
        samples.append(_Sample(position, bool(hits[position]), true, predicted, float(sure[position])))
    return samples


def _grid(
    blocks: list[tuple[str, list[_Sample]]], images: Examples, window: tuple[float, float] | None
) -> bytes:
    """COLUMNS images side by side, under a heading per block. All lie in one pair of axes, in inches: a pair
    for each of them takes longer to make than all the rest of the plot."""
    gap, heading = 0.2, 0.55
    rows = [-(-len(samples) // COLUMNS) for _, samples in blocks]
    captions = [0.52 if not samples[0].right else 0.3 for _, samples in blocks]
    width = COLUMNS * (SIDE + gap) + gap
    height = (
        sum(heading + n * (SIDE + caption + gap) for n, caption in zip(rows, captions, strict=True)) + gap
    )
    made = figure(width, height)
    made.set_layout_engine("none")
    axes = made.add_axes((0, 0, 1, 1))
    axes.axis("off")
    top = height
    for (title, samples), lines, caption in zip(blocks, rows, captions, strict=True):
        axes.text(gap, top - 0.3, title, fontsize=14, fontweight="bold", va="center")
        top -= heading
        for at, sample in enumerate(samples):
            row, column = divmod(at, COLUMNS)
            left = gap + column * (SIDE + gap)
            pixels = modality_of(images.kind).thumbnail(images, sample.position, window)
            _image(axes, left, top - row * (SIDE + caption + gap) - caption, pixels, sample)
        top -= lines * (SIDE + caption + gap)
    axes.set(xlim=(0, width), ylim=(0, height))
    return to_png(made)


def _image(axes: Axes, left: float, top: float, pixels: np.ndarray, sample: _Sample) -> None:
    """One of them, as large as a square of SIDE has room for, with what was answered above it."""
    tall, wide = pixels.shape[:2]
    inches = SIDE / max(tall, wide)
    middle, half = left + SIDE / 2, wide * inches / 2
    small = max(tall, wide) < 64
    axes.imshow(
        pixels,
        cmap="gray" if pixels.ndim == 2 else None,
        vmin=0,
        vmax=255,
        interpolation="nearest" if small else "antialiased",
        aspect="auto",
        extent=(middle - half, middle + half, top - tall * inches, top),
    )
    pad = 17 if not sample.right else 4
    axes.text(
        middle,
        top + pad / 72,
        f"{cut(sample.predicted, 12)} · {probability(sample.probability)}",
        color=BLUE if sample.right else ORANGE,
        fontsize=12,
        fontweight="bold",
        ha="center",
    )
    if not sample.right:
        name = f"is {cut(sample.true, 15)}"
        axes.text(middle, top + 0.035, name, ha="center", va="bottom", fontsize=11, color=INK)


def _list(blocks: list[tuple[str, list[_Sample]]], examples: Examples, ids: Sequence[str]) -> bytes:
    """One example under the other: predicted, true, how sure, and the beginning of what was read."""
    line, head = 0.31, 0.75
    modality = modality_of(examples.kind)
    height = sum(head + line * len(samples) for _, samples in blocks) + 0.2
    width, content = 13.5, 88
    made = figure(width, height)
    made.set_layout_engine("none")
    places = ((0.015, "predicted"), (0.165, "p"), (0.215, "true"), (0.35, modality.words.one))
    y = height
    for title, samples in blocks:
        made.text(places[0][0], (y - 0.3) / height, title, fontsize=13.5, fontweight="bold", va="center")
        for x, name in places:
            made.text(x, (y - 0.6) / height, name, fontsize=11, color=GREY, va="center")
        y -= head
        for sample in samples:
            at = (y - line / 2) / height
            colour = BLUE if sample.right else ORANGE
            name = f"{ids[sample.position]}: " if modality.named_in_plots else ""
            shown = cut(name + _content(examples, sample.position, content), content)
            cells = (
                (cut(sample.predicted, 18), colour),
                (probability(sample.probability), colour),
                (cut(sample.true, 17), INK),
                (shown, INK),
            )
            for (x, _), (text, ink) in zip(places, cells, strict=True):
                made.text(x, at, text, fontsize=11.5, color=ink, va="center")
            y -= line
    return to_png(made)


def _content(examples: Examples, position: int, most: int) -> str:
    """How an example begins, in at most that many characters: of a pair of texts, each of them."""
    parts = (modality_of(examples.kind).excerpt(examples, position) or "").split(NEXT_TEXT)
    left = most - len(BETWEEN) * (len(parts) - 1)
    room: dict[int, int] = {}
    for place in sorted(range(len(parts)), key=lambda i: len(parts[i])):  # what a short one leaves
        room[place] = left // (len(parts) - len(room))
        left -= min(room[place], len(parts[place]))
    return BETWEEN.join(cut(part, room[i]) for i, part in enumerate(parts))
