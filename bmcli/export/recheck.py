"""Checks whether a run's model still gives the outputs that it gave when training ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bmcli.export.samples import Samples
from bmcli.export.verify import Agreement, verify
from bmcli.inference.session import KerasSession, OnnxSession
from bmcli.inference.weights import weights_sha256
from bmcli.runs.layout import MODEL_ONNX, SAMPLES

if TYPE_CHECKING:
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.run import Run


@dataclass(frozen=True)
class Repeated:
    """One form of the model, loaded again to predict the stored samples again.

    form: 'onnx' or 'keras' (rebuilt from the registry and the best weights).
    """

    form: str
    agreement: Agreement


def has_samples(run: Run) -> bool:
    """Whether there is anything to repeat: a run that was not finished has none."""
    return SAMPLES in run.manifest()


def repeat_samples(opened: OpenedRun) -> list[Repeated]:
    """The current outputs of each form of the model, beside those of Keras at the end of training.

    IntegrityError if a file is damaged; UsageError if the model needs Python code of the run's own that
    is not trusted.
    """
    run = opened.run
    samples = Samples.from_bytes(run.read_bytes(SAMPLES), origin=str(run.path / SAMPLES))
    found = []
    if MODEL_ONNX in run.manifest():
        session = OnnxSession(run.read_bytes(MODEL_ONNX), inputs=tuple(samples.inputs))
        found.append(Repeated("onnx", verify(session, samples)))
    model = opened.model
    agreement = verify(KerasSession(model), samples)
    if agreement.agrees and weights_sha256(model) != run.record.weights_sha256:
        agreement = replace(agreement, reason="its weights differ from the record's")
    return [*found, Repeated("keras", agreement)]
