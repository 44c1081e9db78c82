"""Best epoch and early stopping."""

from __future__ import annotations

import math

from bmcli.training.watch import Watch


def after(watch: Watch, *values: float | None) -> Watch:
    for epoch, value in enumerate(values, 1):
        watch = watch.see(epoch, value)
    return watch


def test_lower_is_better() -> None:
    watch = after(Watch("val_loss", greater_is_better=False), 3.0, 1.0, 2.0)
    assert (watch.best, watch.best_epoch, watch.waited) == (1.0, 2, 1)


def test_greater_is_better_and_ties_keep_the_first() -> None:
    watch = after(Watch("val_accuracy", greater_is_better=True), 0.5, 0.9, 0.9)
    assert (watch.best, watch.best_epoch) == (0.9, 2)


def test_patience_counts_epochs_without_enough_gain() -> None:
    watch = Watch("val_loss", greater_is_better=False, patience=2, min_delta=0.1)
    assert not after(watch, 1.0, 0.95).should_stop
    assert after(watch, 1.0, 0.95, 0.92).should_stop
    assert not after(watch, 1.0, 0.95, 0.8).should_stop


def test_a_first_nan_is_not_best_for_ever() -> None:
    watch = after(Watch("val_loss", greater_is_better=False), math.nan, None, 5.0, 6.0)
    assert (watch.best, watch.best_epoch) == (5.0, 3)


def test_where_all_is_undefined_the_latest_stands() -> None:
    assert after(Watch("val_auc", greater_is_better=True), None, None).best_epoch == 2


def test_without_validation_the_last_is_best() -> None:
    watch = after(Watch("loss", greater_is_better=False, keep_last=True), 1.0, 2.0)
    assert (watch.best, watch.best_epoch) == (2.0, 2)
