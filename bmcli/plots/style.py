"""The style of every plot, and how it becomes PNG bytes. No pyplot, no global state, no window.

Names from outside are drawn as they are: never as mathematics, never longer than there is room for.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

# Okabe and Ito (2008): distinguishable with every kind of colour blindness.
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8A8A8A", "#222222"
DPI = 150

_STYLE: dict[RcKeyType, object] = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 12,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "lines.markersize": 6,
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "text.usetex": False,
    "svg.hashsalt": "bm",
}
_MORE_SCRIPTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Hiragino Sans", "Yu Gothic")


@contextmanager
def style() -> Iterator[None]:
    """bm's style, regardless of the user's matplotlibrc; everything is drawn and saved inside."""
    import matplotlib
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in _MORE_SCRIPTS if name in installed)]
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter that no installed font has is drawn as a box; there is no remedy here.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "font.family": families})
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, with automatic layout."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def to_png(made: Figure) -> bytes:
    """PNG bytes: the same for the same plot (no date, no version in them)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    made.set_dpi(DPI)
    # `savefig` would draw everything once more before, to lay it out; drawing lays it out as well.
    FigureCanvasAgg(made).print_png(stream, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return stream.getvalue()


def cut(text: str, longest: int) -> str:
    """The text on one line without control characters, at most `longest` characters, '…' where it is cut."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * longest]).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
