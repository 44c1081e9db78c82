"""Export a run: a folder with the model, what prepares its inputs, and the names of its outputs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bmcli.core import backend
from bmcli.core.batch import fed, rows
from bmcli.core.errors import IntegrityError, ResourceError, UsageError
from bmcli.export.engines import Format, models_of, require_litert
from bmcli.export.onnx import quiet_converter
from bmcli.export.publish import publish_verified, told
from bmcli.export.readme import readme
from bmcli.export.reload import check_in_new_process
from bmcli.export.samples import Samples
from bmcli.export.verify import Agreement
from bmcli.runs import atomic, layout, outputs

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec
    from bmcli.inference.opened import OpenedRun
    from bmcli.models import Model
    from bmcli.runs.run import Run

MODEL_NAMES: dict[Format, str] = {
    "onnx": layout.MODEL_ONNX,
    "saved_model": "saved_model",
    "litert": "model.tflite",
    "hf": "model.safetensors",
}
ABOUT = "export.json"
"""In an export's folder: what it was made from. Marks a folder that a later export may replace."""


@dataclass(frozen=True)
class Exported:
    """An export that is in place.

    path: its folder; model: the model's file or folder in it; bytes: of all files; max_difference: from
    Keras, the largest on the stored samples; relative: the same as a share of the largest answer.
    """

    format: Format
    path: Path
    model: Path
    bytes: int
    files: tuple[str, ...]
    max_difference: float
    samples: int
    relative: float | None


