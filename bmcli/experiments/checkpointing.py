"""Save the state of training into its run, and load it again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.errors import IntegrityError
from bmcli.core.stopwatch import phase
from bmcli.experiments.display import Warned
from bmcli.experiments.resume_checks import as_a_new_run
from bmcli.inference import adapters
from bmcli.inference.weights import FROZEN_SHA256, frozen_of, sha256_of, to_bytes
from bmcli.inference.weights_index import index_of
from bmcli.runs import layout
from bmcli.training import checkpoints
from bmcli.training.checkpoints import from_bytes

if TYPE_CHECKING:
    import numpy as np

    from bmcli.experiments.display import Display
    from bmcli.runs.run import Run
    from bmcli.training.checkpoints import TrainingState
    from bmcli.training.trainer import Trainer


@phase("checkpoints")
def save(run: Run, trainer: Trainer, *, best: bool = False) -> None:
    """Replace `last`, keeping its predecessor: a damaged newest one never leaves a run with none.

    best: the weights are the best so far; they are in place before a state says so.
    """
    files: dict[str, Callable[[Path], object]] = {}
    frozen = trainer.frozen()
    if frozen and trainer.tuning is not None and trainer.tuning.frozen_sha256 is None:
        kept = {path: array for path, array in trainer.own_weights().items() if path in frozen}
        trainer.tuning.frozen_sha256 = sha256_of(kept)
        once = to_bytes(kept)
        files[layout.FROZEN] = lambda path: path.write_bytes(once)
    if run.exists(layout.LAST):
        files[layout.PREVIOUS] = lambda path: _link(run.path_of(layout.LAST), path)
    if best:
        weights = _best(trainer, frozen)
        files[layout.BEST] = lambda path: path.write_bytes(weights)
    state = checkpoints.to_bytes(trainer.state())
    files[layout.LAST] = lambda path: path.write_bytes(state)
    run.write_together(files)


def _best(trainer: Trainer, frozen: set[str]) -> bytes:
    """The weights as they are now, in fine-tuning without the frozen ones, which do not change."""
    weights = trainer.own_weights()
    if not frozen or trainer.tuning is None or trainer.tuning.frozen_sha256 is None:
        return to_bytes(weights)
    changing = {path: array for path, array in weights.items() if path not in frozen}
    about = {FROZEN_SHA256: trainer.tuning.frozen_sha256}
    if trainer.tuning.adapters is not None:
        about[adapters.SCALE] = repr(trainer.tuning.adapters.scale)
    return to_bytes(changing, metadata=about)


def complete_best(run: Run, weights: Mapping[str, np.ndarray]) -> None:
    """As training has ended and model.keras holds them all: note where in it the best weights are, so that
    their own file can be discarded.

    Where they are not found in it (layers of a user's own may save what they like), that file stays, and gets
    the frozen weights too.
    """
    index = index_of(run.path_of(layout.MODEL_KERAS), weights, sha256_of(weights))
    if index is not None:
        run.write_text(layout.BEST_INDEX, index.to_text())
        return
    run.remove_file(layout.BEST_INDEX)
    if run.exists(layout.FROZEN):
        data = to_bytes(weights)
        run.write_with(layout.BEST, lambda path: path.write_bytes(data))


def load_frozen(run: Run, trainer: Trainer, state: TrainingState) -> None:
    """Give the trainer the weights that the state leaves out. IntegrityError if they are not those it had."""
    reference = state.progress.get("frozen")
    if trainer.tuning is not None and isinstance(reference, str):
        trainer.load_frozen(frozen_of(run, reference), reference)


def rewrite_metrics(run: Run, trainer: Trainer) -> None:
    """A kill may have come between the log of an epoch and its checkpoint: the checkpoint counts."""
    run.remove_file(layout.METRICS)
    for record in trainer.records:
        run.append_line(layout.METRICS, json.dumps(record, allow_nan=False))


def newest_state(run: Run, display: Display) -> tuple[TrainingState, str]:
    """The newest complete state and the file it is from: the predecessor, with a warning, where `last` is
    damaged. IntegrityError if both are."""
    reasons = []
    for name in (layout.LAST, layout.PREVIOUS):
        try:
            state = from_bytes(run.read_bytes(name), name=str(run.path / name))
        except IntegrityError as error:
            reasons.append(error)
            continue
        if reasons:
            text = f"{reasons[0].message}; resuming from {name}, epoch {state.epoch}"
            display.handle(Warned(text))
        return state, name
    raise IntegrityError(
        f"{run.id} has no undamaged checkpoint: {'; '.join(error.message for error in reasons)}",
        hint=as_a_new_run(run),
    )


def restore(trainer: Trainer, state: TrainingState, origin: str) -> None:
    """Load the state into the trainer. IntegrityError if it does not fit this training run, however whole
    the file is. origin: the file it is from."""
    try:
        records = state.progress["records"]
        if not all(type(v) in (int, float, type(None)) for record in records for v in record.values()):
            raise ValueError("the record of an epoch contains a value that is not a number")
        if state.epoch < 1 or state.step < 0:
            raise ValueError(f"epoch {state.epoch}, step {state.step}")
        trainer.restore(state)
    except (KeyError, IndexError) as error:
        raise IntegrityError(f"{origin} is damaged: {error} is missing") from error
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise IntegrityError(f"{origin} is damaged: {error}") from error


def keep_only(run: Run, origin: str) -> None:
    """Replace a damaged `last` by the state that training resumes from: the next save would make
    that the predecessor."""
    if origin != layout.LAST:
        run.write_with(layout.LAST, lambda path: _link(run.path_of(origin), path))


def discard(run: Run) -> int:
    """Remove the states of a completed run, which has nothing left to resume; bytes that became free.

    The best weights stay, in model.keras where they were found in it: `bm` rebuilds the model from them, and
    `init_from` starts from them.
    """
    going = [layout.LAST, layout.PREVIOUS, layout.FROZEN]
    if layout.BEST_INDEX in run.manifest():
        going.append(layout.BEST)
    going = [name for name in going if run.exists(name)]
    sizes = {}
    for name in going:
        about = run.path_of(name).stat()
        sizes[about.st_ino] = about.st_size  # of one that has two names, once
    run.remove_files(going)
    return sum(sizes.values())


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
