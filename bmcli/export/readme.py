"""The page that goes with an export: what goes in, what comes out, how to call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.data.bundle import DataSpec
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
    "image": "pictures, prepared as preprocessing.json says: decoded, brought to 8 bits, resized, scaled",
    "text": "token ids, made by tokenizer.json and cut as preprocessing.json says; 0 is padding",
    "table": "rows of numbers, prepared as preprocessing.json says: filled, scaled, categories one-hot",
}

OUTPUTS = {
    "binary": "the probabilities of the two classes, in the order of labels.txt",
    "multiclass": "one probability per class, in the order of labels.txt",
    "multilabel": "one independent probability per label, in the order of labels.txt",
    "regression": "the predicted value, in the unit of the data",
}


def readme(run_id: str, format: Format, spec: DataSpec) -> str:
    """Markdown. Names out of the data do not appear in it."""
    shape = ", ".join(["batch", *("length" if size is None else str(size) for size in spec.input_shape)])
    outputs = 2 if spec.task == "binary" else spec.units
    return f"""# {run_id}

Exported by bm, reloaded in a process of its own, and compared with Keras on stored samples: see export.json.

- Input: {spec.input_dtype} [{shape}]: {INPUTS[spec.kind]}.
- Output: float32 [batch, {outputs}]: {OUTPUTS[spec.task]}.

```python
{CALLS[format]}
```

From Python, `bmcli.preprocessing.load` reads preprocessing.json and tokenizer.json and prepares inputs
exactly as in training.
"""
