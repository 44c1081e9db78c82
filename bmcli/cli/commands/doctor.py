"""bm doctor: find problems in the data, or on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.options import RunOption, TrustCodeOption
from bmcli.cli.spinner import Spinner
from bmcli.cli.trust import asking

if TYPE_CHECKING:
    from bmcli.doctor.examine import Examined

_SIGNS = {"problem": "✗", "warning": "!", "note": "·", "ok": "✓"}
MOST_SHOWN = 3
"""Examples shown per finding on the terminal."""


@command
def doctor(
    session: Session,
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="[CONFIG]", help="The config whose data to check; omit it to check this machine."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the config: data.limit=1000."),
    ] = None,
    run: RunOption = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=2,
            max=20,
            metavar="K",
            help="Find doubtful labels by training K models instead of using a run.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write an HTML page, with thumbnails."),
    ] = None,
    trust_code: TrustCodeOption = False,
) -> None:
    """Check the data: duplicates, leaks, odd files, doubtful labels.

    Duplicates are found within and across splits, even if flipped, shifted, re-encoded, brightened or spelled
    differently. With --run, a run trained on the data shows which labels are probably wrong; with --folds,
    models trained on parts of it do, each judging examples it has not seen. Without CONFIG, check whether
    this machine is fit for training.
    """
    from bmcli.core.errors import UsageError

    if run and folds:
        raise UsageError("--run and --folds cannot be used together")
    if config is not None:
        _data(session.writing(output), config, overrides or (), run, folds, output, trust_code)
    elif run or folds or output:
        raise UsageError("--run, --folds and --output are for a CONFIG's data")
    else:
        _machine(session)


def _data(
    session: Session,
    config: str,
    overrides: Sequence[str],
    run: str | None,
    folds: int | None,
    output: Path | None,
    trust_code: bool,
) -> None:
    from bmcli.config.resolve import load
    from bmcli.doctor.examine import examine
    from bmcli.doctor.page import page
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs import outputs
    from bmcli.runs.trust import Trust

    experiment = load(config, overrides, run_code=True, before_code=asking(session, trust_code))
    chosen = OpenedRun(session.store.find(run), Trust(trust_code)) if run else None
    with Spinner(session) as progress:
        examined = examine(experiment, opened=chosen, folds=folds, progress=progress, alone=True)
    if output is not None:
        outputs.write_bytes(output, page(examined, experiment.name).encode("utf-8", "backslashreplace"))
    session.result({"config": experiment.name, **examined.to_json()}, lambda: _lines(examined))
    if output is not None:
        session.note(f"{output}: these findings with all examples")


def _lines(examined: Examined) -> str:
    from bmcli.core import streams
    from bmcli.core.sanitize import one_line
    from bmcli.terminal.render import painted_marks

    lines = []
    for one in examined.findings:
        lines.append(f"{_SIGNS[one.severity]} {one_line(one.message)}")
        for example in one.examples[:MOST_SHOWN]:
            splits = example.splits or ("",) * len(example.ids)
            named = [f"{split} {name}".strip() for split, name in zip(splits, example.ids, strict=True)]
            lines.append(f"    {one_line(' = '.join(named))}   {one_line(example.detail)}".rstrip())
        if one.examples and one.count > MOST_SHOWN:
            lines.append(f"    … {one.count - MOST_SHOWN:,} more")
    return painted_marks([*lines, *_clean(examined)], streams.out())


def _clean(examined: Examined) -> list[str]:
    """The checks that found nothing, grouped by what was checked."""
    from bmcli.doctor.all_clear import clean

    return [f"✓ {line}" for line in clean(examined)]


def _machine(session: Session) -> None:
    from dataclasses import asdict

    from bmcli.core import streams
    from bmcli.doctor.machine import examine
    from bmcli.files.download import data_home
    from bmcli.terminal.render import columns, painted_marks

    found = examine(session.runs_dir, data_home())

    def shown() -> str:
        rows = [(_SIGNS[one.state], one.what, one.value, one.hint or "") for one in found]
        return painted_marks(columns(rows), streams.out())

    session.result({"machine": [asdict(one) for one in found]}, shown)
