"""Progress displays of the Python API: the usual one, one of the caller's own, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from bmcli.core.errors import UsageError

if TYPE_CHECKING:
    from collections import Counter

    from bmcli.core.spec import Kind
    from bmcli.experiments.display import Display
    from bmcli.inference.predictor import Prediction
    from bmcli.terminal.screen import Counting


@contextmanager
def displaying(display: Display | Literal["auto"] | None) -> Iterator[Display]:
    """The display of a training run: the usual one for 'auto', a silent one for None."""
    from bmcli.experiments.display import Silent

    if display is None:
        yield Silent()
    elif display == "auto":
        from bmcli.terminal.progress import TrainingDisplay, python_screen

        with TrainingDisplay(_Loud(), python_screen()) as shown:
            yield shown
    elif isinstance(display, str):
        raise UsageError(f"display={display!r}: expected 'auto', None or a bmcli.experiments.display.Display")
    else:
        yield display


class _Loud:
    """Not quiet."""

    quiet = False


def observer(display: Display | Literal["auto"] | None, said: set[str]) -> Display:
    """Shows the notes and warnings of a prediction. said: those that 'auto' has shown; it shows each once."""
    from bmcli.experiments.display import Silent

    if display == "auto":
        from bmcli.terminal.progress import SayingOnce

        return SayingOnce(said)
    if isinstance(display, str):
        raise UsageError(f"display={display!r}: expected 'auto', None or a bmcli.experiments.display.Display")
    return display or Silent()


def noting(display: Display) -> Callable[[str], None]:
    """Hands a note to a display."""
    from bmcli.experiments.display import Note

    return lambda text: display.handle(Note(text))


def report_unfamiliar(display: Display, taken: Counter[str], predictions: Sequence[Prediction]) -> None:
    """How inputs were read, and which of them are unlike the training data."""
    from bmcli.experiments.display import Warned
    from bmcli.modalities.remark import Unfamiliar

    note = noting(display)
    for text in Unfamiliar(taken=taken).notes("inputs"):
        note(text)
    odd = {i: one.unfamiliar for i, one in enumerate(predictions) if one.unfamiliar}
    for text in Unfamiliar(odd).notes("inputs"):
        display.handle(Warned(text))


def progress_of(display: Display | Literal["auto"] | None, kind: Kind, what: str = "predicting") -> Counting:
    from bmcli.modalities import words_of
    from bmcli.terminal.progress import python_screen
    from bmcli.terminal.screen import Counting

    return Counting(python_screen() if display == "auto" else None, what, words_of(kind).rate)
