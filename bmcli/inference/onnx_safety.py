"""Checks what a model.onnx contains before ONNX Runtime loads it.

A run directory may come from anyone, and an ONNX graph is a program: it may loop forever. Refused are
control flow (but for the loop over a text's tokens that Keras's recurrent layers become), operators that
neither bm's models nor Keras's layers are made of, functions and operators of other domains, and weights that
lie in other files. Its memory is limited while it runs: see `session`.

Only the outline of the file is read, by protobuf's wire format (https://protobuf.dev/programming-guides/
encoding/) and the field numbers of onnx.proto3; weights are skipped. Importing `onnx` for that would take
longer than a prediction's own work.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MOST_NODES = 50_000
"""Operators of a graph; those of bm's largest models have some thousands."""
MOST_STEPS = 1 << 16
"""Of a loop whose count is a constant."""

_ELEMENTWISE = frozenset(
    """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr
    BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh DequantizeLinear Div Elu Equal Erf Exp Floor Gelu Greater
    GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization IsInf IsNaN
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LRN Max Mean
    MeanVarianceNormalization Min Mish Mod Mul Neg Not Or PRelu Pow QuantizeLinear Reciprocal Relu Round Selu
    Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Sub Sum Tan Tanh ThresholdedRelu Where Xor
    DynamicQuantizeLinear
    """.split()  # noqa: SIM905 (a list would be a page long)
)
_FOLLOWING = _ELEMENTWISE | frozenset(
    """
    ArgMax ArgMin AveragePool Compress Concat Conv ConvInteger ConvTranspose CumSum DepthToSpace Einsum
    Flatten GRU Gather GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool LSTM LpPool
    MatMul MatMulInteger MaxPool QLinearConv QLinearMatMul RNN ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare ReverseSequence ScatterElements
    ScatterND Slice SpaceToDepth Split Squeeze TopK Transpose Trilu Unsqueeze
    """.split()  # noqa: SIM905 (a list would be a page long)
)
"""Operators whose output sizes depend only on the sizes of their inputs, not on their values."""
_SIZED = frozenset(
    """
    Constant ConstantOfShape Expand EyeLike GridSample NonZero OneHot Pad Range Reshape Resize Shape Size Tile
    Upsample
    """.split()  # noqa: SIM905 (a list would be a page long)
)
_SIZED_BY = {"ConstantOfShape": 0, "Expand": 1, "Pad": 1, "Reshape": 1, "Tile": 1}
"""Which input says how large the output is."""
_ALLOWED = _FOLLOWING | _SIZED
_LIGHT = frozenset(
    """
    Add Cast Concat Constant Div Equal Gather Identity Max Min Mul ReduceProd Reshape Shape Size Slice Split
    Squeeze Sub Transpose Unsqueeze Where
    """.split()  # noqa: SIM905 (one line for each would be half a page)
)
"""What sizes and weights are prepared with: as quick as what they take is small."""
_KEEPING = frozenset(
    {"Cast", "Concat", "Gather", "Identity", "Min", "Reshape", "Slice", "Squeeze", "Unsqueeze"}
)
"""Of sizes they make the same sizes, some of them, or the smallest."""


class RefusedError(ValueError):
    """The model contains something that is not allowed."""


def vet(model: bytes) -> bool:
    """Raise RefusedError, which names what it is, or ValueError if the file is cut short or no model.

    Whether what depends on no input may be computed while the model is opened: not where that may take long,
    for nothing stops ONNX Runtime while it opens one.
    """
    graph = None
    for number, value in _fields(memoryview(model)):
        if number == 7 and isinstance(value, memoryview):  # ModelProto.graph
            graph = value
        elif number == 25:  # functions
            raise RefusedError("it defines its own functions")
    if graph is None:
        raise ValueError("it contains no graph")
    count = _Count()
    found = _read(graph, count)
    _follow(found)
    return not _heavy(found, set())


# No dataclasses: to make three takes longer than to look through a model.


class _Count:
    def __init__(self) -> None:
        self.nodes = 0


class _Node:
    def __init__(self) -> None:
        self.operator = ""
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.constant: list[int] | None = None
        self.body: _Graph | None = None


class _Graph:
    """constants: weight -> its values, where they are few whole numbers."""

    def __init__(self) -> None:
        self.nodes: list[_Node] = []
        self.constants: dict[str, list[int] | None] = {}


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field number and value of each field of a message; ValueError if it ends too early."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at, end)
        kind, value = key & 7, 0
        if kind == 0:
            value, at = _varint(data, at, end)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at, end)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if size > end - at:
            raise ValueError("it is truncated")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("it is truncated")


def _text(value: int | memoryview) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, memoryview) else ""


def _message(value: int | memoryview) -> memoryview:
    if not isinstance(value, memoryview):
        raise ValueError("a number where a message is expected")
    return value


def _read(graph: memoryview, count: _Count, within: str = "") -> _Graph:
    """GraphProto: node = 1, initializer = 5, sparse_initializer = 15. within: the loop it is the body of."""
    found = _Graph()
    for number, value in _fields(graph):
        if number == 1:
            count.nodes += 1
            if count.nodes > MOST_NODES:
                raise RefusedError(f"it has more than {MOST_NODES:,} operators")
            found.nodes.append(_node(_message(value), count, within))
        elif number == 5:
            name, values = _tensor(_message(value))
            found.constants[name] = values
        elif number == 15:
            raise RefusedError("it has sparse weights")
    return found


