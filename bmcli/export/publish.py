"""Put model.onnx into a run, if it agrees with Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.core.errors import BmError
from bmcli.core.stopwatch import phase
from bmcli.export.onnx import to_onnx
from bmcli.export.samples import Samples, answered, choose
from bmcli.export.verify import verify
from bmcli.inference.session import OnnxSession
from bmcli.runs.layout import MODEL_ONNX, SAMPLES

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec
    from bmcli.data.bundle import Split
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.runs.run import Run


@dataclass(frozen=True)
class OnnxStatus:
    """Whether a run has a model.onnx, and if not, why.

    max_difference: the largest difference from Keras on the samples; None if there was nothing to compare.
    relative: the same as a share of the largest answer.
    """

    published: bool
    reason: str | None
    max_difference: float | None
    samples: int
    relative: float | None = None

    def to_json(self) -> dict[str, object]:
        """The value of `onnx` in run.json."""
        return {
            "published": self.published,
            "reason": self.reason,
            "max_difference": self.max_difference,
            "relative": self.relative,
            "samples": self.samples,
        }


@phase("ONNX export")
def publish(
    run: Run, model: keras.Model, spec: DataSpec, preprocessing: Preprocessing, split: Split
) -> OnnxStatus:
    """Store samples of `split` with Keras's outputs, export, compare, and write model.onnx if it agrees.

    model: finished, float32, with the weights the run is used with. A failed export leaves no model.onnx.
    """
    samples = answered(model, choose(spec, preprocessing, split))
    run.write_bytes(SAMPLES, samples.to_bytes())
    return publish_verified(run, model, spec, samples)


def publish_verified(run: Run, model: keras.Model, spec: DataSpec, samples: Samples) -> OnnxStatus:
    """Export, compare on `samples`, and write model.onnx if it agrees; else there is none afterwards."""
    try:
        exported = to_onnx(model, spec)
        session = OnnxSession(exported, inputs=tuple(samples.inputs))
        agreement = verify(session, samples)
    except MemoryError:
        raise
    except Exception as error:
        # Keras, tf2onnx and ONNX Runtime raise what they like on a layer they do not know; a training that
        # went well must not fail for it.
        run.remove_file(MODEL_ONNX)
        return OnnxStatus(False, f"the export failed: {told(error)}", None, len(samples))
    if not agreement.agrees:
        run.remove_file(MODEL_ONNX)
        return OnnxStatus(
            False, agreement.reason, agreement.max_difference, agreement.samples, agreement.relative
        )
    run.write_bytes(MODEL_ONNX, exported)
    return OnnxStatus(True, None, agreement.max_difference, agreement.samples, agreement.relative)


def told(error: Exception) -> str:
    """The failure of an export in one line."""
    text = error.message if isinstance(error, BmError) else str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    said = first if isinstance(error, BmError) else f"{type(error).__name__}: {first}"
    return said[:300]
