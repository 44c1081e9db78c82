"""Predictions as `bm predict` shows them: a card for one, a line each for several, and JSON objects."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bmcli.cli.command import Session

if TYPE_CHECKING:
    from bmcli.core.errors import Problem
    from bmcli.inference.predictor import Prediction, Predictor


BAR = 30
SHORTEST_BAR = 6
NAME_WIDTH = 60
SHORTEST_NAME = 16
MOST_WARNINGS = 5
"""Largest number of inputs unlike the training data that are named."""


class ShownPredictions:
    """Shows and counts predictions as they are made, and collects problems.

    quiet: they go to a file instead of stdout. keep: the columns to copy.
    """

    def __init__(
        self, session: Session, predictor: Predictor, *, quiet: bool, strict: bool, keep: Sequence[str]
    ) -> None:
        self.session = session
        self.predictor = predictor
        self.run = predictor.run
        self.target_name = predictor.spec.target_name
        self.keep = keep
        self.quiet = quiet
        self.strict = strict
        self.count = 0
        self.unfamiliar = 0
        self.odd: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self._held: list[
            Prediction
        ] = []  # the first prediction, until it is known whether it is the only one
        self._width = 0
        self._columns: list[str] = []  # the columns of --keep all, from the first file
        self._differs = False
        from bmcli.modalities.base import words_of
        from bmcli.terminal.screen import Counting, Screen

        kind = predictor.preprocessing.kind
        screen = None if session.quiet else Screen(sys.stderr)
        self.counting = Counting(screen, "predicting", words_of(kind).rate)

    def note(self, text: str) -> None:
        """A note during prediction."""
        with self.counting.hidden():
            self.session.note(text)

    def pieces(self, pieces: Iterator[tuple[list[Prediction], list[Problem]]]) -> Iterator[list[Prediction]]:
        """All predictions, after they have been shown."""
        for every, unusable in pieces:
            with self.counting.hidden():
                predictions, problems = self._familiar(self._kept(every), unusable)
                self.count += len(predictions)
                self.problems += problems
                if not self.quiet:
                    self._show(predictions, problems)
            self.counting.advance(len(every) + len(unusable))
            yield predictions
        self.counting.stop()
        if self._held:
            self._print(_card(self._held[0], self.run, self.target_name))
        if self.unfamiliar > MOST_WARNINGS:
            from bmcli.modalities.remark import Unfamiliar

            more = self.unfamiliar - MOST_WARNINGS
            self.session.warn(f"{more:,} more inputs do not look like the training data, in all:")
            for line in Unfamiliar(taken=self.odd).notes("inputs"):
                self.session.warn(line)

    def say_taken(self) -> None:
        """Notes on values that were read as ones known from training."""
        from bmcli.modalities.remark import Unfamiliar

        for note in Unfamiliar(taken=self.predictor.taken).notes("inputs"):
            self.session.note(note)

    def _kept(self, predictions: list[Prediction]) -> list[Prediction]:
        """The prediction with only the columns of --keep."""
        if not self.keep or not predictions:
            return predictions
        from dataclasses import replace

        from bmcli.core.errors import UsageError, did_you_mean

        known = list(predictions[0].kept or ())
        every = "all" in self.keep and "all" not in known
        if every and not self._columns:
            self._columns = known
        wanted = self._columns if every else list(dict.fromkeys(self.keep))
        if every and set(known) != set(wanted) and not self._differs:
            self._differs = True
            odd = sorted(set(known) ^ set(wanted))
            more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
            self.session.warn(
                "--keep all copies the columns of the first file; the table of "
                f"{_name(predictions[0].input)} differs in '{odd[0]}'{more}"
            )
        for name in wanted:
            if name not in known and not every:
                hint = did_you_mean(name, known) or f"the columns are {', '.join(known[:10]) or 'none'}"
                first = _name(predictions[0].input)
                raise UsageError(f"--keep {name}: the table of {first} has no such column", hint=hint)
        return [
            replace(p, kept={name: _plain((p.kept or {}).get(name)) for name in wanted}) for p in predictions
        ]

    def _familiar(
        self, predictions: list[Prediction], problems: list[Problem]
    ) -> tuple[list[Prediction], list[Problem]]:
        """With --strict, unfamiliar inputs become problems; otherwise they cause warnings."""
        from bmcli.inference.predictor import refused as _refused
        from bmcli.modalities.remark import joined

        odd = [one for one in predictions if one.unfamiliar]
        if not odd:
            return predictions, problems
        if self.strict:
            familiar, refused = _refused(predictions)
            return familiar, [*problems, *refused]
        for prediction in odd[: max(MOST_WARNINGS - self.unfamiliar, 0)]:
            self.session.warn(f"{_name(prediction.input)}: {joined(prediction.unfamiliar)}")
        self.unfamiliar += len(odd)
        self.odd.update(text for prediction in odd for text in prediction.unfamiliar)
        return predictions, problems

    def _show(self, predictions: list[Prediction], problems: list[Problem]) -> None:
        if self.session.json:
            for prediction in predictions:
                self.session.result_line(prediction.to_json())
            for problem in problems:
                self.session.result_line(error_line(problem))
            return
        if self.count <= 1:
            self._held += predictions
            return
        predictions, self._held = self._held + predictions, []
        if not predictions:
            return
        from bmcli.core import streams
        from bmcli.terminal.render import heading, terminal_width, width_of

        columns = width_of(streams.out()) or terminal_width(streams.out())
        most = max(SHORTEST_NAME, min(NAME_WIDTH, columns // 2 - 2))
        rows = [(_name(p.input, most), *p.answer.line()) for p in predictions]
        if not self._width:
            self._width = max(len("input"), *(len(row[0]) for row in rows))
            what = self.target_name if predictions[0].answer.is_quantity else "prediction"
            self._print(heading([_row("input", what, "", self._width)], streams.out()))
        self._print("\n".join(_row(*row, self._width) for row in rows))

    def _print(self, text: str) -> None:
        from bmcli.core import streams
        from bmcli.terminal.render import print_plain

        print_plain(text, streams.out())


def _plain(value: object) -> object:
    """A cell as a JSON value, or as text if JSON has no such value."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _row(name: str, answer: str, more: str, width: int) -> str:
    return f"{name:<{width}}  {answer}  {more}".rstrip()


