"""From a Keras model to an ONNX graph, operation by operation, for what text encoders are made of.

tf2onnx takes most of a minute for an encoder of six layers, and writes layer normalisation and GELU in forms
that ONNX Runtime computes as eight small operators each. Here each of Keras's operations becomes what
computes it best: layer normalisation is one operator, GELU and dense layers are in the forms that ONNX
Runtime fuses. A model without layer normalisation, or with any other operation, goes through tf2onnx: see
`onnx`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    from onnx import ModelProto

OPSET = 18
IR_VERSION = 8
"""Of ONNX's format: the one that came with the operators."""
SMALL = 4
"""Numbers in a constant that is written once for all who use it."""

Value = Any
"""What an operation is called with: a KerasTensor, or a number, a shape, a slice, None."""
Writer = Callable[["_Graph", Any, list[Value], dict[str, Value]], str]
"""Writes one operation, called with arguments; the name of its result."""


class _UnknownError(Exception):
    """An operation that is not written here."""


def converted(model: keras.Model) -> ModelProto | None:
    """The model, its inputs called as Keras calls them; None if it is not one to be written here.

    model: functional, with one output, float32.
    """
    from keras import layers, models, tree

    if not any(isinstance(layer, layers.LayerNormalization) for layer in model.layers):
        return None
    graph = _Graph()
    called: list[tuple[Any, list[Value], dict[str, Value], Any]] = []

    def call(operation: Any, *args: Value, **kwargs: Value) -> Any:
        results = operation(*args, **kwargs)
        called.append((operation, list(args), kwargs, results))
        return results

    # Keras's own way through a graph, in an order in which everything is there before it is used.
    same = models.clone_model(model, clone_function=lambda operation: operation, call_function=call)
    for tensor in same.inputs:
        graph.names[id(tensor)] = tensor.name
    try:
        for operation, args, kwargs, results in called:
            (result,) = tree.flatten(results)
            write = WRITERS.get(type(operation).__name__)
            if write is None or type(operation).__module__.partition(".")[0] != "keras":
                raise _UnknownError
            graph.scope = operation.name
            graph.names[id(result)] = write(graph, operation, args, kwargs)
    except _UnknownError:
        return None
    return graph.model(same.inputs, same.outputs[0])


