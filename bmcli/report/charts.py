"""Line charts as inline SVG: sharp at any size, in the page's colours, with a text for screen readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from bmcli.core.number_format import decimals, quantity

WIDTH, HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 34


@dataclass(frozen=True)
class Line:
    """Points (x, y); a y of None is a gap. style: a class of the page's CSS: line-1, line-2, guide; labels:
    a text beside each point."""

    name: str
    points: Sequence[tuple[float, float | None]]
    style: str = "line-1"
    dots: bool = False
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class _Scale:
    """From values to places in the drawing."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.low_x) / (self.high_x - self.low_x) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return (
            HEIGHT - _BOTTOM - (value - self.low_y) / (self.high_y - self.low_y) * (HEIGHT - _TOP - _BOTTOM)
        )


def chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    mark: float | None = None,
    mark_label: str = "",
) -> Markup:
    """An SVG element. mark: an x to draw a vertical line at. Names are escaped."""
    known = [(x, y) for line in lines for x, y in line.points if y is not None and math.isfinite(y)]
    if not known:
        return Markup("")
    scale = _Scale(
        *(x_range or _wide(min(x for x, _ in known), max(x for x, _ in known))),
        *(y_range or _wide(min(y for _, y in known), max(y for _, y in known))),
    )
    parts = _axes(scale, x_label, whole=all(float(x).is_integer() for x, _ in known))
    if mark is not None:
        x = f"{scale.x(mark):.1f}"
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
    for line in lines:
        parts += _drawn(line, scale)
    keys = "".join(
        f'<span class="key {line.style}">{escape(line.name)}</span>' for line in lines if line.name
    )
    if mark is not None and mark_label:
        keys += f'<span class="key mark">{escape(mark_label)}</span>'
    drawing = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_in_words(title, lines))}">'
    )
    drawing += "".join(parts) + "</svg>"
    return Markup(
        f'<figure><figcaption>{escape(title)}</figcaption>{drawing}<p class="keys">{keys}</p></figure>'
    )


def _axes(scale: _Scale, x_label: str, *, whole: bool) -> list[str]:
    """Ticks with their numbers, grid lines, and the name of x. whole: x is in whole numbers."""
    parts = []
    for tick in _ticks(scale.low_y, scale.high_y):
        y = f"{scale.y(tick):.1f}"
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text class="tick" x="{_LEFT - 6}" y="{scale.y(tick) + 4:.1f}" text-anchor="end">'
            f"{quantity(round(tick, 12))}</text>"
        )
    for tick in _ticks(scale.low_x, scale.high_x, whole=whole):
        parts.append(
            f'<text class="tick" x="{scale.x(tick):.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
            f"{quantity(round(tick, 12))}</text>"
        )
    parts.append(
        f'<text class="tick" x="{(WIDTH + _LEFT - _RIGHT) / 2:.0f}" y="{HEIGHT - 3}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
    )
    return parts


def _drawn(line: Line, scale: _Scale) -> list[str]:
    """A line, its dots and its labels."""
    parts = []
    for piece in _pieces(line.points):
        points = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in piece)
        parts.append(f'<polyline class="{line.style}" points="{points}"/>')
        if line.dots or len(piece) == 1:
            parts += [
                f'<circle class="{line.style}" cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="3"/>'
                for x, y in piece
            ]
    for (x, y), label in zip(line.points, line.labels, strict=False):
        if y is not None and math.isfinite(y):
            at = scale.y(y) + (14 if y > scale.high_y - 0.1 else -7)
            parts.append(
                f'<text class="tick" x="{scale.x(x):.1f}" y="{at:.1f}" '
                f'text-anchor="middle">{escape(label)}</text>'
            )
    return parts


def _in_words(title: str, lines: Sequence[Line]) -> str:
    said = []
    for line in lines:
        values = [y for _, y in line.points if y is not None and math.isfinite(y)]
        if values and line.name:
            said.append(f"{line.name} from {decimals(values[0])} to {decimals(values[-1])}")
    return f"{title}: {'; '.join(said)}"


def _pieces(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None and math.isfinite(y):
            pieces[-1].append((x, y))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _wide(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Four to seven round numbers within the range."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next((m for m in (1, 2, 5) if (high - low) / (step * m) <= 6), 10)
    if whole:
        step = max(1.0, round(step))
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