def export(
    opened: OpenedRun,
    format: Format,
    output: Path | None = None,
    *,
    note: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Export a completed run, reload the result in a new process, and put it in place if it agrees with
    Keras.

    output: the folder to make; default `exports/<format>` in the run. An earlier export there is replaced.
    note: called with messages for the user.

    Raises UsageError for a run that is not complete, a model the format cannot express, or a folder that
    holds something else; MissingExtraError; IntegrityError if the run is damaged or the export disagrees.
    """
    run = opened.run
    _check_exportable(run, format)
    own = run.path / layout.EXPORTS / format
    if output is not None and os.path.realpath(output) == os.path.realpath(own):
        output = None
    target = output if output is not None else run.path_of(f"{layout.EXPORTS}/{format}")
    if output is not None:
        _check_replaceable(output)
    samples = Samples.from_bytes(run.read_bytes(layout.SAMPLES), origin=str(run.path / layout.SAMPLES))
    spec = opened.spec
    agreement: Agreement | None = None

    def write(folder: Path) -> None:
        nonlocal agreement
        model = folder / MODEL_NAMES[format]
        use = _write_model(opened, format, model, samples, note)
        _write_preparation(run, folder, spec)
        with tempfile.TemporaryDirectory(prefix="bm-export-") as scratch:
            stored = Path(scratch) / layout.SAMPLES
            stored.write_bytes(samples.to_bytes())
            agreement = check_in_new_process(format, model, stored)
        if not agreement.agrees:
            raise IntegrityError(f"nothing was exported: reloaded as {format}, {agreement.reason}")
        (folder / "README.md").write_text(readme(run.id, format, spec, use), encoding="utf-8")
        _write_about(run, format, folder, agreement)

    if output is None:
        run.write_folder(f"{layout.EXPORTS}/{format}", write)
    else:
        atomic.write_folder(Path(os.path.realpath(output)), write)
    assert agreement is not None and agreement.max_difference is not None
    files = sorted(file for file in target.rglob("*") if file.is_file())
    return Exported(
        format,
        target,
        target / MODEL_NAMES[format],
        sum(file.stat().st_size for file in files),
        tuple(file.relative_to(target).as_posix() for file in files),
        agreement.max_difference,
        agreement.samples,
        agreement.relative,
    )


def _check_exportable(run: Run, format: Format) -> None:
    if format == "litert":
        require_litert()
    if run.status != "completed":
        raise UsageError(f"{run.id} is {run.status}: only a completed run can be exported")
    names = [one.registry_name for one in models_of(format)]
    if names and run.record.model not in names:
        others = ", ".join(name for name in MODEL_NAMES if not models_of(name))
        raise UsageError(
            f"{run.id} cannot be exported as {format}, which is for runs with the model {', '.join(names)}: "
            f"its model is {run.record.model}",
            hint=f"it can be exported as {others}",
        )


def _check_replaceable(folder: Path) -> None:
    """Only an earlier export may be written over, and nothing inside a run."""
    outputs.check_folder(folder)
    if folder.is_dir() and ((folder / ABOUT).is_file() or not any(folder.iterdir())):
        return
    if folder.exists() or folder.is_symlink():
        raise UsageError(
            f"{folder} exists and was not made by bm export", hint="give a folder that does not exist yet"
        )


def _write_model(
    opened: OpenedRun, format: Format, path: Path, samples: Samples, note: Callable[[str], None]
) -> str | None:
    """Write the model; code that computes its raw outputs, where its libraries have more than one call."""
    if models_of(format):
        with atomic.resources(f"write {path}"):
            model = cast("Model", opened.config.model)
            made = model.publish(opened.network, opened.preprocessing, path.parent)
        for line in made.notes:
            note(line)
        return made.use
    if format == "onnx":
        path.write_bytes(_onnx(opened, samples, note))
        return None
    _require_tensorflow(format)
    finished = opened.model
    finished(fed(finished, rows(samples.inputs, slice(1))))  # Keras exports only a model that has been called
    try:
        with atomic.resources(f"write {path}"), quiet_converter():
            if format == "saved_model":
                finished.export(path, format="tf_saved_model", verbose=False)
            else:
                _write_litert(finished, path)
    except (MemoryError, ResourceError):
        raise
    except Exception as error:
        raise UsageError(f"{opened.run.id} cannot be exported as {format}: {told(error)}") from error
    return None


def _require_tensorflow(format: Format) -> None:
    if backend.name() != "tensorflow":
        raise UsageError(
            f"exporting as {format} needs TensorFlow, but the Keras backend is {backend.title()}",
            hint="KERAS_BACKEND=tensorflow bm export ..., where TensorFlow is installed",
        )


def _write_litert(model: keras.Model, path: Path) -> None:
    model.export(path, format="litert", verbose=False)


def _onnx(opened: OpenedRun, samples: Samples, note: Callable[[str], None]) -> bytes:
    """The run's published model.onnx; exported again if it is missing or damaged."""
    run = opened.run
    try:
        if run.exists(layout.MODEL_ONNX):
            return run.read_bytes(layout.MODEL_ONNX)
        note(f"{run.id} has no {layout.MODEL_ONNX}: exporting it again")
    except IntegrityError as error:
        note(f"{error.message}: exporting it again")
    _require_tensorflow("onnx")
    status = publish_verified(run, opened.model, opened.spec, samples)
    run.update(onnx=status.to_json())
    if not status.published:
        raise IntegrityError(f"nothing was exported: {status.reason}")
    return run.read_bytes(layout.MODEL_ONNX)


def _write_preparation(run: Run, folder: Path, spec: DataSpec) -> None:
    """Write the files that make inputs of examples, and the names of the outputs."""
    for name in (layout.PREPROCESSING, layout.TOKENIZER):
        if run.exists(name):
            shutil.copyfile(run.verified(name), folder / name)
    if spec.classes:
        labels = "".join(f"{_one_line(name)}\n" for name in spec.classes)
        (folder / "labels.txt").write_text(labels, encoding="utf-8")


def _write_about(run: Run, format: Format, folder: Path, agreement: Agreement) -> None:
    about: dict[str, object] = {
        "format": 1,
        "export": format,
        "run": run.id,
        "uuid": run.record.uuid,
        "weights_sha256": run.record.weights_sha256,
        "max_difference": agreement.max_difference,
        "relative": agreement.relative,
        "samples": agreement.samples,
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _one_line(name: str) -> str:
    """A label, with line breaks and other control characters escaped as in JSON."""
    return name if name.isprintable() else json.dumps(name, ensure_ascii=True)[1:-1]
