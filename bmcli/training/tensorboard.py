"""Event files that TensorBoard opens, written with TensorFlow's own record writer.

TensorFlow's summary functions need the tensorboard package; its record format and protocol buffers do not.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bmcli.runs import atomic


class EventWriter:
    """Scalars of one run, a point per epoch. Every write is flushed, so that a kill loses nothing written.

    folder: made if missing; epoch: the first to be written; points of a cut-off sitting from there on are
    dropped by TensorBoard.
    """

    def __init__(self, folder: Path, *, epoch: int) -> None:
        import tensorflow as tf

        self._path = folder / f"events.out.tfevents.{time.time_ns() // 1000:020d}.bm"
        with atomic.resources(f"write {self._path}"):
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = tf.io.TFRecordWriter(str(self._path))
        self._write(file_version="brain.Event:2")
        if epoch > 1:
            from tensorflow.core.util import event_pb2

            self._write(step=epoch, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def epoch(self, record: dict[str, Any]) -> None:
        """The figures of one line of metrics.jsonl; `val_x` is drawn as x of the validation run."""
        from tensorflow.core.framework import summary_pb2

        values = [
            summary_pb2.Summary.Value(tag=_tag(name), simple_value=float(value))
            for name, value in record.items()
            if name != "epoch" and value is not None
        ]
        self._write(step=int(record["epoch"]), summary=summary_pb2.Summary(value=values))

    def close(self) -> None:
        """No more points."""
        self._writer.close()

    def _write(self, **fields: Any) -> None:
        from tensorflow.core.util import event_pb2

        event = event_pb2.Event(wall_time=time.time(), **fields)
        with atomic.resources(f"write {self._path}"):
            self._writer.write(event.SerializeToString())
            self._writer.flush()


def _tag(name: str) -> str:
    """Names grouped as TensorBoard groups them: loss/validation beside loss/train."""
    if name in ("learning_rate", "seconds", "training_seconds", "examples_per_second"):
        return f"training/{name}"
    return f"{name.removeprefix('val_')}/{'validation' if name.startswith('val_') else 'train'}"
