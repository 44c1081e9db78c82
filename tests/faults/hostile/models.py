"""Models that came from elsewhere."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.hostile.case import CONFIG, DAMAGED, KERAS, RESOURCES, Payload, Place, hostile, seal, simple
from tests.faults.hostile.runs import show


def onnx_model(nodes: list[Any], tensors: list[Any], input_shape: Any = ("n", 8, 8, 1), **more: Any) -> bytes:
    """A model from `input` to `output`."""
    from onnx import TensorProto, helper

    float32 = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", more.get("input_type", float32), list(input_shape))],
        [helper.make_tensor_value_info("output", float32, more.get("output_shape", ["n", 10]))],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def external(location: str) -> bytes:
    """A model whose weights lie in another file."""
    from onnx import TensorProto, helper

    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[64, 10])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "2560")):
        weights.external_data.add(key=key, value=value)
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["output"]),
    ]
    return onnx_model(nodes, [weights])


def filled(size: int) -> bytes:
    """A model that asks for an array of `size` numbers while it runs."""
    from onnx import helper, numpy_helper

    tensors = [numpy_helper.from_array(np.array([size, 10], np.int64), "size")]
    nodes = [
        helper.make_node("ReduceMin", ["input"], ["least"], keepdims=0),
        helper.make_node("Cast", ["least"], ["whole"], to=7),
        helper.make_node("Add", ["size", "whole"], ["asked"]),
        helper.make_node("ConstantOfShape", ["asked"], ["output"]),
    ]
    return onnx_model(nodes, tensors, output_shape=["n", 10])


def looping(steps: int, operator: str = "Loop") -> bytes:
    """A model that counts, so often."""
    from onnx import TensorProto, helper, numpy_helper

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["on"]),
            helper.make_node("Add", ["sum", "sum"], ["added"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", 64]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("added", TensorProto.FLOAT, ["n", 64]),
        ],
    )
    tensors = [
        numpy_helper.from_array(np.array(steps, np.int64), "steps"),
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.zeros((64, 10), np.float32), "w"),
    ]
    nodes = [helper.make_node("Flatten", ["input"], ["flat"])]
    if operator == "Loop":
        nodes.append(helper.make_node("Loop", ["steps", "yes", "flat"], ["end"], body=body))
    else:
        branch = helper.make_graph(
            [helper.make_node("Identity", ["flat"], ["end_"])],
            "branch",
            [],
            [helper.make_tensor_value_info("end_", TensorProto.FLOAT, ["n", 64])],
        )
        nodes.append(helper.make_node("If", ["yes"], ["end"], then_branch=branch, else_branch=branch))
    nodes.append(helper.make_node("MatMul", ["end", "w"], ["output"]))
    return onnx_model(nodes, tensors)


def squared(side: int) -> bytes:
    """A model whose intermediate results have side x side numbers, whatever the input."""
    from onnx import helper, numpy_helper

    tensors = [
        numpy_helper.from_array(np.array([side, side], np.int64), "size"),
        numpy_helper.from_array(np.array([1, 10], np.int64), "ten"),
    ]
    nodes = [
        helper.make_node("ReduceMin", ["input"], ["least"], keepdims=0),
        helper.make_node("Expand", ["least", "size"], ["large"]),
        helper.make_node("ReduceMax", ["large"], ["most"], keepdims=0),
        helper.make_node("Expand", ["most", "ten"], ["output"]),
    ]
    return onnx_model(nodes, tensors)


def foreign(model: bytes, how: str) -> bytes:
    """The same with an operator of another domain, or with a function of its own."""
    from onnx import ModelProto, helper

    changed = ModelProto.FromString(model)
    if how == "domain":
        changed.graph.node[0].domain = "com.microsoft"
    else:
        node = [helper.make_node("Flatten", ["a"], ["b"])]
        versions = [helper.make_opsetid("", 17)]
        changed.functions.append(helper.make_function("f", "Mine", ["a"], ["b"], node, versions))
    return changed.SerializeToString()


def onnx(place: Place, content: bytes) -> list[str]:
    """`bm predict` with another model.onnx."""
    place.spoiled("model.onnx", content)
    return place.predict()


simple("onnx: garbage", DAMAGED, "model.onnx", make=lambda p: onnx(p, b"garbage" * 1000))
simple("onnx: nothing", DAMAGED, "model.onnx", slow=True, make=lambda p: onnx(p, b""))
simple("onnx: weights in /etc/passwd", DAMAGED, "model.onnx", make=lambda p: onnx(p, external("/etc/passwd")))
simple(
    "onnx: weights in the folder above",
    DAMAGED,
    "model.onnx",
    slow=True,
    make=lambda p: onnx(p, external("../outside/secret.txt")),
)


@hostile("onnx: weights in the working directory", DAMAGED, "model.onnx")
def _(place: Place) -> list[str]:
    place.file("weights.bin", bytes(2560))
    return onnx(place, external("weights.bin"))


simple(
    "onnx: a loop of 2^62 steps",
    DAMAGED,
    "its operator Loop may take more steps than the input is long",
    make=lambda p: onnx(p, looping(2**62)),
)
simple("onnx: a branch", DAMAGED, "have no operator If", slow=True, make=lambda p: onnx(p, looping(1, "If")))
simple("onnx: 4 GiB in between", RESOURCES, "takes more than", make=lambda p: onnx(p, squared(2**15)))
simple(
    "onnx: an operator of another domain",
    DAMAGED,
    "com.microsoft.Flatten",
    make=lambda p: onnx(p, foreign(looping(1), "domain")),
)
simple(
    "onnx: a function of its own",
    DAMAGED,
    "its own functions",
    slow=True,
    make=lambda p: onnx(p, foreign(looping(1), "function")),
)
simple("onnx: 10^13 numbers", RESOURCES, "model.onnx", make=lambda p: onnx(p, filled(10**13)))


@hostile("onnx: texts as input", DAMAGED, "model.onnx")
def _(place: Place) -> list[str]:
    from onnx import TensorProto, helper

    node = [helper.make_node("Cast", ["input"], ["output"], to=1)]
    return onnx(place, onnx_model(node, [], input_type=TensorProto.STRING, output_shape=["n", 8, 8, 1]))


@hostile("onnx: another number of classes", DAMAGED, "model.onnx")
def _(place: Place) -> list[str]:
    from onnx import helper

    return onnx(
        place, onnx_model([helper.make_node("Flatten", ["input"], ["output"])], [], output_shape=["n", 64])
    )


@hostile("onnx: no axis of classes", DAMAGED, "model.onnx", slow=True)
def _(place: Place) -> list[str]:
    from onnx import helper

    node = helper.make_node("ReduceMean", ["input"], ["output"], keepdims=0)
    return onnx(place, onnx_model([node], [], output_shape=[]))


@hostile("onnx: another answer than declared", DAMAGED, "model.onnx")
def _(place: Place) -> list[str]:
    from onnx import helper

    nodes = [
        helper.make_node("Shape", ["input"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Flatten", ["zeros"], ["output"]),
    ]
    return onnx(place, onnx_model(nodes, [], input_shape=("n", "h", "w", "c"), output_shape=["n", 10]))


@hostile("onnx: an operator there is none", DAMAGED, "model.onnx", slow=True)
def _(place: Place) -> list[str]:
    from onnx import helper

    return onnx(place, onnx_model([helper.make_node("Evil", ["input"], ["output"])], []))


def keras_file(place: Place) -> bytes:
    """A model.keras that makes the canary where it is deserialised."""
    layer = {
        "module": "builtins",
        "class_name": "exec",
        "config": {"code": f"import os; os.mkdir({str(place.canary)!r})"},
        "registered_name": "function",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "config.json", json.dumps({"class_name": "Functional", "config": {"layers": [layer]}})
        )
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", pickle.dumps(Payload(place.canary)))
    return buffer.getvalue()


simple(
    "model.keras: code inside",
    0,
    "good.png",
    make=lambda p: p.spoiled("model.keras", keras_file(p)) and p.predict(),
)


def with_code(place: Place) -> Path:
    """A run that brings Python code and no model.onnx."""
    path = place.run()
    (path / "code").mkdir()
    (path / "code" / "evil.py").write_text(f"import os; os.mkdir({str(place.canary)!r})\n")
    config = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(config.replace("code: []", "code: [code/evil.py]"))
    assert "code/evil.py" in (path / "config.yaml").read_text()
    (path / "model.onnx").unlink()
    document = json.loads((path / "manifest.json").read_text())
    del document["files"]["model.onnx"]
    (path / "manifest.json").write_text(json.dumps(document))
    seal(path)
    return path


simple(
    "code: evaluating needs a yes",
    CONFIG,
    "--trust-code",
    make=lambda p: with_code(p) and ["evaluate", "trial-v1"],
)
simple(
    "code: checking its config needs a yes",
    CONFIG,
    "--trust-code",
    make=lambda p: ["check", f"{with_code(p)}/config.yaml"],
)
simple(
    "code: comparing does not run it",
    CONFIG,
    "is only trial-v1",
    make=lambda p: with_code(p) and ["compare", "trial-v1", "trial-v1"],
)
simple("code: showing does not run it", 0, "trial-v1", slow=True, make=lambda p: with_code(p) and show(p))
simple(
    "code: predicting does not run it",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: with_code(p) and p.predict(),
)
simple(
    "code: exporting does not run it",
    DAMAGED,
    "samples",
    make=lambda p: with_code(p) and ["export", "trial-v1", "--format", "saved_model"],
)


def weights(place: Place, content: bytes) -> list[str]:
    """`bm predict` of a run without model.onnx and with other weights."""
    path = place.spoiled("checkpoints/best.safetensors", content)
    (path / "model.onnx").unlink()
    document = json.loads((path / "manifest.json").read_text())
    del document["files"]["model.onnx"]
    (path / "manifest.json").write_text(json.dumps(document))
    return place.predict()


def tensors(header: dict[str, Any], data: bytes = b"") -> bytes:
    """A safetensors file."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape: list[int], *offsets: int) -> dict[str, Any]:
    """An entry of its header."""
    return {"dtype": "F32", "shape": shape, "data_offsets": list(offsets)}


simple(
    "safetensors: a header of 2^63 bytes",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, struct.pack("<Q", 2**63) + b"{}"),
)
simple(
    "safetensors: overlapping tensors",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, tensors({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, bytes(12))),
)
simple(
    "safetensors: a shape of 2^60 numbers",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, tensors({"a": tensor([2**30, 2**30], 0, 8)}, bytes(8))),
)
simple(
    "safetensors: a pickle",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, pickle.dumps(Payload(p.canary))),
)
simple(
    "safetensors: other tensors than the model's",
    DAMAGED,
    "do not fit",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, tensors({"a": tensor([2], 0, 8)}, bytes(8))),
)