def _node(message: memoryview, count: _Count, within: str) -> _Node:
    """NodeProto: input = 1, output = 2, op_type = 4, attribute = 5, domain = 7."""
    node, domain, attributes = _Node(), "", list[memoryview]()
    for number, value in _fields(message):
        if number == 1:
            node.inputs.append(_text(value))
        elif number == 2:
            node.outputs.append(_text(value))
        elif number == 4:
            node.operator = _text(value)
        elif number == 5:
            attributes.append(_message(value))
        elif number == 7:
            domain = _text(value)
    name = node.operator
    if domain not in ("", "ai.onnx"):
        raise RefusedError(f"the operator {domain}.{name} is not one of ONNX's own")
    if name == "Loop" and not within:
        for attribute in attributes:
            _attribute(node, attribute, count, within="Loop")
        return node
    if name not in _ALLOWED:
        inside = f" within {within}" if within else ""
        raise RefusedError(f"models of bm have no operator {name}{inside}")
    for attribute in attributes:
        _attribute(node, attribute, count, within)
    return node


def _attribute(node: _Node, message: memoryview, count: _Count, within: str) -> None:
    """AttributeProto: i = 3, t = 5, g = 6, ints = 8, tensors = 10, graphs = 11, sparse_tensor(s) = 22, 23."""
    for number, value in _fields(message):
        if number in (5, 10):
            node.constant = _tensor(_message(value))[1]
        elif number == 6 and node.operator == "Loop":
            node.body = _read(_message(value), count, within)
        elif number in (6, 11):
            raise RefusedError(f"its operator {node.operator} contains a graph")
        elif number in (22, 23):
            raise RefusedError("it has sparse weights")
        elif number == 3 and node.operator == "Constant" and isinstance(value, int):
            node.constant = [_signed(value)]
        elif number == 8 and node.operator == "Constant":
            node.constant = None


def _tensor(message: memoryview) -> tuple[str, list[int] | None]:
    """TensorProto: dims = 1, data_type = 2, int32_data = 5, int64_data = 7, name = 8, raw_data = 9,
    external_data = 13, data_location = 14. Name, and the values of a few whole numbers."""
    name, kind, values, raw = "", 0, list[int](), b""
    for number, value in _fields(message):
        if number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _text(value)
        elif number == 13 or (number == 14 and value):
            raise RefusedError("its weights are in another file")
        elif number in (5, 7):
            if isinstance(value, int):
                values.append(_signed(value))
            elif len(value) <= 128:
                at = 0
                while at < len(value):
                    one, at = _varint(value, at, len(value))
                    values.append(_signed(one))
        elif number == 9 and isinstance(value, memoryview) and len(value) <= 128:
            raw = bytes(value)
    if kind not in (6, 7):  # int32, int64
        return name, None
    size = 8 if kind == 7 else 4
    if raw and len(raw) % size == 0:
        values = list(struct.unpack(f"<{len(raw) // size}{'q' if kind == 7 else 'i'}", raw))
    return name, values or None


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _follow(graph: _Graph) -> None:
    """Refuse a loop that may take more steps than the input is long.

    bounded: tensors no larger than the input's sizes and the weights' allow; sizes: tensors of whole numbers
    that are sizes of such, or small.
    """
    bounded, sizes = {"input", ""}, {""}
    for name, values in graph.constants.items():
        _constant(name, values, bounded, sizes)
    for node in graph.nodes:
        operator, inputs = node.operator, node.inputs
        if operator == "Loop":
            steps = inputs[0] if inputs else ""
            if not steps or steps not in sizes:
                raise RefusedError("its operator Loop may take more steps than the input is long")
            if all(name in bounded for name in inputs[2:]):
                bounded.update(node.outputs)
        elif operator == "Constant":
            for name in node.outputs:
                _constant(name, node.constant, bounded, sizes)
        elif operator == "Shape":
            if all(name in bounded for name in inputs):
                sizes.update(node.outputs)
                bounded.update(node.outputs)
        elif operator in _SIZED_BY:
            by = _SIZED_BY[operator]
            if all(name in (sizes if i == by else bounded) for i, name in enumerate(inputs)):
                bounded.update(node.outputs)
        elif operator in _FOLLOWING and all(name in bounded for name in inputs):
            bounded.update(node.outputs)
        if operator in _KEEPING and all(name in sizes for name in inputs):
            sizes.update(node.outputs)
            bounded.update(node.outputs)


def _heavy(graph: _Graph, known: set[str]) -> bool:
    """Whether a graph makes much out of what is known before any input is: weights and, often, sizes.

    known: what of the graph around it is.
    """
    known = known | graph.constants.keys() | {""}
    for node in graph.nodes:
        if node.body is not None:
            if _heavy(node.body, known):
                return True
        elif node.operator in ("Shape", "Size") or known.issuperset(node.inputs):
            if node.operator not in _LIGHT:
                return True
            known.update(node.outputs)
    return False


def _constant(name: str, values: list[int] | None, bounded: set[str], sizes: set[str]) -> None:
    bounded.add(name)
    if values is not None and all(-MOST_STEPS <= value <= MOST_STEPS for value in values):
        sizes.add(name)