def _name(name: str, most: int = NAME_WIDTH) -> str:
    """A name on one line; if it is long, the end of a path, or the beginning of anything else."""
    from bmcli.core.sanitize import one_line

    name = one_line(name)
    if len(name) <= most:
        return name
    return "…" + name[1 - most :] if "/" in name and " " not in name else name[: most - 1] + "…"


def _card(prediction: Prediction, run: str, target_name: str) -> str:
    """A single prediction, with a bar for each class."""
    from bmcli.core import streams
    from bmcli.core.number_format import probability
    from bmcli.core.sanitize import one_line
    from bmcli.terminal.render import cell_width, terminal_width, width_of

    head = f"{_name(prediction.input)} · {run}"
    shown = prediction.answer.bars()
    if not shown:
        return f"{head}\n  {one_line(target_name)}  {prediction.answer.line()[0]}"
    labels = [one_line(one.label) for one in shown]
    width = max(map(cell_width, labels))
    # Width of a row without the bar: two spaces, a mark, a label, a probability and the gaps.
    beside = 2 + 2 * (shown[0].holds is not None) + width + 2 + 6 + 2
    room = (width_of(streams.out()) or terminal_width(streams.out())) - beside
    cells = min(BAR, room) if room >= SHORTEST_BAR else 0
    rows = []
    for label, one in zip(labels, shown, strict=True):
        mark = "" if one.holds is None else "✓ " if one.holds else "  "
        bar = "█" * round(one.probability * cells)
        label += " " * (width - cell_width(label))
        rows.append(f"  {mark}{label}  {probability(one.probability):>6}  {bar}".rstrip())
    return "\n".join([head, *rows])


def error_line(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "input": str(place) if place else None,
        "error": {
            "code": "data",
            "message": problem.message,
            "file": place.file if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "hint": problem.hint,
        },
    }
