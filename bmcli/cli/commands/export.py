"""bm export: export a run's model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.options import RunArgument, TrustCodeOption
from bmcli.terminal.render import Verbatim

if TYPE_CHECKING:
    from bmcli.export.formats import Exported


@command
def export(
    session: Session,
    run: RunArgument,
    format: Annotated[
        Literal["onnx", "saved_model", "litert", "hf"],
        typer.Option(
            "--format",
            "-f",
            help="ONNX, TensorFlow's SavedModel, LiteRT (extra 'litert'), or, of an encoder, a Hugging Face "
            "folder.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder to create [default: in the run]."),
    ] = None,
    trust_code: TrustCodeOption = False,
) -> None:
    """Export a run's model for other programs.

    Creates a folder with the model, its preprocessing, tokenizer and labels. The model is reloaded in a new
    process and must reproduce Keras's predictions on stored samples; otherwise nothing is exported.
    """
    from bmcli.cli.spinner import Spinner
    from bmcli.cli.trust import open_asking
    from bmcli.export.formats import export as export_run
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.layout import MODEL_ONNX
    from bmcli.runs.trust import Trust

    found = session.store.find(run)
    ready_made = format == "onnx" and found.exists(MODEL_ONNX)
    opened = OpenedRun(found, Trust(trust_code))
    if not (trust_code or ready_made) and opened.needs_code:
        opened = open_asking(session, found, trust_code)
    with Spinner(session, f"exporting to {format}"):
        exported = export_run(opened, format, output, note=session.note)
    document = {
        "run": found.id,
        "export": exported.format,
        "path": str(exported.path),
        "model": str(exported.model),
        "bytes": exported.bytes,
        "files": list(exported.files),
        "max_difference": exported.max_difference,
        "relative": exported.relative,
        "samples": exported.samples,
    }
    session.result(document, Verbatim(exported.path))
    session.note(_summary(exported))


def _summary(exported: Exported) -> str:
    from bmcli.core.number_format import agreement, size

    return (
        f"{exported.model.name} · {size(exported.bytes)} · reloaded in a new process: matches Keras on "
        f"{exported.samples} samples ({agreement(exported.max_difference, exported.relative)})"
    )