class _Graph:
    """An ONNX graph under construction. names: id of a KerasTensor -> its name here."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.scope = ""
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output; its name."""
        from onnx import helper

        output = f"{self.scope}/{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def weight(self, array: np.ndarray) -> str:
        """The name of a constant."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(array)
        # Small ones are sizes, axes and factors, many of them the same.
        same = f"{array.dtype}{array.tolist()}" if array.size <= SMALL else ""
        name = same or f"{self.scope}/weight{len(self._weights)}"
        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(array, name)
        return name

    def whole(self, *numbers: int) -> str:
        """Sizes or axes, as a constant."""
        return self.weight(np.array(numbers, np.int64))

    def tensor(self, value: Value, dtype: str) -> str:
        """A tensor, converted to this type if it has another, or a number as a constant of it."""
        if not _is_tensor(value):
            if not isinstance(value, bool | int | float | np.ndarray | np.generic):
                raise _UnknownError
            return self.weight(np.asarray(value, dtype))
        name = self.names[id(value)]
        return name if _dtype(value) == dtype else self.cast(name, dtype)

    def cast(self, name: str, dtype: str) -> str:
        """The tensor in another type."""
        from onnx import helper

        return self.node("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def model(self, inputs: Sequence[Any], output: Any) -> ModelProto:
        """The whole model."""
        from onnx import helper

        def end(name: str, tensor: Any) -> Any:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(_dtype(tensor)))
            return helper.make_tensor_value_info(name, kind, list(tensor.shape))

        graph = helper.make_graph(
            self._nodes,
            "bm",
            [end(tensor.name, tensor) for tensor in inputs],
            [end(self.names[id(output)], output)],
            list(self._weights.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _is_tensor(value: Value) -> bool:
    import keras

    return isinstance(value, keras.KerasTensor)


def _dtype(tensor: Any) -> str:
    import keras

    return str(keras.backend.standardize_dtype(tensor.dtype))


def _only(args: list[Value], kwargs: dict[str, Value]) -> Any:
    """The one tensor that an operation is called with, besides whether it is in training."""
    others = {name for name, value in kwargs.items() if value is not None} - {"training"}
    if len(args) != 1 or others or not _is_tensor(args[0]):
        raise _UnknownError
    return args[0]


# === layers ================================================================================================


def _dense(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    x = graph.tensor(_only(args, kwargs), "float32")
    y = graph.node("MatMul", x, graph.weight(_array(layer.kernel)))
    if layer.bias is not None:
        y = graph.node("Add", y, graph.weight(_array(layer.bias)))
    return _activated(graph, layer.activation, y)


def _activation(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    return _activated(graph, layer.activation, graph.tensor(_only(args, kwargs), "float32"))


def _activated(graph: _Graph, function: Any, x: str) -> str:
    from keras import activations

    simple = {activations.relu: "Relu", activations.sigmoid: "Sigmoid", activations.tanh: "Tanh"}
    if function in (None, activations.linear):
        return x
    if function in simple:
        return graph.node(simple[function], x)
    if function is activations.softmax:
        return graph.node("Softmax", x, axis=-1)
    if function is activations.silu:
        return graph.node("Mul", x, graph.node("Sigmoid", x))
    if function is activations.gelu:
        return _exact_gelu(graph, x)
    raise _UnknownError


def _exact_gelu(graph: _Graph, x: str) -> str:
    """In the order of factors in which ONNX Runtime knows it."""
    erf = graph.node("Erf", graph.node("Div", x, graph.tensor(2**0.5, "float32")))
    twice = graph.node("Mul", x, graph.node("Add", erf, graph.tensor(1.0, "float32")))
    return graph.node("Mul", twice, graph.tensor(0.5, "float32"))


def _tanh_gelu(graph: _Graph, x: str) -> str:
    cubed = graph.node("Pow", x, graph.tensor(3.0, "float32"))
    inner = graph.node("Add", x, graph.node("Mul", cubed, graph.tensor(0.044715, "float32")))
    slope = graph.tensor((2 / np.pi) ** 0.5, "float32")
    twice = graph.node(
        "Add", graph.node("Tanh", graph.node("Mul", inner, slope)), graph.tensor(1.0, "float32")
    )
    return graph.node("Mul", graph.node("Mul", x, graph.tensor(0.5, "float32")), twice)


def _layer_norm(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    x = _only(args, kwargs)
    if layer.gamma is None or layer.rms_scaling or list(layer.axis) not in ([-1], [len(x.shape) - 1]):
        raise _UnknownError
    scale = graph.weight(_array(layer.gamma))
    shift = [] if layer.beta is None else [graph.weight(_array(layer.beta))]
    name = graph.tensor(x, "float32")
    return graph.node("LayerNormalization", name, scale, *shift, axis=-1, epsilon=float(layer.epsilon))


def _embedding(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    ids = graph.names[id(_only(args, kwargs))]
    return graph.node("Gather", graph.weight(_array(layer.embeddings)), ids, axis=0)


def _reshape(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    x = graph.names[id(_only(args, kwargs))]
    return graph.node("Reshape", x, graph.whole(0, *layer.target_shape))


def _permute(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    return graph.node("Transpose", graph.names[id(_only(args, kwargs))], perm=[0, *layer.dims])


def _dropped(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    return graph.names[id(_only(args, kwargs))]


def _rescaled(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    x = graph.tensor(_only(args, kwargs), "float32")
    scaled = graph.node("Mul", x, graph.weight(np.asarray(layer.scale, np.float32)))
    return graph.node("Add", scaled, graph.weight(np.asarray(layer.offset, np.float32)))


def _joined(graph: _Graph, layer: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    (tensors,) = args
    return graph.node("Concat", *(graph.tensor(one, _dtype(tensors[0])) for one in tensors), axis=layer.axis)


def _array(variable: Any) -> np.ndarray:
    return np.asarray(variable, np.float32)


# === keras.ops =============================================================================================


def _elementwise(operator: str, *, compares: bool = False) -> Writer:
    """Of two tensors or a tensor and a number, in the type that both are converted to."""

    def write(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
        from keras import backend

        if len(args) != 2 or kwargs:
            raise _UnknownError
        types = [_dtype(one) if _is_tensor(one) else type(one) for one in args]
        common = backend.result_type(*types)
        if operator == "Div" and not common.startswith("float"):
            common = "float32"
        result = graph.node(operator, *(graph.tensor(one, common) for one in args))
        return graph.node("Not", result) if operation.__class__.__name__ == "NotEqual" else result

    return write


def _function(operator: str, **attributes: Any) -> Writer:
    """Of one tensor."""

    def write(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
        return graph.node(operator, graph.names[id(_only(args, kwargs))], **attributes)

    return write


def _reduced(operator: str) -> Writer:
    """Over some axes."""

    def write(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
        axes = operation.axis
        if axes is None or getattr(operation, "initial", None) is not None:
            raise _UnknownError
        x = graph.names[id(_only(args, kwargs))]
        chosen = graph.whole(*(axes if isinstance(axes, list | tuple) else (axes,)))
        return graph.node(operator, x, chosen, keepdims=int(operation.keepdims))

    return write


def _softmax(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    if not isinstance(operation.axis, int):
        raise _UnknownError
    return graph.node("Softmax", graph.names[id(_only(args, kwargs))], axis=operation.axis)


def _gelu(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    write = _tanh_gelu if operation.approximate else _exact_gelu
    return write(graph, graph.names[id(_only(args, kwargs))])


def _silu(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    x = graph.names[id(_only(args, kwargs))]
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def _cast(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    return graph.tensor(_only(args, kwargs), str(operation.dtype))


def _ones(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    from onnx import numpy_helper

    like = _only(args, kwargs)
    shape = graph.node("Shape", graph.names[id(like)])
    return graph.node("ConstantOfShape", shape, value=numpy_helper.from_array(np.ones(1, _dtype(like))))


def _summed_up(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    x = graph.names[id(_only(args, kwargs))]
    return graph.node("CumSum", x, graph.weight(np.asarray(operation.axis, np.int64)))


def _expanded(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    axes = operation.axis
    chosen = graph.whole(*(axes if isinstance(axes, list | tuple) else (axes,)))
    return graph.node("Unsqueeze", graph.names[id(_only(args, kwargs))], chosen)


def _transposed(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    x = _only(args, kwargs)
    order = operation.axes or list(reversed(range(len(x.shape))))
    return graph.node("Transpose", graph.names[id(x)], perm=list(order))


def _sliced(graph: _Graph, operation: Any, args: list[Value], kwargs: dict[str, Value]) -> str:
    x, key = args[0], kwargs["key"] if "key" in kwargs else args[1]
    parts = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(one, slice) for one in parts):
        raise _UnknownError
    chosen = [(axis, one) for axis, one in enumerate(parts) if one != slice(None)]
    name = graph.names[id(x)]
    if not chosen:
        return name
    if any(one.stop is None or (one.step or 1) != 1 for _, one in chosen):
        raise _UnknownError
    starts, stops = ([int(getattr(one, end) or 0) for _, one in chosen] for end in ("start", "stop"))
    axes = [axis for axis, _ in chosen]
    return graph.node("Slice", name, graph.whole(*starts), graph.whole(*stops), graph.whole(*axes))


WRITERS: dict[str, Writer] = {
    "Dense": _dense,
    "Activation": _activation,
    "LayerNormalization": _layer_norm,
    "Embedding": _embedding,
    "Reshape": _reshape,
    "Permute": _permute,
    "Dropout": _dropped,
    "Rescaling": _rescaled,
    "Concatenate": _joined,
    "Add": _elementwise("Add"),
    "Subtract": _elementwise("Sub"),
    "Multiply": _elementwise("Mul"),
    "Divide": _elementwise("Div"),
    "TrueDivide": _elementwise("Div"),
    "Maximum": _elementwise("Max"),
    "Minimum": _elementwise("Min"),
    "Equal": _elementwise("Equal"),
    "NotEqual": _elementwise("Equal"),
    "Less": _elementwise("Less"),
    "LessEqual": _elementwise("LessOrEqual"),
    "Greater": _elementwise("Greater"),
    "GreaterEqual": _elementwise("GreaterOrEqual"),
    "Matmul": _elementwise("MatMul"),
    "Absolute": _function("Abs"),
    "Abs": _function("Abs"),
    "Relu": _function("Relu"),
    "Sqrt": _function("Sqrt"),
    "Sum": _reduced("ReduceSum"),
    "Max": _reduced("ReduceMax"),
    "Softmax": _softmax,
    "Gelu": _gelu,
    "Silu": _silu,
    "Cast": _cast,
    "OnesLike": _ones,
    "Cumsum": _summed_up,
    "ExpandDims": _expanded,
    "Transpose": _transposed,
    "GetItem": _sliced,
}
"""Class of Keras's layer or operation -> what writes it."""
