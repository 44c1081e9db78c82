"""Running models: what is damaged is refused, and no TensorFlow is needed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bmcli.core.cores import available_cores
from bmcli.core.errors import IntegrityError
from bmcli.core.spec import INPUT
from bmcli.inference.session import OnnxSession


def onnx_model(
    op: str = "Softmax", kind: int = TensorProto.FLOAT, start: str = "input", end: str = "output"
) -> bytes:
    """[batch, 3] -> [batch, 3]."""
    shape = ["batch", "length" if kind == TensorProto.INT32 else 3]
    nodes = [helper.make_node(op, [start], [end], **({"to": 1} if op == "Cast" else {}))]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(start, kind, shape)],
        [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["batch", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_batches_come_back_in_order():
    inputs = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    session = OnnxSession(onnx_model())
    whole = session.predict({INPUT: inputs})
    assert whole.dtype == np.float32
    for size in (1, 4, 11, 256):
        np.testing.assert_array_equal(session.predict({INPUT: inputs}, batch_size=size), whole)
    np.testing.assert_allclose(whole, np.exp(inputs) / np.exp(inputs).sum(1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_many_inputs_come_back_in_order_whichever_core_answers(threads):
    inputs = np.random.default_rng(0).normal(size=(1_003, 3)).astype(np.float32)
    one_by_one = np.concatenate(
        [OnnxSession(onnx_model(), threads=1).predict({INPUT: row[None]}) for row in inputs[:9]]
    )
    session = OnnxSession(onnx_model(), threads=threads)
    whole = session.predict({INPUT: inputs})
    np.testing.assert_array_equal(whole[:9], one_by_one)
    for size in (1, 70, 5_000):
        np.testing.assert_array_equal(session.predict({INPUT: inputs}, batch_size=size), whole)


def test_a_failure_on_one_core_is_the_failure_of_all():
    with pytest.raises(IntegrityError, match="cannot be run"):
        OnnxSession(onnx_model(), threads=2).predict({INPUT: np.zeros((500, 4), np.float32)})


def test_nothing_in_nothing_out():
    assert OnnxSession(onnx_model()).predict({INPUT: np.zeros((0, 3), np.float32)}).shape == (0, 3)


def test_other_float_widths_and_layouts_are_taken():
    inputs = np.asfortranarray(np.random.default_rng(0).normal(size=(4, 3)))
    assert OnnxSession(onnx_model()).predict({INPUT: inputs}).shape == (4, 3)


def test_padding_of_a_whole_batch_is_cut_off():
    """Seen through a model that hands its input back: 3 tokens wide after the cut."""
    session = OnnxSession(onnx_model("Cast", TensorProto.INT32))
    tokens = np.int32([[5, 6, 7, 0, 0], [1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(session.predict({INPUT: tokens}), [[5, 6, 7], [1, 0, 0]])
    assert OnnxSession(onnx_model("Cast", TensorProto.INT32)).predict({INPUT: tokens * 0}).shape == (2, 1)


@pytest.mark.parametrize(
    "damage", [b"", b"not onnx", onnx_model()[:-20], onnx_model().replace(b"Sof", b"Sov")]
)
def test_a_damaged_file_is_an_integrity_error(damage, capfd):
    with pytest.raises(IntegrityError, match=r"runs/a/model\.onnx is (damaged|refused)") as caught:
        OnnxSession(damage, origin="runs/a/model.onnx")
    assert caught.value.exit_code == 4
    assert "\n" not in caught.value.message
    assert capfd.readouterr().err == ""


def test_a_foreign_model_is_refused():
    with pytest.raises(IntegrityError, match="was not exported by bm"):
        OnnxSession(onnx_model(start="x"))


def test_neither_tensorflow_nor_keras_is_imported(tmp_path: Path):
    (tmp_path / "m.onnx").write_bytes(onnx_model())
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from bmcli.inference.session import OnnxSession\n"
        "OnnxSession(Path(sys.argv[1]).read_bytes()).predict({'input': np.zeros((2, 3), np.float32)})\n"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'polars', 'PIL') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.onnx")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_cores_are_those_this_process_may_use():
    assert available_cores() >= 1


def multiplied(times: int, *, known: bool = False) -> bytes:
    """[batch, 3] -> [batch, 3] by way of so many products of large matrices.

    known: they do not depend on the input, so that they could be computed while the model is opened.
    """
    side = 3000
    tensors = [
        helper.make_tensor("size", TensorProto.INT64, [2], [side, side]),
        helper.make_tensor("ones", TensorProto.INT64, [2], [1, 3]),
        helper.make_tensor("weight", TensorProto.FLOAT, [1], [1.0]),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["weight" if known else "input"], ["mean"], keepdims=0),
        helper.make_node("Expand", ["mean", "size"], ["m0"]),
        *(helper.make_node("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]) for i in range(times)),
        helper.make_node("ReduceMax", [f"m{times}"], ["max"], keepdims=0),
        helper.make_node("Expand", ["max", "ones"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("inputs", "stop"), [(1, signal.SIGINT), (200, signal.SIGINT), (1, signal.SIGTERM)])
def test_a_signal_ends_a_model_that_takes_for_ever(
    tmp_path: Path, inputs: int, stop: int, known: bool
) -> None:
    """Also one that takes for ever to open, were it given to ONNX Runtime as any other."""
    (tmp_path / "m.onnx").write_bytes(multiplied(100_000 // 10, known=known))
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from bmcli.cli import app\n"
        "from bmcli.inference.session import OnnxSession\n"
        "def run(args):\n"
        "    session = OnnxSession(Path('m.onnx').read_bytes())\n"
        "    print('ready', flush=True)\n"
        f"    session.predict({{'input': np.ones(({inputs}, 3), np.float32)}})\n"
        "class App:\n"
        "    main = staticmethod(lambda *_, **__: run(None))\n"
        "app.build_app = lambda enter: App\n"
        "app.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        time.sleep(1)  # in the middle of it
        assert running.poll() is None
        running.send_signal(stop)
        _, err = running.communicate(timeout=60)
    assert running.returncode == (130 if stop == signal.SIGINT else -stop)
    assert err == ("interrupted\n" if stop == signal.SIGINT else "")


def test_only_the_error_says_what_went_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    """Not ONNX Runtime besides, in colours."""
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Add", ["input", "sum"], ["output"]),
        ],
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor("size", TensorProto.INT64, [2], [1 << 31, 1 << 31])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(IntegrityError, match="cannot be run"):
        OnnxSession(model.SerializeToString()).predict({INPUT: np.ones((1, 3), np.float32)})
    assert capfd.readouterr().err == ""


def test_what_does_not_fit_at_once_is_done_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: the limit holds for all of it."""
    code = (
        "import numpy as np, sys\n"
        "from bmcli.inference import session\n"
        "session.MEMORY, session.MEMORY_PER_CORE = 100 * 2**20, 0\n"
        "from tests.inference.test_session import widened\n"
        "model = widened()\n"
        "x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)\n"
        "answers = session.OnnxSession(model, threads=int(sys.argv[1])).predict({'input': x})\n"
        "assert np.array_equal(answers, np.repeat(x.mean(1, keepdims=True), 3, 1)), answers\n"
        "try:\n"
        "    session.OnnxSession(widened(100)).predict({'input': x})\n"
        "except session.ResourceError as error:\n"
        "    assert 'its operator Expand takes more than 0.0977 GiB for one input' in str(error), error\n"
        "else:\n"
        "    raise AssertionError\n"
    )
    for threads in ("1", "2"):
        subprocess.run([sys.executable, "-c", code, threads], check=True, cwd=Path(__file__).parents[2])


def widened(factor: int = 1) -> bytes:
    """[batch, 3] -> [batch, 3], the mean of each row, by way of `factor` MiB for each."""
    side = factor * 2**18
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Expand", ["mean", "wide"], ["large"]),
        helper.make_node("ReduceMax", ["large"], ["max"], axes=[1], keepdims=1),
        helper.make_node("Expand", ["max", "three"], ["output"]),
    ]
    tensors = [
        helper.make_tensor("wide", TensorProto.INT64, [2], [1, side]),
        helper.make_tensor("three", TensorProto.INT64, [2], [1, 3]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()
