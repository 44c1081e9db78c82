"""The page that goes with an export: what goes in, what comes out, how to call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli import tasks

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

INPUTS = {
    "image": "images, prepared as preprocessing.json says: decoded, brought to 8 bits, resized, scaled",
    "text": "token ids, made by tokenizer.json and cut as preprocessing.json says; 0 is padding",
    "table": "rows of numbers, prepared as preprocessing.json says: filled, scaled, categories one-hot",
}

STEPS = {
    "image": """1. Decode; scale more than 8 bits to 8; lay what is transparent on white.
2. Make it RGB, or grey by ITU-R 601 luma, as the number of channels says.
3. Resize to height × width, bilinear and antialiased (Pillow's `Resampling.BILINEAR`), as `fit` says:
   `squash`
   the whole image, `crop` its middle, `pad` with black.
4. Turn it as its EXIF orientation says.
5. Per channel, in float32: `pixel * scale + offset`, of pixels from 0 to 255.""",
    "text": """1. Lower-case it if `lowercase` says so.
2. Cut it into tokens and look up their ids in tokenizer.json.
3. Keep `max_length` of them, the first or the last as `truncate` says.
4. Pad shorter texts of a batch with 0, at the end.""",
    "table": """1. Take the columns in the order of preprocessing.json; read each cell as its format says.
2. Numbers: put `fill` in place of a missing one; (value - offset) / scale; where the column has an
   indicator, a 1 beside it says that the cell was missing. Dates count in days.
3. Categories: one 1 among zeros, at the place of the category; the last place is for all others.
4. Put all of it side by side, in float32.""",
}

EXAMPLES = {
    "image": ("Images", 'Images(paths=("photo.jpg",))'),
    "text": ("Texts", 'Texts(("a fine film",))'),
    "table": (
        "Table",
        "Table({name: column for name, column in columns.items()})  # name -> array of its cells",
    ),
}


def readme(run_id: str, format: Format, spec: DataSpec) -> str:
    """Markdown. Names out of the data do not appear in it."""
    shape = ", ".join(["batch", *("length" if size is None else str(size) for size in spec.input_shape)])
    task = tasks.of(spec.task)
    return f"""# {run_id}

Exported by bm, reloaded in a process of its own, and compared with Keras on stored samples: see export.json.

- Input: {spec.input_dtype} [{shape}]: {INPUTS[spec.kind]}.
- Output: float32 [batch, {task.width(len(spec.classes))}]: {task.outputs_are}.

```python
{CALLS[format]}
```

## How inputs are prepared

{STEPS[spec.kind]}

With bm installed, its own code does that, exactly as in training:

```python
from pathlib import Path

import numpy as np
from bmcli import tasks
from bmcli.data.bundle import {EXAMPLES[spec.kind][0]}
from bmcli.modalities.preprocessing import load

preprocessing, spec = load(Path("."))  # the folder that this page lies in
encoded = preprocessing.encode({EXAMPLES[spec.kind][1]})
inputs = preprocessing.finish(encoded[np.arange(len(encoded))])
```
"""
