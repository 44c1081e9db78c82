"""The page that goes with an export: what goes in, what comes out, how to call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.modalities.base import modality_of

if TYPE_CHECKING:
    from bmcli.core.spec import DataSpec
    from bmcli.export.engines import Format

CALLS: dict[Format, str] = {
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


def readme(run_id: str, format: Format, spec: DataSpec) -> str:
    """Markdown. Names out of the data do not appear in it."""
    about = modality_of(spec.kind).readme()
    made = f"from bmcli.data.bundle import {about.imported}\n" if about.imported else ""
    shape = ", ".join(["batch", *("length" if size is None else str(size) for size in spec.input_shape)])
    task = tasks.of(spec.task)
    return f"""# {run_id}

Exported by bm, reloaded in a process of its own, and compared with Keras on stored samples: see export.json.

- Input: {spec.input_dtype} [{shape}]: {about.inputs}.
- Output: float32 [batch, {task.width(len(spec.classes))}]: {task.outputs_are}.

```python
{CALLS[format]}
```

## How inputs are prepared

{about.steps}

With bm installed, its own code does that, exactly as in training:

```python
from pathlib import Path

import bmcli
import numpy as np
{made}
preprocessing, spec = bmcli.load_preprocessing(Path("."))  # the folder that this page lies in
encoded = preprocessing.encode({about.example})
inputs = preprocessing.finish(encoded[np.arange(len(encoded))])
```
"""
