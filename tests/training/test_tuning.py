"""Fine-tuning: groups of layers, a rate for each, phases that freeze and thaw, and exact continuation."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.config.schema import CheckpointConfig, FineTuning, TrainingConfig
from bmcli.core.errors import ConfigError
from bmcli.core.spec import INPUT, DataSpec
from bmcli.modalities.source import NamedSources
from bmcli.runs.layout import TEMPORARY
from bmcli.training.checkpoints import TrainingState, from_bytes, to_bytes
from bmcli.training.events import EpochDone, FeaturesDone, StepsDone, TrainingDone
from bmcli.training.features import ABANDONED, Examples, FeatureCache
from bmcli.training.feed import Feed
from bmcli.training.optimizers.adamw import AdamW
from bmcli.training.optimizers.sgd import SGD
from bmcli.training.rates import scale_rates
from bmcli.training.schedules.linear import Linear
from bmcli.training.trainer import Trainer
from bmcli.training.tuning import Tuning, divided, groups_of
from bmcli.training.validation import Validation
from bmcli.training.watch import Watch
from tests.training.test_trainer import INPUTS, LABELS, SPEC, TARGETS, Accuracy

LOWER = {"lower/kernel", "lower/bias", "norm/gamma", "norm/beta"}
STATISTICS = {"norm/moving_mean", "norm/moving_variance"}


def network(seed: int = 0) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    x = entry = keras.Input(INPUTS.shape[1:], name="input")
    x = keras.layers.Dense(9, activation="relu", name="lower")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.2, name="inner_dropout")(x)
    x = keras.layers.Dense(7, activation="relu", name="upper")(x)
    x = keras.layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(entry, keras.layers.Dense(SPEC.units, dtype="float32", name="head")(x))


def trainer(
    cache: Path | None = None, seed: int = 0, frozen: tuple[str, ...] = (), **finetune: Any
) -> Trainer:
    """One that fine-tunes a network of two groups. cache: where features are kept; None: in no place."""
    from bmcli.models._head import finished

    made = network(seed)
    for name in frozen:
        made.get_layer(name).trainable = False
    config = TrainingConfig(
        epochs=3,
        batch_size=8,
        optimizer=AdamW(learning_rate=0.01),
        schedule=Linear(warmup_epochs=0.5),
        gradient_clipping=1.0,
        ema=0.9,
        checkpoint=CheckpointConfig(),
        finetune=FineTuning(**finetune),
    )
    feed = Feed(NamedSources({INPUT: INPUTS}), TARGETS, None, [], config.batch_size, 0)
    validation = Validation(NamedSources({INPUT: INPUTS}), LABELS, Accuracy, 16)
    watch = Watch("val_accuracy", greater_is_better=True)
    body = divided(made, lambda head: finished(head, SPEC))
    tuning = Tuning(made, groups_of(made, []), config, body)
    kept = FeatureCache(cache, {"data": "these"}, pytest.fail) if cache else None
    whole = finished(made, SPEC)
    return Trainer(made, whole, SPEC, config, feed, lambda batch: batch, validation, watch, 1, tuning, kept)


def weights(t: Trainer) -> dict[str, np.ndarray]:
    return {v.path: np.array(v.numpy()) for v in t.model.variables if "seed_generator" not in v.path}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {path for path in before if before[path].tobytes() != after[path].tobytes()}


def by_epoch(t: Trainer) -> list[set[str]]:
    """What each epoch changes."""
    found, before = [], weights(t)
    for event in t.run():
        if isinstance(event, EpochDone):
            found.append(changed(before, after := weights(t)))
            before = after
    return found


# --- groups ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "spec", "expected"),
    [
        (
            "cnn",
            {"filters": [2, 2], "batch_norm": True, "dense": [3]},
            DataSpec.single("image", "multiclass", (8, 8, 1), ("a", "b", "c")),
            ["conv1 norm1", "conv2 norm2", "dense1"],
        ),
        (
            "resnet",
            {"stem": 2, "widths": [2, 3], "blocks": [1, 0]},
            DataSpec.single("image", "multiclass", (8, 8, 1), ("a", "b", "c")),
            [
                "stem stem_norm",
                "stage1_down stage1_down_norm stage1_block1_conv1 stage1_block1_conv1_norm "
                "stage1_block1_conv2 stage1_block1_conv2_norm",
                "stage2_down stage2_down_norm",
            ],
        ),
    ],
)
def test_groups_follow_from_names(name: str, options: Any, spec: DataSpec, expected: list[str]) -> None:
    from bmcli.models import MODELS

    made = MODELS.get(name)(**options).build(spec)
    assert [" ".join(group) for group in groups_of(made, [])] == expected


def test_all_embeddings_are_the_first_group_and_a_last_norm_belongs_to_the_last_block() -> None:
    from bmcli.models import MODELS

    spec = DataSpec.single("text", "binary", (None,), ("a", "b"), vocabulary_size=20, max_length=12)
    options = {"width": 4, "heads": 2, "feed_forward": 4, "blocks": 2, "bag": 3, "pairs": 9}
    made = MODELS.get("transformer")(**options).build(spec)
    first, *others = groups_of(made, [])
    assert set(first) == {"token_embedding", "position_embedding", "bag_embedding", "pair_embedding"}
    assert [group[0].partition("_")[0] for group in others] == ["block1", "block2"]
    assert others[-1][-1] == "norm"


def test_stages_name_each_layer_once() -> None:
    made = network()
    assert groups_of(made, [["lower", "norm"], ["upper"]]) == [["lower", "norm"], ["upper"]]
    for wrong in (
        [["lower"], ["upper"]],
        [["lower", "norm", "lower"], ["upper"]],
        [["lower", "norm"], ["x"]],
    ):
        with pytest.raises(ConfigError, match="do not name each layer once"):
            groups_of(made, wrong)


def test_more_groups_than_there_are() -> None:
    with pytest.raises(ConfigError, match=r"training.finetune.layers: 3 groups .* has 2") as caught:
        trainer(layers=3)
    assert caught.value.hint is not None and "lower, norm; upper" in caught.value.hint


# --- rates -----------------------------------------------------------------------------------------------


def steps(optimizer: Any, variables: list[Any], gradients: list[np.ndarray]) -> list[np.ndarray]:
    import keras

    before = [v.numpy() for v in variables]
    optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
    return [v.numpy() - old for v, old in zip(variables, before, strict=True)]


@pytest.mark.parametrize("chosen", [SGD(learning_rate=0.1, weight_decay=0.5), AdamW(learning_rate=0.1)])
def test_each_variable_has_its_share_of_the_rate(chosen: Any) -> None:
    """A step of a share of the rate is that share of the step, in its decay and in what the gradient says."""
    import keras

    def variables() -> list[Any]:
        return [keras.Variable(np.full((2, 3), 2.0, np.float32), name=f"v{i}") for i in range(2)]

    gradients = [np.full((2, 3), 0.7, np.float32)] * 2
    whole = chosen.build(plain := variables())
    scaled = chosen.build(others := variables())
    scale_rates(scaled, [1.0, 0.25])
    for _ in range(2):
        first, _ = steps(whole, plain, gradients)
        same, quarter = steps(scaled, others, gradients)
        np.testing.assert_array_equal(same, first)
    # Of the second step too, though the decay by then is of slightly different weights.
    np.testing.assert_allclose(quarter, first * 0.25, rtol=0.1)
    assert len(scaled.variables) == len(whole.variables)


def test_equal_rates_leave_the_optimizer_as_it_is() -> None:
    import keras

    optimizer = AdamW().build([keras.Variable(np.zeros(2, np.float32))])
    scale_rates(optimizer, [1.0])
    assert "update_step" not in vars(optimizer)


def test_rates_fall_with_the_distance_from_the_head() -> None:
    rates = trainer(learning_rate=1e-3, layer_decay=0.5).tuning.rates  # type: ignore[union-attr]
    assert rates == {"upper": 1e-3, "lower": 5e-4}
    every = trainer(learning_rate=1e-3, layer_decay=0.5, batch_norm="trained").tuning
    assert every is not None and every.rates == {**rates, "norm": 5e-4}


def test_the_default_rate_is_at_most_the_head_s() -> None:
    assert AdamW().gentle_rate == 1e-4 and AdamW(learning_rate=1e-5).gentle_rate == 1e-5


# --- phases ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cached", [True, False])
def test_the_head_alone_and_then_the_layers_below_it(cached: bool, tmp_path: Path) -> None:
    t = trainer(tmp_path if cached else None)
    first, *others = by_epoch(t)
    assert first == {"head/kernel", "head/bias"}
    for later in others:
        assert later == {path for path in weights(t) if not path.startswith("norm/")}


def test_batch_normalisation_is_trained_on_request(tmp_path: Path) -> None:
    t = trainer(tmp_path, batch_norm="trained")
    assert by_epoch(t)[1] == set(weights(t))


def test_frozen_layers_keep_their_statistics_to_the_last_bit(tmp_path: Path) -> None:
    """The upper group is trained, what is below it is not: nothing there changes, in inference mode."""
    t = trainer(tmp_path, layers=1)
    assert by_epoch(t)[1:] == [{"head/kernel", "head/bias", "upper/kernel", "upper/bias"}] * 2
    t = trainer(tmp_path, layers="none")
    assert by_epoch(t) == [{"head/kernel", "head/bias"}] * 3


def test_layers_frozen_by_init_from_stay_frozen(tmp_path: Path) -> None:
    t = trainer(tmp_path, frozen=("lower", "norm"))
    assert by_epoch(t)[1] == {"head/kernel", "head/bias", "upper/kernel", "upper/bias"}
    with pytest.raises(ConfigError, match="freezes all"):
        trainer(layers=1, frozen=("upper",))


def test_a_variable_that_its_builder_froze_stays_frozen(tmp_path: Path) -> None:
    t = trainer(tmp_path)
    kernel = t.model.get_layer("lower").kernel
    kernel.trainable = False
    t.tuning._own.discard(id(kernel))  # type: ignore[union-attr]
    assert "lower/kernel" not in by_epoch(t)[1] and "lower/bias" in by_epoch(trainer(tmp_path))[1]


def test_the_head_learns_at_a_constant_rate_before_the_schedule_begins(tmp_path: Path) -> None:
    t = trainer(tmp_path)
    rates = [event.learning_rate for event in t.run() if isinstance(event, StepsDone)]
    per_epoch = t.feed.steps_per_epoch
    t.epoch = 1
    assert {t._rate(step) for step in range(per_epoch)} == {0.01}
    t.epoch = 2
    assert t._rate(0) == pytest.approx(0.01 / round(0.5 * per_epoch)) and rates[-1] < 0.01


def test_training_on_kept_features_is_training_on_the_whole_network(tmp_path: Path) -> None:
    """The same epochs of the head alone, up to rounding, with features from disk and made in each step."""
    cached, direct = trainer(tmp_path, layers="none"), trainer(layers="none")
    for t in (cached, direct):
        list(t.run())
    for path, array in weights(cached).items():
        np.testing.assert_allclose(array, weights(direct)[path], atol=1e-5)
    for ours, theirs in zip(cached.records, direct.records, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["val_accuracy"] == theirs["val_accuracy"]


# --- continuation ----------------------------------------------------------------------------------------


def states_of(t: Trainer) -> list[bytes]:
    return [
        to_bytes(t.state())
        for event in t.run()
        if isinstance(event, StepsDone | EpochDone | FeaturesDone | TrainingDone)
    ]


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("layers", ["none", "all", 1])
def test_goes_on_bit_for_bit_in_each_phase(cached: bool, layers: Any, tmp_path: Path) -> None:
    """From any state, in a new trainer with other random weights but the frozen ones."""
    whole = trainer(tmp_path / "a" if cached else None, layers=layers)
    start = weights(whole)
    states = states_of(whole)
    assert len(states) > 6
    for number in {1, len(states) // 3, len(states) // 2, len(states) - 3}:
        again = trainer(tmp_path / "b" if cached else None, seed=5, layers=layers)
        state = from_bytes(states[number])
        again.load_frozen({path: array for path, array in start.items() if path in frozen_in(state)}, "00")
        again.restore(state)
        list(again.run())
        assert changed(weights(whole), weights(again)) == set(), (number, state.epoch, state.step)
        strip = [{k: v for k, v in r.items() if "second" not in k} for r in whole.records]
        assert strip == [{k: v for k, v in r.items() if "second" not in k} for r in again.records]


def frozen_in(state: TrainingState) -> set[str]:
    """What a state leaves out."""
    every = {*LOWER, *STATISTICS, "upper/kernel", "upper/bias", "head/kernel", "head/bias"}
    return {path for path in every if f"model/{path}" not in state.arrays}


def test_states_leave_out_what_is_frozen(tmp_path: Path) -> None:
    t = trainer(tmp_path, layers=1)
    events = t.run()
    assert frozen_in(t.state()) == {*LOWER, *STATISTICS, "upper/kernel", "upper/bias"}
    while t.epoch == 1:
        next(events)
    assert frozen_in(t.state()) == {*LOWER, *STATISTICS}


# --- features --------------------------------------------------------------------------------------------


def test_features_are_computed_once(tmp_path: Path) -> None:
    def computed(cache: Path) -> int:
        return sum(isinstance(event, FeaturesDone) for event in trainer(cache, layers="none").run())

    assert computed(tmp_path) > 0
    assert computed(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 2, "a file for each split, and nothing else"


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_damaged_features_are_computed_again_and_said(damage: str, tmp_path: Path) -> None:
    first = trainer(tmp_path, layers="none")
    list(first.run())
    for path in tmp_path.glob("*.npy"):
        data = bytearray(path.read_bytes())
        data[200] ^= 1
        path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-40]), "empty": b""}[damage])
    told: list[str] = []
    again = trainer(tmp_path, layers="none")
    assert again.cache is not None
    again.cache = replace(again.cache, warn=told.append)
    assert sum(isinstance(event, FeaturesDone) for event in again.run()) > 0
    assert len(told) == 2 and all("damaged" in text for text in told)
    assert changed(weights(first), weights(again)) == set()


def test_features_of_other_weights_are_other_features(tmp_path: Path) -> None:
    for seed in (0, 1):
        list(trainer(tmp_path, seed=seed, layers="none").run())
    assert len(list(tmp_path.glob("*.npy"))) == 4


def test_features_of_fewer_examples_are_other_features(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, {}, pytest.fail)
    few, many = (Examples("validation", NamedSources({INPUT: INPUTS[:n]}), {}, 16) for n in (20, 50))
    assert cache._name(few, "00") != cache._name(many, "00")


def test_old_features_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bmcli.training import features

    monkeypatch.setattr(features, "MOST_BYTES", 5000)
    for seed in range(4):
        list(trainer(tmp_path, seed=seed, layers="none").run())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5000


def test_what_a_killed_process_left_is_removed_in_time(tmp_path: Path) -> None:
    for name, age in (("old", 2 * ABANDONED), ("new", 0)):
        left = tmp_path / f"{TEMPORARY}{name}.npy"
        left.write_bytes(b"1")
        os.utime(left, (time.time() - age,) * 2)
    list(trainer(tmp_path, layers="none").run())
    assert [path.name for path in tmp_path.glob(f"{TEMPORARY}*")] == [f"{TEMPORARY}new.npy"]


def test_a_stopped_computation_leaves_nothing(tmp_path: Path) -> None:
    events = trainer(tmp_path, layers="none").run()
    assert isinstance(next(events), FeaturesDone)
    events.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
