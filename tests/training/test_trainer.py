"""The training loop: it learns, reports every step, stops at NaN, and goes on bit for bit."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from bmcli.config.schema import CheckpointConfig, TrainingConfig
from bmcli.core.errors import DivergedError, IntegrityError
from bmcli.core.spec import INPUT, DataSpec
from bmcli.modalities.source import NamedSources
from bmcli.tasks._meter import EpochMeter
from bmcli.training.checkpoints import TrainingState, from_bytes, to_bytes
from bmcli.training.events import EpochDone, StepsDone, TrainingDone
from bmcli.training.feed import Feed
from bmcli.training.optimizers import OPTIMIZERS
from bmcli.training.optimizers.adam import Adam
from bmcli.training.optimizers.sgd import SGD
from bmcli.training.schedules.cosine import Cosine
from bmcli.training.trainer import Trainer, Validation
from bmcli.training.watch import Watch

N, FEATURES, CLASSES = 50, 6, 3
SPEC = DataSpec.single("table", "multiclass", (FEATURES,), ("a", "b", "c"))
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(N, FEATURES)).astype(np.float32)
LABELS = INPUTS[:, :CLASSES].argmax(axis=1)
TARGETS = np.eye(CLASSES, dtype=np.float32)[LABELS]


def trainer(
    *,
    seed: int = 0,
    inputs: np.ndarray = INPUTS,
    precision: str = "float32",
    parts: int = 1,
    **training: Any,
) -> Trainer:
    import keras

    from bmcli.models._head import finished
    from bmcli.training.precision import policy

    keras.utils.set_random_seed(seed)
    with policy(precision):
        x = entry = keras.Input((FEATURES,), name="input")
        x = keras.layers.Dense(16, activation="relu", name="hidden")(x)
        x = keras.layers.BatchNormalization(name="norm")(x)
        x = keras.layers.Dropout(0.2, name="dropout")(x)
        network = keras.Model(entry, keras.layers.Dense(CLASSES, dtype="float32", name="head")(x))
    options: dict[str, Any] = {
        "epochs": 3,
        "batch_size": 8,
        "optimizer": Adam(learning_rate=0.01, weight_decay=0.01),
        "schedule": Cosine(warmup_epochs=0.5),
        "gradient_clipping": 1.0,
        "ema": 0.9,
        "checkpoint": CheckpointConfig(),
        **training,
    }
    config = TrainingConfig(**options)
    feed = Feed(NamedSources({INPUT: inputs}), TARGETS, None, [], config.batch_size, seed)
    held_out = NamedSources({INPUT: INPUTS})
    validation = Validation(held_out, LABELS, Accuracy, 16)
    watch = Watch("val_accuracy", greater_is_better=True)
    complete = finished(network, SPEC)
    return Trainer(network, complete, SPEC, config, feed, lambda b: b, validation, watch, parts)


class Accuracy(EpochMeter):
    """The share of right answers, in two sums. batches: the size of each, over all epochs."""

    batches: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.right = self.count = 0

    def update(self, positions: np.ndarray, targets: np.ndarray, outputs: np.ndarray) -> None:
        assert len(positions) == len(targets) == len(outputs)
        self.batches.append(len(positions))
        self.right += int((outputs.argmax(axis=1) == targets).sum())
        self.count += len(positions)

    def metrics(self) -> dict[str, float | None]:
        return {"accuracy": self.right / self.count}


class Endless:
    """Many examples that nobody holds in memory: the same few, again and again."""

    def __len__(self) -> int:
        return 400_000

    def __getitem__(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        return {INPUT: INPUTS[chosen % len(INPUTS)]}


def test_validation_holds_no_more_than_a_batch() -> None:
    import tracemalloc

    t, size = trainer(), 4096
    labels = np.broadcast_to(np.int64(1), len(Endless()))  # of no size, as well
    t.validation = Validation(Endless(), labels, Accuracy, size)  # type: ignore[arg-type]
    t._validate()  # compiles
    Accuracy.batches.clear()
    tracemalloc.start()
    try:
        found = t._validate()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(Accuracy.batches) == len(Endless()) and max(Accuracy.batches) == size
    assert 0 <= (found["accuracy"] or 0) <= 1
    whole = len(Endless()) * CLASSES * 4
    assert peak < whole / 2, (peak, whole)


def run_to_end(t: Trainer) -> list[Any]:
    return list(t.run())


def assert_same_state(left: TrainingState, right: TrainingState) -> None:
    assert left.arrays.keys() == right.arrays.keys()
    for name in left.arrays:
        np.testing.assert_array_equal(left.arrays[name], right.arrays[name], err_msg=name)
    timeless = [
        [{k: v for k, v in r.items() if "second" not in k} for r in state.progress["records"]]
        for state in (left, right)
    ]
    assert timeless[0] == timeless[1]
    assert left.progress["watch"] == right.progress["watch"]


@pytest.mark.parametrize(("precision", "parts"), [("float32", 1), ("bfloat16", 1), ("bfloat16", 2)])
def test_interrupted_anywhere_it_ends_as_if_it_never_was(precision: str, parts: int) -> None:
    whole = trainer(precision=precision, parts=parts)
    run_to_end(whole)
    for stop_after in (1, 4, 8):
        first = trainer(precision=precision, parts=parts)
        events = first.run()
        for _ in range(stop_after):
            next(events)
        saved = to_bytes(first.state())
        events.close()
        # Other weights, other random states: all replaced.
        second = trainer(seed=99, precision=precision, parts=parts)
        second.feed = first.feed
        second.restore(from_bytes(saved))
        run_to_end(second)
        assert_same_state(whole.state(), second.state())


def test_events_and_records() -> None:
    t = trainer(epochs=2)
    events = run_to_end(t)
    epochs = [e for e in events if isinstance(e, EpochDone)]
    steps = [e for e in events if isinstance(e, StepsDone)]
    assert [e.epoch for e in epochs] == [1, 2]
    assert isinstance(events[-1], TrainingDone) and events[-1].best_epoch in (1, 2)
    assert steps[-1].step == steps[-1].steps == 7
    assert {"loss", "accuracy", "val_accuracy", "learning_rate", "seconds"} <= epochs[0].record.keys()


def test_it_learns() -> None:
    t = trainer(epochs=30, ema=None, schedule=Cosine())
    run_to_end(t)
    assert t.records[-1]["loss"] < 0.5 * t.records[0]["loss"]
    assert t.records[-1]["val_accuracy"] > 0.9


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_changes_the_weights(name: str) -> None:
    t = trainer(epochs=1, optimizer=OPTIMIZERS.get(name)(learning_rate=0.01))
    before = t.model.get_layer("head").kernel.numpy()
    run_to_end(t)
    assert not np.array_equal(before, t.model.get_layer("head").kernel.numpy())


def test_weight_decay_spares_biases() -> None:
    t = trainer(epochs=1, ema=None, optimizer=SGD(learning_rate=1e-9, momentum=0, weight_decay=1e6))
    head = t.model.get_layer("head")
    head.bias.assign(np.ones(CLASSES))
    before = np.abs(head.kernel.numpy()).mean()
    run_to_end(t)
    assert np.abs(head.kernel.numpy()).mean() < before * 0.999
    np.testing.assert_allclose(head.bias.numpy(), 1, atol=1e-5)


def test_average_is_what_is_kept_and_the_training_weights_come_back() -> None:
    t = trainer(epochs=1)
    run_to_end(t)
    own = t.model.get_layer("head").kernel.numpy().copy()
    kept = t.weights()["head/kernel"]
    assert not np.array_equal(own, kept)
    np.testing.assert_array_equal(own, t.model.get_layer("head").kernel.numpy())


def test_nan_stops_at_its_step_and_touches_no_weight() -> None:
    inputs = INPUTS.copy()
    t = trainer(inputs=inputs, epochs=1)
    bad = t.feed.order(1)[3 * 8]  # the first example of the fourth step
    inputs[bad] = np.nan
    head = t.model.get_layer("head").kernel
    with pytest.raises(DivergedError, match=rf"step 4 of 7.*examples {bad}, ") as caught:
        for _ in t.run():
            pass
    assert caught.value.exit_code == 5
    assert np.isfinite(head.numpy()).all()


def test_huge_learning_rate_diverges() -> None:
    with pytest.raises(DivergedError):
        run_to_end(trainer(epochs=20, gradient_clipping=None, optimizer=SGD(learning_rate=1e30)))


def test_early_stopping_says_why() -> None:
    t = trainer(epochs=50)
    t.watch = Watch("val_accuracy", greater_is_better=True, patience=2, min_delta=2.0)
    done = run_to_end(t)[-1]
    assert done.epochs_done == 3 and "val_accuracy" in done.reason


def test_a_checkpoint_of_another_model_is_refused() -> None:
    state = trainer().state()
    arrays = {k: v for k, v in state.arrays.items() if k != "model/head/kernel"}
    with pytest.raises(IntegrityError, match="head/kernel"):
        trainer().restore(TrainingState(arrays, 1, 0, state.progress))


@pytest.mark.parametrize("damage", [b"", b"\x00" * 8, b"\xff" * 64])
def test_a_damaged_checkpoint_is_refused(damage: bytes) -> None:
    with pytest.raises(IntegrityError):
        from_bytes(damage)
    whole = to_bytes(trainer().state())
    with pytest.raises(IntegrityError):
        from_bytes(whole[:-3])


def test_the_time_left_does_not_count_what_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(epochs=3)
    now, run = [0.0], made.loop.run
    monkeypatch.setattr("bmcli.training.trainer.time.perf_counter", lambda: now[0])
    compiled: set[Any] = set()

    def slow(group: Any, rates: Any) -> Any:
        now[0] += 100.0 if group.signature not in compiled else 0.5 * group.steps
        compiled.add(group.signature)
        return run(group, rates)

    monkeypatch.setattr(made.loop, "run", slow)
    steps = [event for event in made.run() if isinstance(event, StepsDone)]
    assert steps[0].seconds_left is None, "nothing is known yet"
    known = [event for event in steps if event.seconds_left is not None]
    assert known
    for event in known:
        left = (3 - event.epoch + 1) * event.steps - event.step
        # Until it was seen twice, validation counts as a third of what learning from it would take.
        assert 0.5 * left - 1e-6 <= event.seconds_left <= 1.4 * 0.5 * left + 0.6


def test_a_restored_training_says_where_it_goes_on() -> None:
    first = trainer()
    assert first.resumed() is None
    for event in first.run():
        if isinstance(event, StepsDone) and event.epoch == 2:
            break
    again = trainer()
    again.restore(first.state())
    found = again.resumed()
    assert found is not None and (found.epoch, found.epochs, found.step) == (2, 3, event.step)
    assert [record["epoch"] for record in found.records] == [1]
