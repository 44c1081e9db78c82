"""Learning-rate schedules against their formulas."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmcli.training.schedules import SCHEDULES
from bmcli.training.schedules.constant import Constant
from bmcli.training.schedules.cosine import Cosine
from bmcli.training.schedules.exponential import Exponential
from bmcli.training.schedules.one_cycle import OneCycle
from bmcli.training.schedules.step import Step

SPAN = {"steps_per_epoch": 10, "epochs": 4}


@pytest.mark.parametrize("name", SCHEDULES.names())
@given(warmup=st.floats(0, 5), steps=st.integers(1, 50), epochs=st.integers(1, 20), at=st.floats(0, 1))
def test_factor_stays_between_0_and_1(name: str, warmup: float, steps: int, epochs: int, at: float) -> None:
    schedule = SCHEDULES.get(name)(warmup_epochs=warmup)
    step = min(int(at * steps * epochs), steps * epochs - 1)
    rate = schedule.rate(step, steps_per_epoch=steps, epochs=epochs)
    assert 0 <= rate <= 1 and math.isfinite(rate)


def test_warmup_rises_in_a_straight_line_and_hands_over() -> None:
    rates = [Constant(warmup_epochs=0.5).rate(s, **SPAN) for s in range(8)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])


def test_step_drops_at_whole_epochs() -> None:
    schedule = Step(every_epochs=2, gamma=0.1)
    assert schedule.rate(19, **SPAN) == 1
    assert schedule.rate(20, **SPAN) == pytest.approx(0.1)


def test_exponential_per_epoch() -> None:
    assert Exponential(gamma=0.5).rate(20, **SPAN) == pytest.approx(0.25)


def test_cosine_halfway_and_end() -> None:
    assert Cosine().rate(20, **SPAN) == pytest.approx(0.5)
    assert Cosine(final=0.1).rate(39, **SPAN) == pytest.approx(0.1, abs=2e-3)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_one_cycle_starts_peaks_and_ends(shape: str) -> None:
    schedule = OneCycle(peak=0.25, start=0.1, final=0.01, shape=shape)
    assert schedule.rate(0, **SPAN) == pytest.approx(0.1)
    assert schedule.rate(10, **SPAN) == pytest.approx(1)
    assert schedule.factor(1.0, 4.0) == pytest.approx(0.01)
    middle = schedule.rate(5, **SPAN)
    assert middle == pytest.approx(0.55)


def test_linear_falls_in_a_straight_line() -> None:
    linear = SCHEDULES.get("linear")(final=0.2)
    rates = [linear.rate(step, steps_per_epoch=5, epochs=2) for step in range(10)]
    assert rates == pytest.approx([1 - 0.08 * step for step in range(10)])
