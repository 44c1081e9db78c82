"""Running a trained model: ONNX Runtime where the run has a published model.onnx, else Keras.

Through ONNX Runtime neither TensorFlow nor Keras is imported, and no code of the user's runs.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np

from bmcli import tasks
from bmcli.core.batch import Batch, count, fed, in_parts, rows
from bmcli.core.cores import available_cores
from bmcli.core.errors import IntegrityError, ResourceError
from bmcli.core.spec import INPUT
from bmcli.inference.onnx_safety import RefusedError, vet
from bmcli.runs.layout import MODEL_ONNX, PREPROCESSING

if TYPE_CHECKING:
    import keras
    import onnxruntime

    from bmcli.core.spec import DataSpec
    from bmcli.runs.run import Run


class Session(Protocol):
    """A trained model, ready to answer."""

    engine: Literal["onnx", "keras"]

    def predict(self, inputs: Batch, batch_size: int = 256) -> np.ndarray:
        """The finished model's outputs, float32 [n, C], for preprocessed inputs [n, ...], in their order.

        See `bmcli.models._head.finished` for what the C columns are.
        """
        ...


def needs_keras(run: Run) -> bool:
    """Whether predicting goes through Keras: the run never had a model.onnx (a lost one is damage)."""
    return not (run.record.onnx or {}).get("published", False) and not run.exists(MODEL_ONNX)


def open_session(run: Run, model: Callable[[], keras.Model], spec: DataSpec | None = None) -> Session:
    """The run's model in the engine it has.

    model: gives the finished Keras model, for a run without model.onnx; spec: what its preprocessing says it
    answers, where that is to be checked. Raises IntegrityError if a file is damaged or lost or does not
    fit `spec`, and whatever `model` raises.
    """
    if not needs_keras(run):
        names = tuple(one.name for one in spec.inputs) if spec is not None else (INPUT,)
        session = OnnxSession(run.read_bytes(MODEL_ONNX), origin=str(run.path / MODEL_ONNX), inputs=names)
        wanted = tasks.of(spec.task).width(len(spec.classes)) if spec is not None else session.width
        if session.width != wanted:
            raise IntegrityError(
                f"{run.path / MODEL_ONNX} has {session.width} outputs, but the run's {PREPROCESSING} "
                f"expects {wanted}"
            )
        return session
    return KerasSession(model())


PART = 64
"""Number of inputs that one core processes at a time. Each core with batches of its own is a fifth to a
quarter faster than all cores together on one batch after the other, and small batches stay in the cache
(benchmarks/predict.py)."""

MEMORY, MEMORY_PER_CORE = 2**30, 2**29
"""Bytes that all models of a process may take for what they compute, besides their weights: so much, and so
much for each core. Inputs that do not fit together are given in smaller batches; a model that takes more for
a single one is refused."""

T = TypeVar("T")

_DTYPES = {"tensor(int32)": np.dtype("int32"), "tensor(float)": np.dtype("float32")}


class OnnxSession:
    """A model in ONNX Runtime, on the CPU.

    model: the bytes of the .onnx file; origin: its name, for messages; inputs: the names that its inputs must
    have. width: how many columns its output has.
    Raises IntegrityError if ONNX Runtime cannot read it, or it is not one of bm's.

    ONNX Runtime works in other threads while the main one waits, so that Ctrl-C ends it. Safe to call from
    several threads, which share the cores.
    """

    engine: Literal["onnx", "keras"] = "onnx"

    def __init__(
        self,
        model: bytes,
        *,
        origin: str = MODEL_ONNX,
        inputs: Sequence[str] = (INPUT,),
        threads: int | None = None,
    ) -> None:
        self._origin = origin
        self._model = model
        self._cores = threads or available_cores()
        hint = "`bm export RUN --format onnx` exports it again"
        try:
            self._fold = vet(model)
            self._shared = _aside(lambda _: _opened(model, threads=self._cores, fold=self._fold))
        except RefusedError as error:
            raise IntegrityError(f"{origin} is refused: {error}", hint=hint) from error
        except Exception as error:  # ONNX Runtime's exceptions share no narrower base
            raise IntegrityError(f"{origin} is damaged: {_first_line(error)}", hint=hint) from error
        self._starting = threading.Lock()
        self._workers: tuple[onnxruntime.InferenceSession, ThreadPoolExecutor] | None = None
        ends, outputs = self._shared.get_inputs(), self._shared.get_outputs()
        if (
            {i.name for i in ends} != set(inputs)
            or [o.name for o in outputs] != ["output"]
            or any(i.type not in _DTYPES for i in ends)
            or outputs[0].type != "tensor(float)"
            or not _is_table(outputs[0].shape)
        ):
            raise IntegrityError(f"{origin} was not exported by bm: unexpected inputs or outputs", hint=hint)
        self.width = int(outputs[0].shape[1])
        self._dtypes = {i.name: _DTYPES[i.type] for i in ends}
        self._padding = {i.name: padding_of(self._shared, i.name) for i in ends if _is_padded(i)}

    def predict(self, inputs: Batch, batch_size: int = 256) -> np.ndarray:
        """See Session; IntegrityError if the model cannot be run, or answers in another shape."""
        if not count(inputs):
            return np.zeros((0, self.width), np.float32)
        return _aside(lambda ending: self._predict(inputs, batch_size, ending))

    def _predict(self, inputs: Batch, batch_size: int, ending: onnxruntime.RunOptions) -> np.ndarray:
        """ending: the RunOptions by which the caller ends the work."""
        if self._cores == 1 or count(inputs) <= PART:
            given = self._batches(inputs, batch_size)
            return np.concatenate([self._answer(self._shared, batch, ending) for batch in given])
        single, pool = self._started()
        size = max(1, min(PART, batch_size // self._cores))
        batches = list(self._batches(inputs, size))
        answers = list(pool.map(lambda batch: self._answer_or_not(single, batch, ending), batches))
        # What did not fit beside the batches of the other cores may fit alone.
        return np.concatenate(
            [
                self._answer(single, batch, ending) if answer is None else answer
                for batch, answer in zip(batches, answers, strict=True)
            ]
        )

    def _started(self) -> tuple[onnxruntime.InferenceSession, ThreadPoolExecutor]:
        """The session that computes on one core, and the threads that call it: one per core, which all
        callers share. They end with this object."""
        with self._starting:
            if self._workers is None:
                single = _opened(self._model, threads=1, fold=self._fold)
                self._workers = single, ThreadPoolExecutor(self._cores, thread_name_prefix="bm-predict")
            return self._workers

    def _answer_or_not(
        self, session: onnxruntime.InferenceSession, batch: Batch, ending: onnxruntime.RunOptions
    ) -> np.ndarray | None:
        try:
            return self._run(session, batch, ending)
        except ResourceError:
            return None

    def _answer(
        self, session: onnxruntime.InferenceSession, batch: Batch, ending: onnxruntime.RunOptions
    ) -> np.ndarray:
        """Of a batch, in halves where memory does not suffice for it."""
        try:
            return self._run(session, batch, ending)
        except ResourceError:
            if count(batch) == 1:
                raise
        half = count(batch) // 2
        halves = (rows(batch, part) for part in (slice(half), slice(half, None)))
        return np.concatenate([self._answer(session, part, ending) for part in halves])

    def _batches(self, inputs: Batch, size: int) -> Iterator[Batch]:
        for batch in in_parts(inputs, size):
            for name, padding in self._padding.items():
                batch[name] = _trimmed(batch[name], padding)
            yield batch

    def _run(
        self, session: onnxruntime.InferenceSession, batch: Batch, ending: onnxruntime.RunOptions
    ) -> np.ndarray:
        given = {name: np.ascontiguousarray(batch[name], dtype) for name, dtype in self._dtypes.items()}
        output: np.ndarray
        try:
            (output,) = session.run(["output"], given, ending)
        except Exception as error:
            reason = _first_line(error)
            if "allocate" in reason or "bad_alloc" in reason or "Available memory" in reason:
                at = re.search(r"running (\w+) node", reason)
                what = f"{self._origin}: its operator {at[1]}" if at else self._origin
                raise ResourceError(
                    f"{what} takes more than {_memory() / 2**30:.3g} GiB for one input"
                ) from error
            raise IntegrityError(f"{self._origin} cannot be run: {reason}") from error
        # More columns than declared would be classes without names.
        if output.ndim != 2 or len(output) != count(batch) or output.shape[1] > self.width:
            raise IntegrityError(
                f"{self._origin} returns outputs of shape {list(output.shape)} for {count(batch)} inputs"
            )
        return output


def _aside(work: Callable[[onnxruntime.RunOptions], T]) -> T:
    """The result of `work`, done in another thread. It gets its own RunOptions, through which a signal that
    ends the waiting ends the work, too."""
    ending = _runtime().RunOptions()
    if threading.current_thread() is not threading.main_thread():
        return work(ending)
    results: list[T] = []
    done: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            results.append(work(ending))
            done.put(None)
        except BaseException as error:
            done.put(error)

    threading.Thread(target=run, name="bm-onnx", daemon=True).start()
    try:
        error = done.get()
    except BaseException:
        ending.terminate = True
        raise
    if error is not None:
        raise error
    return results[0]


class KerasSession:
    """A finished Keras model. Safe to call from several threads, which take turns: `Model.predict` keeps
    state."""

    engine: Literal["onnx", "keras"] = "keras"

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._turn = threading.Lock()

    def predict(self, inputs: Batch, batch_size: int = 256) -> np.ndarray:
        """See Session."""
        if count(inputs) == 0:
            return np.zeros((0, self._model.output_shape[-1]), np.float32)
        # Not cut to the tokens used, as for ONNX Runtime: TensorFlow would trace every length again.
        with self._turn:
            outputs = self._model.predict(fed(self._model, inputs), batch_size=batch_size, verbose=0)
        return np.asarray(outputs, dtype=np.float32)


def _runtime() -> ModuleType:
    """ONNX Runtime, imported."""
    # It would record every use in the home folder, and bm collects nothing.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    # What goes wrong is raised as well; on stderr it would stand with colours and the source's lines.
    onnxruntime.set_default_logger_severity(4)
    runtime: ModuleType = onnxruntime
    return runtime


def _opened(model: bytes, *, threads: int, fold: bool) -> onnxruntime.InferenceSession:
    """fold: whether what depends on no input is computed now, once for all."""
    onnxruntime = _runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle workers sleep instead of burning a core between batches, which on few cores slows the
    # preprocessing that runs beside them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    _limit_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    # The model is the whole file: without this, its weights may lie in others of the working directory.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return onnxruntime.InferenceSession(
        model,
        sess_options=options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=None if fold else ["ConstantFolding"],
    )


_limited = False
_limiting = threading.Lock()


def _memory() -> int:
    return MEMORY + MEMORY_PER_CORE * available_cores()


def _limit_memory() -> None:
    """Give ONNX Runtime an arena of bounded size, once per process."""
    global _limited
    ort = _runtime()
    with _limiting:
        if _limited:
            return
        place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
        # Its defaults, but for the limit.
        ort.create_and_register_allocator(place, ort.OrtArenaCfg(_memory(), -1, -1, -1))
        _limited = True


def _is_padded(end: onnxruntime.NodeArg) -> bool:
    """Whether a model's input is token ids of any length."""
    return end.type == "tensor(int32)" and len(end.shape) == 2 and not isinstance(end.shape[1], int)


def padding_of(session: onnxruntime.InferenceSession, name: str) -> int:
    """What an input is padded with, as `bmcli.export.onnx` notes it in the model: 0 unless it says otherwise.

    ValueError if it is not a number.
    """
    return int(session.get_modelmeta().custom_metadata_map.get(f"padding of {name}", 0))


def _trimmed(batch: np.ndarray, padding: int) -> np.ndarray:
    """Token ids without the columns that are padding in every row: no model's output depends on them."""
    if batch.ndim != 2:
        return batch
    used = np.flatnonzero((batch.any(axis=0)) if padding == 0 else (batch != padding).any(axis=0))
    return batch[:, : used[-1] + 1 if len(used) else 1]


def _is_table(shape: Sequence[object]) -> bool:
    """Whether an output has two axes, the second of them of known size."""
    return len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 0


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
