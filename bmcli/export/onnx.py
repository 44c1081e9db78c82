"""From a finished Keras model to an ONNX file."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli._version import __version__
from bmcli.core import backend
from bmcli.core.batch import fed
from bmcli.core.errors import UsageError
from bmcli.export import direct
from bmcli.export.tables import put_back, without_tables

if TYPE_CHECKING:
    import keras
    from onnx import ModelProto

    from bmcli.core.spec import DataSpec

OPSET = direct.OPSET
"""Of the ONNX operators: the newest tf2onnx writes, fixed so that its updates change no exports."""


def to_onnx(model: keras.Model, spec: DataSpec) -> bytes:
    """The model as an ONNX file: 'input' [batch, ...] (of several, their names) to 'output' [batch, C],
    float32.

    Batch and, for texts, length are free. model: finished, built under the float32 policy. What a reader
    needs to name the outputs is in the metadata. Raises what Keras or tf2onnx raise for layers they
    cannot translate; UsageError if Keras computes with another backend than TensorFlow.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"it needs TensorFlow, but the Keras backend is {backend.title()}",
            hint="`bm export RUN --format onnx` creates it where TensorFlow is installed",
        )
    import onnx

    exported = direct.converted(model) or _by_tf2onnx(model, spec)
    _name_ends(exported, spec)
    _describe(exported, spec)
    onnx.checker.check_model(exported)
    written: bytes = exported.SerializeToString(deterministic=True)
    return written


def _by_tf2onnx(model: keras.Model, spec: DataSpec) -> ModelProto:
    lighter, tables = without_tables(model)
    exported = _converted(lighter, spec)
    if not put_back(exported, tables):  # then the slow way
        exported = _converted(model, spec)
    _without_erfc(exported)
    return exported


def _converted(model: keras.Model, spec: DataSpec) -> ModelProto:
    import numpy as np
    import onnx

    # Keras exports only a model that has been called.
    model(fed(model, {one.name: np.zeros((1, *one.sized(1)), one.dtype) for one in spec.inputs}))
    with tempfile.TemporaryDirectory(prefix="bm-onnx-") as folder, quiet_converter():
        path = Path(folder) / "exported.onnx"
        model.export(path, format="onnx", verbose=False, opset_version=OPSET)
        return onnx.load(path)


@contextmanager
def quiet_converter() -> Iterator[None]:
    """Hold back what TensorFlow and tf2onnx log while they convert; errors are raised all the same."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "absl", "tf2onnx", "keras")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _without_erfc(exported: ModelProto) -> None:
    """TensorFlow's GELU is made of erfc, which tf2onnx passes on although ONNX has none: write 1 - erf."""
    from onnx import helper

    nodes = []
    for node in exported.graph.node:
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        erf, one = f"{node.output[0]}/erf", f"{node.output[0]}/one"
        constant = helper.make_tensor(one, 1, [], [1.0])
        nodes += [
            helper.make_node("Constant", [], [one], value=constant),
            helper.make_node("Erf", list(node.input), [erf]),
            helper.make_node("Sub", [one, erf], list(node.output), name=node.name),
        ]
    del exported.graph.node[:]
    exported.graph.node.extend(nodes)


def _name_ends(exported: ModelProto, spec: DataSpec) -> None:
    """Call the ends as the spec does and 'output', and their free dimensions by what they are."""
    graph = exported.graph
    (end,) = graph.output
    renamed = {start.name: _spec_name(start.name, spec) for start in graph.input}
    if sorted(renamed.values()) != sorted(one.name for one in spec.inputs):
        raise ValueError(f"the converter names the inputs {', '.join(renamed)}")
    renamed[end.name] = "output"
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = renamed.get(name, name)
        _rename_captured(node, renamed)
    end.name = "output"
    for start in graph.input:
        start.name = renamed[start.name]
        length = "length" if len(spec.inputs) == 1 else f"length of {start.name}"
        for size, name in zip(start.type.tensor_type.shape.dim, ("batch", length), strict=False):
            if not size.HasField("dim_value"):
                size.dim_param = name
    end.type.tensor_type.shape.dim[0].dim_param = "batch"
    graph.name = "bm"


def _spec_name(name: str, spec: DataSpec) -> str:
    """What the spec calls the input that the converter gave this name."""
    if len(spec.inputs) == 1:
        return spec.inputs[0].name
    return next((one.name for one in spec.inputs if name.partition(":")[0] == one.name), name)


def _rename_captured(node: object, renamed: dict[str, str]) -> None:
    """The bodies of loops and branches may read the graph's input too."""
    for attribute in node.attribute:  # type: ignore[attr-defined]
        for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            for inner in graph.node:
                for index, name in enumerate(inner.input):
                    inner.input[index] = renamed.get(name, name)
                _rename_captured(inner, renamed)


def _describe(exported: ModelProto, spec: DataSpec) -> None:
    exported.producer_name, exported.producer_version = "bm", __version__
    about = {
        "kind": spec.kind,
        "task": spec.task,
        "classes": json.dumps(list(spec.classes), ensure_ascii=False),
        "target": spec.target_name,
    }
    # Where it is not 0: what reads the model may cut padding off.
    about |= {f"padding of {one.name}": str(one.padding) for one in spec.inputs if one.padding}
    for key, value in about.items():
        entry = exported.metadata_props.add()
        entry.key, entry.value = key, value
