"""Event files, read back by TensorBoard itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bmcli.experiments.tensorboard import EventWriter, crc32c


def test_the_checksum_is_castagnolis() -> None:
    """RFC 3720, appendix B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    writer = EventWriter(tmp_path, epoch=2)
    writer.epoch({"epoch": 2, "loss": 0.5, "val_loss": 0.25, "val_auc": None, "learning_rate": 1e-3})
    writer.epoch({"epoch": 300, "loss": 0.125, "val_loss": 7})
    writer.close()
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {"loss/train", "loss/validation", "training/learning_rate"}
    assert [(e.step, e.value) for e in events.Scalars("loss/train")] == [(2, 0.5), (300, 0.125)]
    assert [(e.step, e.value) for e in events.Scalars("loss/validation")] == [(2, 0.25), (300, 7.0)]
