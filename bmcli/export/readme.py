"""The README of an export: inputs, outputs, and how to call the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.modalities.base import modality_of

if TYPE_CHECKING:
    from bmcli.core.spec import DataSpec, InputSpec
    from bmcli.export.engines import Format

SEVERAL: dict[str, str] = {
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
(output,) = session.run(["output"], inputs)""",
    "saved_model": """import tensorflow as tf

model = tf.saved_model.load("saved_model")
output = model.serve(inputs).numpy()""",
    "litert": """from ai_edge_litert.interpreter import Interpreter

run = Interpreter(model_path="model.tflite").get_signature_runner()
output = run(**inputs)["output_0"]""",
}
"""The calls of a model with several inputs: a dict of arrays by their names."""

CALLS: dict[str, str] = {
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
(output,) = session.run(["output"], {"input": inputs})""",
    "saved_model": """import tensorflow as tf

model = tf.saved_model.load("saved_model")
output = model.serve(inputs).numpy()""",
    "litert": """from ai_edge_litert.interpreter import Interpreter

run = Interpreter(model_path="model.tflite").get_signature_runner()
output = run(input=inputs)["output_0"]""",
}


def readme(run_id: str, format: Format, spec: DataSpec, use: str | None = None) -> str:
    """Markdown. Names out of the data do not appear in it.

    use: code that computes raw outputs, of a form that others publish.
    """
    about = modality_of(spec.kind).readme()
    made = f"from bmcli.data.bundle import {about.imported}\n" if about.imported else ""
    many = len(spec.inputs) > 1
    taken = "\n".join(
        f"- Input{f' {one.name}' if many else ''}: {one.dtype} [{_shape(one)}]: {about.inputs}."
        for one in spec.inputs
    )
    encode = f"""encoded = preprocessing.encode({about.example})
inputs = preprocessing.finish(encoded[np.arange(len(encoded))])"""
    if many:
        encode = f"""encoded = preprocessing.source({about.example})
inputs = preprocessing.finish_batch(encoded[np.arange(len(encoded))])"""
    task = tasks.of(spec.task)
    given = f"[batch, {task.width(len(spec.classes))}]: {task.outputs_are}"
    if use is not None:
        given = f"[batch, {spec.units}]: {_raw(spec)}"
    call = use or (SEVERAL if many else CALLS)[format]
    return f"""# {run_id}

Exported by bm, reloaded in a new process, and compared with Keras on stored samples: see export.json.

{taken}
- Output: float32 {given}.

```python
{call}
```

## How inputs are prepared

{about.steps}

If bm is installed, it can do this exactly as in training:

```python
from pathlib import Path

import bmcli
import numpy as np
{made}
preprocessing, spec = bmcli.load_preprocessing(Path("."))  # the folder of this page
{encode}
```
"""


def _raw(spec: DataSpec) -> str:
    """What the outputs are before the task's last step."""
    if not spec.classes:
        return f"times {spec.target_scale:.9g} plus {spec.target_offset:.9g}, it is the predicted value"
    one_each = spec.units == len(spec.classes)
    return "one logit per class, in the order of labels.txt" if one_each else "the logit of the second class"


def _shape(one: InputSpec) -> str:
    return ", ".join(["batch", *("length" if size is None else str(size) for size in one.shape)])
