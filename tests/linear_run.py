"""A small finished run, made by hand: scikit-learn's digits, a linear model fitted without Keras, written as
ONNX. So nothing here needs TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bmcli.runs.run import Run
from bmcli.runs.store import RunStore

MakeRun = Callable[..., Run]


def linear_onnx(
    weights: np.ndarray, bias: np.ndarray, input_shape: tuple[int | None, ...], last: str
) -> bytes:
    """flatten, multiply, add, then `last` ('Softmax', 'Sigmoid' or 'Identity')."""
    from onnx import TensorProto, helper, numpy_helper

    float32 = TensorProto.FLOAT
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "w", "b"], ["raw"]),
        helper.make_node(last, ["raw"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("input", float32, ["n", *input_shape])],
        [helper.make_tensor_value_info("output", float32, ["n", weights.shape[1]])],
        [
            numpy_helper.from_array(weights.astype(np.float32), "w"),
            numpy_helper.from_array(bias.astype(np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def fitted(inputs: np.ndarray, targets: np.ndarray, task: str, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Least squares against one-hot targets (or the values): good enough to be right most of the time."""
    flat = np.column_stack([inputs.reshape(len(inputs), -1), np.ones(len(inputs))])
    wanted = {
        "regression": lambda: targets.reshape(-1, 1),
        "multilabel": lambda: 8 * (targets - 0.5),
        "multiclass": lambda: 6 * np.eye(units)[targets],
    }["multiclass" if task == "binary" else task]()
    solution = np.linalg.lstsq(flat, wanted, rcond=1e-6)[0]
    return solution[:-1], solution[-1]


def finished_run(
    store: RunStore, config: dict[str, Any], name: str = "trial", noise: float = 0.0, **record: Any
) -> Run:
    """A completed run in that store. noise: added to its weights."""
    from bmcli import data
    from bmcli.config import resolve
    from bmcli.modalities import preprocessing

    code = config.get("code", [])
    resolved = resolve.load({"name": name, "model": "mlp", **config}, cwd=store.root.parent, run_code=True)
    bundle = data.load(resolved.data)
    prepared, spec = preprocessing.fit(bundle, resolved.preprocessing)
    everything = np.arange(len(bundle.train))
    inputs = prepared.finish(prepared.encode(bundle.train.examples)[everything])
    units = 2 if spec.task == "binary" else spec.units
    weights, bias = fitted(inputs, bundle.train.targets, spec.task, units)
    weights = weights + noise * np.random.default_rng(0).normal(size=weights.shape)
    last = {"regression": "Identity", "multilabel": "Sigmoid"}.get(spec.task, "Softmax")

    run = store.create(name, seed=resolved.seed)
    kept = []
    for path in code:
        kept.append(f"code/{Path(path).name}")
        run.write_bytes(kept[-1], (store.root.parent / path).read_bytes())
    run.write_text("config.yaml", resolve.dump(resolved.model_copy(update={"code": kept})))
    for file, text in preprocessing.dump(prepared, spec).items():
        run.write_text(file, text)
    run.write_bytes("model.onnx", linear_onnx(weights, bias, spec.input_shape, last))
    run.update(
        task=spec.task,
        kind=spec.kind,
        classes=spec.classes,
        data_fingerprint=bundle.fingerprint,
        **{"precision": "float32", "best_epoch": 2, **record},
    )
    for epoch, loss in enumerate((1.5, 0.7), start=1):
        run.append_line(
            "metrics.jsonl",
            f'{{"epoch": {epoch}, "loss": {loss}, "accuracy": {1 - loss / 2}, "mae": {loss}, '
            f'"val_loss": {loss + 0.1}, "val_accuracy": {0.9 - loss / 2}}}',
        )
    run.seal("completed")
    return run
